"""SimHash against a plain reimplementation, and the join against brute force."""

import random
import tracemalloc

import numpy as np
import pytest

from stages.corpus import simhash

MASK = (1 << 64) - 1


def plain(text: str, n: int) -> int:
    """The definition, one n-gram and one bit at a time."""
    text = text.ljust(n)
    votes = [0] * 64
    for start in range(len(text) - n + 1):
        value = 0
        for char in text[start:start + n]:
            value = (value * 0x9E3779B97F4A7C15 + ord(char) + 1) & MASK
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            value = ((value ^ (value >> shift)) * factor) & MASK
        value ^= value >> 31
        for bit in range(64):
            votes[bit] += 1 if value >> bit & 1 else -1
    return sum(1 << bit for bit in range(64) if votes[bit] > 0)


@pytest.mark.parametrize("n", [1, 3, 4])
def test_signatures_equal_the_definition(n):
    texts = ["a", "", "the quick brown fox", "ñandú 😀 שלום", "aaaaaaaaaaaaaaaa", "x" * 500]
    assert simhash.signatures(texts, n).tolist() == [plain(text, n) for text in texts]


def test_chunks_do_not_change_signatures(monkeypatch):
    texts = [f"sentence number {n} of many" for n in range(50)]
    whole = simhash.signatures(texts)
    monkeypatch.setattr(simhash, "CHUNK", 7)
    assert (simhash.signatures(texts) == whole).all()


@pytest.mark.parametrize(("distance", "blocks"), [(3, 4), (3, 6), (0, 1), (5, 8)])
def test_join_equals_brute_force(distance, blocks):
    rng = random.Random(distance)
    keys = [rng.getrandbits(64) for _ in range(120)]
    keys += [key ^ sum(1 << bit for bit in rng.sample(range(64), flips))
             for key in keys for flips in (0, 1, 2, 3, 4, 6) if rng.random() < 0.3]
    keys += rng.choices(keys, k=40)  # equal ones
    expected = sorted([i, j] for j in range(len(keys)) for i in range(j)
                      if bin(keys[i] ^ keys[j]).count("1") <= distance)
    found = simhash.near_pairs(np.array(keys, np.uint64), distance, blocks)
    assert (simhash.components(found, len(keys)).tolist()
            == simhash.components(np.array(expected), len(keys)).tolist())
    pairs = found.tolist()
    assert pairs == sorted(pair for pair in pairs if pair in expected)
    different = [pair for pair in expected if keys.index(keys[pair[0]]) == pair[0]
                 and keys.index(keys[pair[1]]) == pair[1]]
    assert all(pair in pairs for pair in different)


def test_many_equal_texts_take_linear_memory():
    keys = simhash.signatures(["the same text"] * 4000
                              + [f"sentence {n} of {n * 7919} others" for n in range(20_000)])
    tracemalloc.start()
    pairs = simhash.near_pairs(keys)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200e6  # bytes; all pairs of the equal ones took gigabytes
    assert (pairs[:, 0] == 0).sum() == 3999


def test_differing_bits():
    one, other = np.array([0, 7, 2**63], np.uint64), np.array([0, 0, 2**64 - 1], np.uint64)
    assert simhash.differing_bits(one, other).tolist() == [0, 3, 63]


def test_join_of_nothing():
    assert simhash.near_pairs(np.zeros(0, np.uint64)).shape == (0, 2)


def test_too_few_blocks_are_refused():
    with pytest.raises(ValueError, match="above distance 3"):
        simhash.near_pairs(np.zeros(2, np.uint64), 3, 3)


def test_components_point_to_their_first_member():
    pairs = np.array([[1, 4], [4, 5], [2, 3]])
    assert simhash.components(pairs, 6).tolist() == [0, 1, 2, 2, 1, 1]
    assert simhash.components(np.zeros((0, 2), int), 2).tolist() == [0, 1]
