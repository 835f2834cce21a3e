"""Segment statistics of all systems on one test set, with the floors that need no skill.

in   paired results (see ``pairing``); a sentencepiece model where meta.json names one for spBLEU
out  a ``Corpus``: arrays that ``translations`` resamples

Floors: the source copied as the translation, and each system's own outputs scored against
references in shuffled order (what its style and length earn without meaning).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..common.errors import BAD_CONFIG, UserError
from . import lexical, seeded
from .lexical import Array
from .pairing import COPY, FLAGS, PLAIN, REDO, Results

Row = dict[str, Any]

SHUFFLES = 20


class Metric(NamedTuple):
    """How a metric turns sums of segment statistics into a score."""

    name: str
    label: str
    signature: str
    score: Callable[[Array], Array]


class Corpus(NamedTuple):
    """Statistics of every system on the ids of a test set.

    ``statistics[metric]``: (systems, directions, ids, columns), 0 where a direction lacks the id.
    ``present``: (directions, ids). ``shuffled[metric]``: (systems, directions), mean score.
    The last system is the copied source, in metrics that need no reference model.
    """

    systems: list[str]
    directions: list[str]
    ids: list[str]
    documents: NDArray[np.intp]
    present: Array
    metrics: list[Metric]
    statistics: dict[str, Array]
    shuffled: dict[str, Array]
    flags: dict[str, Array]


class Lexical(NamedTuple):
    """A metric of strings: how texts are prepared, and how pairs of them become statistics."""

    metric: Metric
    orders: int
    prepare: Callable[[Sequence[str]], Sequence[Any]]
    statistics: Callable[[Sequence[Any], Sequence[Any]], Array]


def lexical_metrics(names: Sequence[str], meta: Row) -> list[Lexical]:
    """The metrics of ``significance.metrics``; spBLEU takes its tokenizer from meta.json."""
    found = []
    for name in names:
        if name == "chrf++":
            found.append(Lexical(
                Metric(name, "chrF++", lexical.chrf_signature(), lexical.chrf),
                lexical.CHAR_ORDER + lexical.WORD_ORDER, lexical.chrf_symbols,
                lexical.chrf_statistics))
        elif name == "spbleu" and (spm := meta.get("spbleu")):
            signature = lexical.bleu_signature(spm["label"], spm["sha256"])
            found.append(Lexical(
                Metric(name, "spBLEU", signature, lexical.bleu), lexical.BLEU_ORDER,
                lexical.sentencepiece(Path(spm["model"]), spm["sha256"]),
                lexical.bleu_statistics))
        else:
            raise UserError(f"significance.metrics: {name!r} is not chrf++ or spbleu, or meta.json "
                            "names no spbleu tokenizer. Change params.yaml", BAD_CONFIG)
    return found


def corpus(results: Sequence[Results], metrics: Sequence[str], seed: int) -> Corpus:
    """Extract the statistics of paired systems, of the copied source and of shuffled references."""
    keys = results[0].rows
    directions = sorted({direction for direction, _ in keys})
    document = {key[1]: row["cluster"] for key, row in keys.items()}
    ids = sorted(document)
    place = {name: number for number, name in enumerate(ids)}
    systems = [result.system for result in results]
    shape = (len(systems) + 1, len(directions), len(ids))
    strings = lexical_metrics(metrics, results[0].meta)
    # `pairing` has made sure that every row of every system carries the same neural scores.
    neural = sorted(next(iter(keys.values())).get("scores") or {})
    if clash := [name for name in neural if name in metrics or not PLAIN.fullmatch(name)]:
        raise UserError(f"{results[0].file}: {clash[0]!r} cannot name a neural metric: it "
                        f"is taken, or not of letters, digits, '.', '_', '+' and '-'. {REDO}")
    table = {kind.metric.name: np.zeros((*shape, 3 * kind.orders)) for kind in strings} | {
        name: np.zeros((*shape, 2)) for name in neural}
    shuffled = {kind.metric.name: np.zeros(shape[:2]) for kind in strings}
    present = np.zeros(shape[1:])
    flags = {flag: np.zeros((len(systems), len(directions))) for flag in FLAGS}
    for d, direction in enumerate(directions):
        mine = [key for key in keys if key[0] == direction]
        at = np.array([place[key[1]] for key in mine])
        present[d, at] = 1
        orders = [seeded.generator(seed, "shuffle", direction, str(k)).permutation(len(mine))
                  for k in range(SHUFFLES)]
        for metric, _, prepare, statistics in strings:
            references = prepare([keys[key]["ref"] for key in mine])
            copied = prepare([keys[key]["src"] for key in mine])
            table[metric.name][-1, d, at] = statistics(copied, references)
            for s, result in enumerate(results):
                outputs = prepare([result.rows[key]["hyp"] for key in mine])
                table[metric.name][s, d, at] = statistics(outputs, references)
                shuffled[metric.name][s, d] = np.mean([metric.score(statistics(
                    outputs, [references[j] for j in order]).sum(0)) for order in orders])
        for s, result in enumerate(results):
            for name in neural:
                table[name][s, d, at] = [[result.rows[key]["scores"][name], 1] for key in mine]
            for flag in FLAGS:
                flags[flag][s, d] = 100 * np.mean([result.rows[key][flag] for key in mine])
    all_metrics = [kind.metric for kind in strings] + [
        Metric(name, name, "mean of segment scores", lexical.mean) for name in neural]
    _, documents = np.unique([document[name] for name in ids], return_inverse=True)
    return Corpus([*systems, COPY], directions, ids, documents, present, all_metrics, table,
                  shuffled, flags)
