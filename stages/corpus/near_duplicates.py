"""Near-duplicate texts by SimHash or MinHash, and how many planted ones either method finds.

On short sentences SimHash within 3 bits is close to exact matching; the recall table says how
close. MinHash: Broder 1997, through datasketch.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..common.errors import BAD_CONFIG, UserError
from . import simhash
from .normal_form import grams, normal

if TYPE_CHECKING:
    from datasketch import MinHash, MinHashLSH

Row = dict[str, Any]
Settings = dict[str, Any]
PLANTED = 300


def checked(method: str) -> str:
    if method not in ("simhash", "minhash"):
        raise UserError(f"params.yaml: dedup.method {method!r} is neither simhash nor minhash",
                        BAD_CONFIG)
    return method


def signed(texts: Sequence[str], method: str, rules: Settings) -> np.ndarray | list[MinHash]:
    """A signature of each text, to be joined: 8 bytes by simhash, a sketch by minhash."""
    if checked(method) == "simhash":
        return simhash.signatures(texts, rules["ngram"])
    from datasketch import MinHash

    return MinHash.bulk([[g.encode() for g in sorted(grams(text, rules["ngram"]))]
                         for text in texts], num_perm=rules["permutations"])


def buckets(rules: Settings) -> MinHashLSH:
    """An empty index, which calls texts candidates where they share a band of their sketches."""
    from datasketch import MinHashLSH

    return MinHashLSH(threshold=rules["jaccard"], num_perm=rules["permutations"])


def joined(parts: Sequence[Any], method: str, rules: Settings) -> np.ndarray:
    """Index pairs that span what ``method`` (simhash or minhash) calls near-duplicates, of texts
    that were signed part by part; shape (pairs, 2).

    Equal signatures are linked to their first only, as in simhash.near_pairs.
    """
    if checked(method) == "simhash":
        return simhash.near_pairs(np.concatenate(parts), rules["distance"])
    index, made = buckets(rules), [sketch for part in parts for sketch in part]
    first: dict[bytes, int] = {}
    pairs = []
    for j, sketch in enumerate(made):
        i = first.setdefault(sketch.hashvalues.tobytes(), j)
        if i != j:
            pairs.append((i, j))
            continue
        pairs += [(i, j) for i in index.query(sketch)
                  if made[i].jaccard(sketch) >= rules["jaccard"]]
        index.insert(j, sketch)
    return np.array(sorted(pairs), np.int64).reshape(-1, 2)


def find(texts: Sequence[str], method: str, rules: Settings) -> np.ndarray:
    """``joined`` of texts that are all at hand."""
    return joined([signed(texts, method, rules)], method, rules)


def alike(ones: list[str], others: list[str], method: str, rules: Settings) -> np.ndarray:
    """Whether ``method`` calls each text a near-duplicate of its partner, shape (texts,), bool."""
    if checked(method) == "simhash":
        return simhash.differing_bits(*(simhash.signatures(texts, rules["ngram"])
                                        for texts in (ones, others))) <= rules["distance"]
    index = buckets(rules)
    same = np.array([one.hashvalues == other.hashvalues for one, other in zip(
        *(signed(texts, method, rules) for texts in (ones, others)), strict=True)])
    candidate = same[:, :index.b * index.r].reshape(-1, index.b, index.r).all(2).any(1)
    return candidate & (np.count_nonzero(same, axis=1) / rules["permutations"] >= rules["jaccard"])


def edited(text: str, words: int, vocabulary: list[str], rng: random.Random) -> str:
    """The text with ``words`` words replaced by others."""
    parts = text.split()
    for position in rng.sample(range(len(parts)), min(words, len(parts))):
        parts[position] = rng.choice(vocabulary)
    return " ".join(parts)


def recall(texts: list[str], rules: Settings) -> list[Row]:
    """Share of planted near-duplicates that each method pairs with its original."""
    if not texts:  # nothing to plant
        return []
    rng = random.Random(0)
    originals = rng.sample(texts, min(PLANTED, len(texts)))
    vocabulary = sorted({word for text in originals for word in text.split()})
    edits = {"exact copy": originals,
             "case and punctuation": [text.upper() + " !" for text in originals],
             "one word replaced": [edited(t, 1, vocabulary, rng) for t in originals],
             "two words replaced": [edited(t, 2, vocabulary, rng) for t in originals]}
    table = []
    for method in ("simhash", "minhash"):
        for name, copies in edits.items():
            found = alike([normal(text) for text in originals],
                          [normal(text) for text in copies], method, rules)
            table.append({"method": method, "edit": name, "n": len(originals),
                          "recall": round(found.sum() / len(originals), 4)})
    return table
