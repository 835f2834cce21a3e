"""From texts to the counts that every score of strings is made of, once for each segment.

in   paired results with text (see ``pairing``); a sentencepiece model where meta.json names one
out  counts of each segment, of every system and of the copied source, and the sums of each system's
     outputs against references in shuffled order (what style and length earn without meaning)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..common.errors import BAD_CONFIG, UserError
from . import lexical, seeded
from .lexical import Array
from .results import COPY, SHUFFLES, Key, Results, Row


class Lexical(NamedTuple):
    """A metric of strings: how lists of texts are made ready together, and two of them compared."""

    signature: str
    ready: Callable[[Sequence[Sequence[str]]], Sequence[Any]]
    statistics: Callable[[Any, Any], Array]
    reordered: Callable[[Any, lexical.Index], Any]


class Extracted(NamedTuple):
    """``signatures[metric]``; ``counts[system][key][metric]``: whole numbers of a segment;
    ``shuffled[system][metric][direction]``: their sums over a direction in each of the orders."""

    signatures: dict[str, str]
    counts: dict[str, dict[Key, dict[str, list[int]]]]
    shuffled: dict[str, dict[str, dict[str, list[list[int]]]]]


def lexical_metrics(names: Sequence[str], meta: Row) -> dict[str, Lexical]:
    """The metrics of ``significance.metrics``; spBLEU takes its tokenizer from meta.json."""
    found = {}
    for name in names:
        if name == "chrf++":
            found[name] = Lexical(lexical.chrf_signature(), lexical.chrf_grams,
                                  lexical.chrf_statistics, lexical.reordered_parts)
        elif name in ("spbleu", "spbleu200") and (spm := meta.get(name)):
            pieces = lexical.sentencepiece(Path(spm["model"]), spm["sha256"])
            found[name] = Lexical(
                lexical.bleu_signature(spm["label"], spm["sha256"]),
                lambda sides, pieces=pieces: lexical.bleu_grams(  # type: ignore[misc]
                    [pieces(side) for side in sides]),
                lexical.ngram_statistics, lexical.reordered)
        else:
            raise UserError(f"significance.metrics: {name!r} is not chrf++, spbleu or spbleu200, "
                            "or meta.json names no tokenizer for it. Change params.yaml",
                            BAD_CONFIG)
    return found


def extract(results: Sequence[Results], metrics: Sequence[str], seed: int) -> Extracted:
    """The counts of paired systems, of the copied source and of shuffled references."""
    keys = results[0].rows
    kinds = lexical_metrics(metrics, results[0].meta)
    systems = [result.system for result in results]
    found = Extracted({name: kind.signature for name, kind in kinds.items()},
                      {system: {key: {} for key in keys} for system in (*systems, COPY)},
                      {system: {name: {} for name in kinds} for system in systems})
    for direction in sorted({direction for direction, _ in keys}):
        mine = [key for key in keys if key[0] == direction]
        orders = [seeded.generator(seed, "shuffle", direction, str(k)).permutation(len(mine))
                  for k in range(SHUFFLES)]
        texts = [[keys[key]["ref"] for key in mine],
                 *([result.rows[key]["hyp"] for key in mine] for result in results),
                 [keys[key]["src"] for key in mine]]
        for name, kind in kinds.items():
            references, *sides = kind.ready(texts)
            for system, side in zip((*systems, COPY), sides, strict=True):
                counts = kind.statistics(side, references).astype(int).tolist()
                for key, row in zip(mine, counts, strict=True):
                    found.counts[system][key][name] = row
            mixed = [kind.reordered(references, order) for order in orders]
            for system, side in zip(systems, sides, strict=False):  # the source has no such floor
                found.shuffled[system][name][direction] = [
                    kind.statistics(side, other).sum(0).astype(int).tolist() for other in mixed]
    return found
