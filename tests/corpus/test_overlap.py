"""Sentences of a test set found again, exactly and nearly."""

import random
import time
from itertools import combinations

from stages.corpus.normal_form import grams, normal
from stages.corpus.overlap import Overlap, near_pairs, repeated
from stages.corpus.simhash import components


def jaccard(one: str, other: str) -> float:
    a, b = grams(normal(one), 4), grams(normal(other), 4)
    return len(a & b) / len(a | b)


TESTS = [f"choose {a} {b} for this {c}" for a in ("a", "one", "the") for b in ("book", "video")
         for c in ("class", "lesson")]


def test_overlap_is_exact_or_near_or_none():
    overlap = Overlap(["Please restart your device now"], 4, 0.5)
    assert overlap.reasons([normal(text) for text in (
        "please RESTART your device, now!", "Please restart your device later",
        "The weather is fine", "")]) == [
        "test_overlap_exact", "test_overlap_near", None, None]
    assert overlap.reasons([]) == []
    assert Overlap([], 4, 0.5).reasons(["Anything"]) == [None]


def test_the_threshold_itself_is_near():
    one, other = "abcdefg", "abcdefgh"  # four of five n-grams
    assert jaccard(one, other) == 0.8
    assert Overlap([one], 4, 0.8).reasons([other]) == ["test_overlap_near"]
    assert Overlap([one], 4, 0.81).reasons([other]) == [None]


def test_near_overlap_equals_brute_force_jaccard(monkeypatch):
    monkeypatch.setattr("stages.corpus.overlap.CHUNK", 3)
    texts = ["choose a book for that class", "choose books", "pick one video for this lesson",
             "choose a book for this class", "zebra", ""]
    for threshold in (0.3, 0.6, 1.0):
        near = [max(jaccard(text, other) for other in TESTS) >= threshold for text in texts]
        found = Overlap(TESTS, 4, threshold).reasons(texts)
        assert [reason is not None for reason in found] == near
    assert 0 < sum(near) < len(texts)


def test_near_pairs_are_those_of_comparing_everything_with_everything(monkeypatch):
    monkeypatch.setattr("stages.corpus.overlap.CHUNK", 5)  # pairs within a chunk and across
    texts = [*TESTS, "Something else", "", "ok"]
    expected = {(i, j) for i, j in combinations(range(len(texts)), 2)
                if jaccard(texts[i], texts[j]) >= 0.6}
    assert set(map(tuple, near_pairs(texts, 4, 0.6).tolist())) == expected
    assert 0 < len(expected) < len(texts) * (len(texts) - 1) / 2


def test_at_the_threshold_is_near():
    assert jaccard("abcdef", "bcdefg") == 0.5
    assert near_pairs(["abcdef", "bcdefg"], 4, 0.5).tolist() == [[0, 1]]


def test_equal_texts_are_linked_to_the_first_of_them_alone():
    texts = ["Save the file", "SAVE the file!", "Open a door", "save the file"]
    assert near_pairs(texts, 4, 0.5).tolist() == [[0, 1], [0, 3]]
    assert near_pairs([], 4, 0.5).tolist() == []


def test_twenty_thousand_texts_of_which_thousands_are_equal_take_seconds():
    rng = random.Random(1)
    words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=6)) for _ in range(3000)]
    texts = [" ".join(rng.choices(words, k=8)) for _ in range(20_000)]
    texts[5000:9000] = [texts[0]] * 4000
    start = time.process_time()
    first = components(near_pairs(texts, 4, 0.5), len(texts))
    assert time.process_time() - start < 20
    assert (first[5000:9000] == 0).all()


def test_repeated_names_the_languages_whose_side_is_known():
    def row(src, tgt, language="spa_Latn"):
        return {"src": src, "tgt": tgt, "src_lang": "eng_Latn", "tgt_lang": language}

    known = [row("Close the window now", "Cierra la ventana ahora"),
             {"src": "Funga dirisha sasa", "tgt": "A window and a door",  # into English
              "src_lang": "swh_Latn", "tgt_lang": "eng_Latn"}]
    rows = [row("Close the window now!", "Otra cosa distinta"),
            row("Another thing", "Cierra la ventana"), row("A window and a door", "Nada"),
            row("New", "Funga dirisha sasa"), row("New", "Funga dirisha sasa", "swh_Latn"),
            row("New", "Neues", "deu_Latn")]
    assert repeated(rows, known, 4, 0.5) == [
        ["eng_Latn"], ["spa_Latn"], ["eng_Latn"], [], ["swh_Latn"], []]
