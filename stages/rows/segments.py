"""Segment statistics of all systems on one test set, with the floors that need no skill.

in   published rows of paired systems and of the copied source (see ``published``)
out  a ``Corpus``: arrays that ``statistics.translation`` resamples
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..common.errors import UserError
from . import lexical
from .lexical import Array
from .results import FLAGS, PLAIN, REDO, Results

Flags = NDArray[np.bool_]
LEXICAL = {"chrf++": ("chrF++", lexical.chrf), "spbleu": ("spBLEU", lexical.bleu)}


class Metric(NamedTuple):
    """How a metric turns sums of segment statistics into a score."""

    name: str
    label: str
    signature: str
    score: Callable[[Array], Array]


class Corpus(NamedTuple):
    """Statistics of every system on the ids of a test set; the last system is the copied source.

    ``statistics[metric]``: (systems, directions, ids, columns), 0 where a direction lacks the id.
    ``present``: (directions, ids). ``shuffled_sums[metric]``: (systems but the last, directions,
    orders, columns), for metrics of strings. ``flags[flag]`` and ``off_target[rule]``: (systems,
    directions, ids), ``ref_off_target[rule]``: (directions, ids), false where an id is lacking and
    for the copied source. Neural metrics lack the copied source: 0.
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


def corpus(results: Sequence[Results], copied: Results, names: Sequence[str]) -> Corpus:
    """The arrays of paired systems; metrics of strings in the order of ``names``, then others."""
    first = results[0]
    row = next(iter(first.rows.values()))
    neural = sorted(row.get("scores") or {})
    if clash := [name for name in neural if name in names or not PLAIN.fullmatch(name)]:
        raise UserError(f"{first.file}: {clash[0]!r} cannot name a neural metric: it is taken, or "
                        f"not of letters, digits, '.', '_', '+' and '-'. {REDO}")
    metrics = [Metric(name, LEXICAL[name][0], first.meta["metrics"][name], LEXICAL[name][1])
               for name in names] + [
        Metric(name, name, "mean of segment scores", lexical.mean) for name in neural]
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
            statistics[name][s][at] = [[row["scores"][name], 1] for row in rows]
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
