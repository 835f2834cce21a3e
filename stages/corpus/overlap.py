"""Which sentences repeat each other, exactly or nearly: decontamination.

Compared are sets of character n-grams of the normal form (letters, marks, digits) by their Jaccard
similarity, computed exactly. SimHash would miss most near copies of short sentences.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import numpy as np

from .normal_form import grams, normal

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Row = dict[str, Any]
CHUNK = 500  # texts compared with all others at a time; bounds memory
BATCH = 10_000  # pairs read at a time


class Overlap:
    """Finds the test sentence that a training sentence repeats, exactly or nearly.

    Memory grows with the test set alone.
    """

    def __init__(self, sentences: Iterable[str], n: int, threshold: float) -> None:
        self.n, self.threshold = n, threshold
        self.texts = sorted({normal(sentence) for sentence in sentences})
        self.exact = set(self.texts)
        self.place: dict[str, int] = {}
        self.size, self.table = _table(
            [[self.place.setdefault(gram, len(self.place)) for gram in grams(text, n)]
             for text in self.texts], None)

    def reasons(self, texts: Sequence[str]) -> list[str | None]:
        """ "test_overlap_exact", "test_overlap_near" or None of each normal form.

        Near means a Jaccard similarity of n-gram sets of at least the threshold.
        """
        return ["test_overlap_exact" if text in self.exact else
                "test_overlap_near" if others else None
                for text, others in self._near(texts)]

    def repeated(self, texts: Sequence[str]) -> set[str]:
        """Normal forms of the test sentences that any of these normal forms repeats."""
        return {self.texts[number] for _, others in self._near(texts) for number in others}

    def _near(self, texts: Sequence[str]) -> Iterator[tuple[str, list[int]]]:
        """(normal form, test sentences that reach the threshold) of each."""
        for start in range(0, len(texts), CHUNK):
            part = texts[start:start + CHUNK]
            sets = [grams(text, self.n) for text in part]
            size = np.array([*map(len, sets)], np.int64)
            _, table = _table([[self.place[gram] for gram in mine if gram in self.place]
                               for mine in sets], len(self.place))
            shared = (table @ self.table.T).tocoo()
            union = size[shared.row] + self.size[shared.col] - shared.data
            near = shared.data / union >= self.threshold
            others: list[list[int]] = [[] for _ in part]
            for mine, other in zip(shared.row[near].tolist(), shared.col[near].tolist(),
                                   strict=True):
                others[mine].append(other)
            yield from zip(part, others, strict=True)


def _table(sets: Sequence[Sequence[int]], width: int | None) -> tuple[np.ndarray, csr_matrix]:
    """(sizes, table of ones) of sets of numbers below ``width``, a row each. The product of two
    tables, the second transposed, counts what two sets share; sets that share nothing cost nothing.
    """
    from scipy.sparse import csr_matrix

    size = np.array([*map(len, sets)], np.int64)
    columns = np.fromiter(chain.from_iterable(sets), np.int32, size.sum())
    if width is None:
        width = int(columns.max(initial=-1)) + 1
    return size, csr_matrix((np.ones(len(columns), np.int32), columns,
                             np.append(0, size.cumsum())), (len(sets), width))


def repeated(rows: Sequence[Row], pairs: Iterable[Row], n: int, threshold: float,
             ) -> list[list[str]]:
    """For each row the languages whose side repeats, exactly or nearly, that of any of ``pairs``.

    Both hold src, tgt, src_lang and tgt_lang. The pairs stream: memory grows with ``rows`` alone.
    """
    known = {language: Overlap([row[side] for row in rows for side in ("src", "tgt")
                                if row[f"{side}_lang"] == language], n, threshold)
             for language in {row[f"{side}_lang"] for row in rows for side in ("src", "tgt")}}
    found: dict[str, set[str]] = defaultdict(set)
    stream = iter(pairs)
    while batch := list(islice(stream, BATCH)):
        for language, overlap in known.items():
            found[language] |= overlap.repeated(
                [normal(pair[side]) for pair in batch for side in ("src", "tgt")
                 if pair[f"{side}_lang"] == language])
    return [[row[f"{side}_lang"] for side in ("src", "tgt")
             if normal(row[side]) in found[row[f"{side}_lang"]]] for row in rows]


def near_pairs(texts: Sequence[str], n: int, threshold: float) -> np.ndarray:
    """Index pairs (i < j) that span the near-duplicates, shape (pairs, 2).

    Texts of one normal form are linked to the first of them; of the different ones, all pairs
    with a Jaccard similarity of n-gram sets of at least the threshold, by their firsts.
    """
    first: dict[str, int] = {}
    equal = [(first.setdefault(normal(text), i), i) for i, text in enumerate(texts)]
    place: dict[str, int] = {}
    size, table = _table([[place.setdefault(gram, len(place)) for gram in grams(text, n)]
                          for text in first], None)
    firsts = np.array([*first.values()], np.int64)
    pairs = [np.array([pair for pair in equal if pair[0] < pair[1]], np.int64).reshape(-1, 2)]
    for start in range(0, len(first), CHUNK):
        shared = (table[start:start + CHUNK] @ table[:start + CHUNK].T).tocoo()
        j, i, common = shared.row + start, shared.col, shared.data
        near = (i < j) & (common >= threshold * (size[i] + size[j] - common))
        pairs.append(np.stack([firsts[i[near]], firsts[j[near]]], axis=1))
    return np.concatenate(pairs)
