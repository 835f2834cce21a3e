"""Which sentences repeat each other, exactly or nearly: decontamination.

Compared are sets of character n-grams of the normal form (letters, marks, digits) by their Jaccard
similarity, computed exactly. SimHash would miss most near copies of short sentences.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from .normal_form import grams, normal

Row = dict[str, Any]
CHUNK = 500  # texts compared with all others at a time; bounds memory


class Overlap:
    """Finds the test sentence that a training sentence repeats, exactly or nearly."""

    def __init__(self, sentences: Iterable[str], n: int, threshold: float) -> None:
        self.n, self.threshold = n, threshold
        self.texts = sorted({normal(sentence) for sentence in sentences})
        self.exact = set(self.texts)
        self.sets = [grams(text, n) for text in self.texts]
        self.index: dict[str, list[int]] = defaultdict(list)
        for number, found in enumerate(self.sets):
            for gram in found:
                self.index[gram].append(number)

    def reason(self, sentence: str) -> str | None:
        """ "test_overlap_exact", "test_overlap_near" or None.

        Near means a Jaccard similarity of n-gram sets of at least the threshold, computed
        exactly through the inverted index.
        """
        text = normal(sentence)
        mine = grams(text, self.n)
        shared = Counter(number for gram in mine for number in self.index.get(gram, ()))
        best = max((common / (len(mine) + len(self.sets[number]) - common)
                    for number, common in shared.items()), default=0.0)
        if best == 1.0 and text in self.exact:
            return "test_overlap_exact"
        return "test_overlap_near" if best >= self.threshold else None


def repeated(rows: Iterable[Row], pairs: Iterable[Row], n: int, threshold: float,
             ) -> list[list[str]]:
    """For each row the languages whose side repeats, exactly or nearly, that of any of ``pairs``.

    Both hold src, tgt, src_lang and tgt_lang.
    """
    texts: dict[str, set[str]] = defaultdict(set)
    for pair in pairs:
        for side in ("src", "tgt"):
            texts[pair[f"{side}_lang"]].add(pair[side])
    known = {language: Overlap(sentences, n, threshold) for language, sentences in texts.items()}
    return [[row[f"{side}_lang"] for side in ("src", "tgt") if row[f"{side}_lang"] in known
             and known[row[f"{side}_lang"]].reason(row[side])] for row in rows]


def near_pairs(texts: Sequence[str], n: int, threshold: float) -> np.ndarray:
    """Index pairs (i < j) that span the near-duplicates, shape (pairs, 2).

    Texts of one normal form are linked to the first of them; of the different ones, all pairs
    with a Jaccard similarity of n-gram sets of at least the threshold, by their firsts. A product
    of sparse matrices counts what two texts share, so texts that share nothing cost nothing.
    """
    from scipy.sparse import csr_matrix

    first: dict[str, int] = {}
    equal = [(first.setdefault(normal(text), i), i) for i, text in enumerate(texts)]
    place: dict[str, int] = {}
    sets = [sorted(place.setdefault(gram, len(place)) for gram in grams(text, n))
            for text in first]
    size, firsts = np.array([*map(len, sets)], np.int64), np.array([*first.values()], np.int64)
    table = csr_matrix((np.ones(size.sum(), np.int32), np.concatenate([[], *sets]).astype(np.int32),
                        np.append(0, size.cumsum())), (len(sets), len(place)))
    pairs = [np.array([pair for pair in equal if pair[0] < pair[1]], np.int64).reshape(-1, 2)]
    for start in range(0, len(sets), CHUNK):
        shared = (table[start:start + CHUNK] @ table[:start + CHUNK].T).tocoo()
        j, i, common = shared.row + start, shared.col, shared.data
        near = (i < j) & (common >= threshold * (size[i] + size[j] - common))
        pairs.append(np.stack([firsts[i[near]], firsts[j[near]]], axis=1))
    return np.concatenate(pairs)
