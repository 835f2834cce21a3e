"""Whether a sentence repeats one of a given set, exactly or nearly: decontamination.

Compared are sets of character n-grams of the normal form (letters, marks, digits) by their Jaccard
similarity, computed exactly through an inverted index. SimHash would miss most near copies of
short sentences.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from .normal_form import grams, normal


class Overlap:
    """Finds the test sentence that a training sentence repeats, exactly or nearly."""

    def __init__(self, sentences: Iterable[str], n: int, threshold: float) -> None:
        self.n, self.threshold = n, threshold
        self.texts = sorted({normal(sentence) for sentence in sentences})
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
        if best == 1.0 and text in self.texts:
            return "test_overlap_exact"
        return "test_overlap_near" if best >= self.threshold else None
