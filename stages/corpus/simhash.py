"""64-bit SimHash over character n-grams, and the exact Hamming self-join.

SimHash: Charikar 2002, "Similarity estimation techniques from rounding algorithms": each n-gram
votes with the bits of its hash, the sign of each bit's sum is the signature. Join: Manku, Jain
and Das Sarma 2007, "Detecting near-duplicates for web crawling": of ``blocks`` pieces of the
signature, two within ``distance`` share at least ``blocks - distance``.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise

import numpy as np

BITS = 64
CHUNK = 20_000  # documents at a time; bounds memory, does not change results


def _mix(values: np.ndarray) -> np.ndarray:
    """SplitMix64's finaliser: spreads every input bit over all 64 output bits."""
    with np.errstate(over="ignore"):
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _ngram_hashes(texts: Sequence[str], n: int) -> tuple[np.ndarray, np.ndarray]:
    """(hashes, first n-gram of each text); texts shorter than n are padded with spaces."""
    padded = [text.ljust(n) for text in texts]
    codes = np.frombuffer("".join(padded).encode("utf-32-le", "surrogatepass"), "<u4")
    lengths = np.array([len(text) for text in padded])
    base, hashes = np.uint64(0x9E3779B97F4A7C15), np.zeros(len(codes) - n + 1, np.uint64)
    with np.errstate(over="ignore"):
        for i in range(n):  # polynomial in the characters, all positions at once
            here = codes[i:len(codes) - n + 1 + i].astype(np.uint64)
            hashes = hashes * base + here + np.uint64(1)
    ends = lengths.cumsum()
    inside = np.ones(len(codes), bool)  # drop the n-grams that run into the next text
    for i in range(1, n):
        inside[ends - i] = False
    counts = lengths - n + 1
    return _mix(hashes[inside[:len(hashes)]]), np.concatenate([[0], counts.cumsum()[:-1]])


def signatures(texts: Sequence[str], n: int = 4) -> np.ndarray:
    """uint64 signatures, shape (len(texts),). Repeated n-grams vote repeatedly."""
    out = np.zeros(len(texts), np.uint64)
    for start in range(0, len(texts), CHUNK):
        part = texts[start:start + CHUNK]
        hashes, first = _ngram_hashes(part, n)
        counts = np.diff(np.append(first, len(hashes)))
        for bit in range(BITS):
            votes = np.add.reduceat((hashes >> np.uint64(bit)) & np.uint64(1), first)
            ones = (2 * votes > counts).astype(np.uint64)
            out[start:start + CHUNK] |= ones << np.uint64(bit)
    return out


def near_pairs(keys: np.ndarray, distance: int = 3, blocks: int = 6) -> np.ndarray:
    """Index pairs (i < j) that span the near-duplicates, shape (pairs, 2), sorted.

    Equal signatures are linked to their first; of the different ones, all pairs that differ in
    at most ``distance`` bits, again by their firsts. The connected components are exactly those
    of comparing everything with everything, and many equal texts cost no more than their number.
    Needs ``blocks > distance``; more blocks mean more tables and fewer candidates in each.
    """
    if not distance < blocks <= BITS:
        raise ValueError(f"blocks must be above distance {distance} and at most {BITS}")
    keys, first, group = np.unique(keys, return_index=True, return_inverse=True)
    edges = [BITS * i // blocks for i in range(blocks + 1)]
    masks = [((1 << (b - a)) - 1) << a for a, b in pairwise(edges)]
    found = [np.stack([first[group], np.arange(len(group))], 1)]  # with i = j for each first
    for chosen in combinations(masks, blocks - distance):
        table = keys & np.uint64(sum(chosen))
        order = np.argsort(table, kind="stable")
        ranked = table[order]
        # Compare each with its next, second next ... neighbour while any shares the table key.
        for step in range(1, len(keys)):
            same = np.flatnonzero(ranked[step:] == ranked[:-step])
            if not len(same):
                break
            i, j = order[same], order[same + step]
            close = differing_bits(keys[i], keys[j]) <= distance
            found.append(np.sort(np.stack([first[i], first[j]], 1)[close], axis=1))
    pairs = np.unique(np.concatenate(found), axis=0)
    return pairs[pairs[:, 0] < pairs[:, 1]]


def differing_bits(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Hamming distance of each signature to its partner (numpy < 2 has no bitwise_count)."""
    return np.unpackbits(np.ascontiguousarray(one ^ other).view(np.uint8).reshape(-1, 8),
                         axis=1).sum(axis=1)


def components(pairs: np.ndarray, count: int) -> np.ndarray:
    """Smallest index of each item's connected component, shape (count,)."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    graph = coo_matrix((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), (count, count))
    labels = connected_components(graph, directed=False)[1]
    first = np.full(labels.max(initial=-1) + 1, count)
    np.minimum.at(first, labels, np.arange(count))
    return first[labels]
