"""Segment statistics of all systems on one test set, with the floors that need no skill.

in   published rows of paired systems and of the copied source (see ``published``)
out  a ``Corpus``: arrays that ``statistics.translation`` resamples
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..common.errors import UserError
from . import lexical
from .lexical import Array
from .results import FLAGS, PLAIN, REDO, Results

Flags = NDArray[np.bool_]
LEXICAL = {"chrf++": ("chrF++", lexical.chrf), "spbleu": ("spBLEU", lexical.bleu),
           "spbleu200": ("spBLEU-200", lexical.bleu)}


class Metric(NamedTuple):
    """How a metric turns sums of segment statistics into a score."""

    name: str
    label: str
    signature: str
    score: Callable[[Array], Array]
    notes: Sequence[str] = ()  # what a reader of its scores has to know


class Corpus(NamedTuple):
    """Statistics of every system on the ids of a test set; the last system is the copied source.

    ``statistics[metric]``: (systems, directions, ids, columns), 0 where a direction lacks the id.
    ``present``: (directions, ids). ``shuffled_sums[metric]``: (systems but the last, directions,
    orders, columns), for metrics of strings. ``flags[flag]`` and ``off_target[rule]``: (systems,
    directions, ids), ``ref_off_target[rule]``: (directions, ids), false where an id is lacking and
    for the copied source. Neural metrics lack the copied source, and directions whose languages
    they do not know: 0.
    """

    systems: list[str]
    directions: list[str]
    ids: list[str]
    documents: NDArray[np.intp]
    present: Array
    metrics: list[Metric]
    statistics: dict[str, Array]
    shuffled_sums: dict[str, Array]
    flags: dict[str, Flags]
    off_target: dict[str, Flags]
    ref_off_target: dict[str, Flags]


def neural_metric(name: str, about: dict[str, Any]) -> Metric:
    """``about``: what meta.json says of the metric (see ``comet.scoring``), {} if nothing."""
    signature = "mean of segment scores"
    if about:
        signature += (f", {about['hub']}|revision:{about['revision'][:12]}|"
                      f"sha256:{about['sha256'][:12]}|{about['dtype']}|comet:{about['comet']}")
    return Metric(name, name, signature, lexical.mean, [
        *([f"Read with care: {about['kin']}."] if about.get("kin") else []),
        *(f"n/a for {direction}: {why}."
          for direction, why in sorted(about.get("unknown", {}).items()))])


def known(data: Corpus, metric: Metric) -> Corpus:
    """The corpus without the directions that a metric has no scores in."""
    if metric.name in data.shuffled_sums:
        return data
    keep = np.flatnonzero(data.statistics[metric.name][0, :, :, 1].any(-1))
    if len(keep) == len(data.directions):
        return data
    return data._replace(
        directions=[data.directions[d] for d in keep], present=data.present[keep],
        statistics={name: table[:, keep] for name, table in data.statistics.items()},
        shuffled_sums={name: sums[:, keep] for name, sums in data.shuffled_sums.items()},
        flags={name: table[:, keep] for name, table in data.flags.items()},
        off_target={name: table[:, keep] for name, table in data.off_target.items()},
        ref_off_target={name: table[keep] for name, table in data.ref_off_target.items()})


def corpus(results: Sequence[Results], copied: Results, names: Sequence[str]) -> Corpus:
    """The arrays of paired systems; metrics of strings in the order of ``names``, then others."""
    first = results[0]
    row = next(iter(first.rows.values()))
    neural = sorted({name for one in first.rows.values() for name in one.get("scores") or {}})
    if clash := [name for name in neural if name in names or not PLAIN.fullmatch(name)]:
        raise UserError(f"{first.file}: {clash[0]!r} cannot name a neural metric: it is taken, or "
                        f"not of letters, digits, '.', '_', '+' and '-'. {REDO}")
    metrics = [Metric(name, LEXICAL[name][0], first.meta["metrics"][name], LEXICAL[name][1])
               for name in names] + [
        neural_metric(name, (first.meta.get("neural") or {}).get(name, {})) for name in neural]
    directions = sorted({direction for direction, _ in first.rows})
    document = {key[1]: row["cluster"] for key, row in first.rows.items()}
    ids = sorted(document)
    place = {name: number for number, name in enumerate(ids)}
    at = tuple(np.array([(directions.index(direction), place[name])
                         for direction, name in first.rows]).T)
    systems = [*results, copied]
    shape = (len(systems), len(directions), len(ids))
    present = np.zeros(shape[1:])
    present[at] = 1
    statistics = {name: np.zeros((*shape, len(row["stats"][name]))) for name in names} | {
        name: np.zeros((*shape, 2)) for name in neural}
    flags = {flag: np.zeros(shape, dtype=bool) for flag in FLAGS}
    off_target = {rule: np.zeros(shape, dtype=bool) for rule in row["off_target"]}
    ref_off_target = {rule: np.zeros(shape[1:], dtype=bool) for rule in row["off_target"]}
    for s, result in enumerate(systems):
        rows = [result.rows[key] for key in first.rows]
        for name in names:
            statistics[name][s][at] = [row["stats"][name] for row in rows]
        if result is copied:
            continue
        for name in neural:
            statistics[name][s][at] = [
                [row["scores"][name], 1] if name in (row.get("scores") or {}) else [0, 0]
                for row in rows]
        for flag in FLAGS:
            flags[flag][s][at] = [row[flag] for row in rows]
        for rule, found in off_target.items():
            found[s][at] = [row["off_target"][rule] for row in rows]
            ref_off_target[rule][at] = [row["ref_off_target"][rule] for row in rows]
    shuffled = {name: np.array([[result.meta["shuffled"][name][direction]
                                 for direction in directions] for result in results], dtype=float)
                for name in names}
    _, documents = np.unique([document[name] for name in ids], return_inverse=True)
    return Corpus([result.system for result in systems], directions, ids, documents, present,
                  metrics, statistics, shuffled, flags, off_target, ref_off_target)
