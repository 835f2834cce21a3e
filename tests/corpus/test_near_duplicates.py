"""Near-duplicates by both methods, and what they miss."""

import hashlib

import numpy as np
import pytest

from stages.corpus import near_duplicates, simhash
from stages.corpus.normal_form import normal
from tests.test_dedup import RULES


def test_recall_finds_copies_and_admits_what_it_misses():
    texts = [f"Sentence {n} about {word} and {other} today" for n, (word, other) in enumerate(
        (a, b) for a in ("cats", "boats", "rivers", "stones") for b in ("trees", "lamps", "roads"))]
    table = {(r["method"], r["edit"]): r["recall"] for r in near_duplicates.recall(texts, RULES)}
    for method in ("simhash", "minhash"):
        assert table[method, "exact copy"] == 1.0
        assert table[method, "case and punctuation"] == 1.0
    assert table["simhash", "two words replaced"] < 0.5


def planted():
    """Originals and their copies: equal, nearly equal or unlike."""
    originals = [f"open the {a} of this {b} and close it again" for a in ("door", "window", "box")
                 for b in ("house", "car", "school", "house")]
    return originals, [text if n % 3 == 0 else text.replace("close", "shut") if n % 3 == 1
                       else text[::-1] for n, text in enumerate(originals)]


@pytest.mark.parametrize("method", ["simhash", "minhash"])
def test_two_texts_are_alike_exactly_where_the_two_alone_are_near_duplicates(method):
    originals, copies = planted()
    alone = [len(near_duplicates.find([one, other], method, RULES)) == 1
             for one, other in zip(originals, copies, strict=True)]
    assert near_duplicates.alike(originals, copies, method, RULES).tolist() == alone
    assert 0 < sum(alone) < len(alone)


def test_minhash_components_are_those_of_all_pairs():
    texts = [normal(text) for side in planted() for text in side]
    both = [(i, j) for j in range(len(texts)) for i in range(j)]
    near = near_duplicates.alike(*([texts[pair[side]] for pair in both] for side in (0, 1)),
                       "minhash", RULES)
    every = [pair for pair, found in zip(both, near, strict=True) if found]
    spanning = near_duplicates.find(texts, "minhash", RULES)
    assert len(spanning) < len(every)
    assert (simhash.components(spanning, len(texts)).tolist()
            == simhash.components(np.array(every), len(texts)).tolist())


@pytest.mark.parametrize(("method", "equal", "others"), [("simhash", 4000, 20_000),
                                                         ("minhash", 1500, 100)])
def test_equal_texts_give_no_more_pairs_than_texts(method, equal, others):
    texts = ["a text that comes again and again"] * equal + [
        hashlib.sha256(bytes(str(n), "ascii")).hexdigest() for n in range(others)]
    assert len(near_duplicates.find(texts, method, RULES)) == equal - 1
