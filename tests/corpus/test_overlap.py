"""Sentences of a test set found again, exactly and nearly."""

from stages.corpus.normal_form import grams, normal
from stages.corpus.overlap import Overlap


def test_overlap_is_exact_or_near_or_none():
    overlap = Overlap(["Please restart your device now"], 4, 0.5)
    assert overlap.reason("please RESTART your device, now!") == "test_overlap_exact"
    assert overlap.reason("Please restart your device later") == "test_overlap_near"
    assert overlap.reason("The weather is fine") is None


def test_near_overlap_equals_brute_force_jaccard():
    tests = [f"choose {a} {b} for this {c}" for a in ("a", "one", "the") for b in ("book", "video")
             for c in ("class", "lesson")]
    overlap = Overlap(tests, 4, 0.6)
    for text in ("choose a book for that class", "choose books", "pick one video for this lesson"):
        mine = grams(normal(text), 4)
        best = max(len(mine & other) / len(mine | other)
                   for other in (grams(normal(t), 4) for t in tests))
        assert (overlap.reason(text) is not None) == (best >= 0.6)
