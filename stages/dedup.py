"""Remove near-duplicate pairs, and every pair that overlaps the test set.

in     data/format/train.jsonl, data/format/test.jsonl
out    pairs.jsonl            kept rows, unchanged and in order
       stats.json             counts by reason and language; "recall": what share of planted
                              near-duplicates either method finds on this very text
       dropped_sample.jsonl
paper  step 2 of the data pipeline, SimHash. Bits, distance and n-grams are not published: ours.

On short sentences SimHash within 3 bits is close to exact matching; the recall table says how
close. Overlap with the test set is therefore not left to it: every training side is compared with
every test side by the Jaccard similarity of their character n-grams. A near-duplicate of a row
that overlaps goes with it, which errs on the safe side, under a reason of its own.
"""

from __future__ import annotations

import argparse
import random
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .common import jsonl, params
from .common.command import run_stage
from .common.errors import BAD_CONFIG, UserError
from .common.funnel import Funnel
from .corpus import simhash
from .corpus.normal_form import grams, normal
from .corpus.overlap import Overlap

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


def sketches(texts: list[str], rules: Settings) -> list[MinHash]:
    from datasketch import MinHash

    return MinHash.bulk([[g.encode() for g in sorted(grams(text, rules["ngram"]))]
                         for text in texts], num_perm=rules["permutations"])


def buckets(rules: Settings) -> MinHashLSH:
    """An empty index, which calls texts candidates where they share a band of their sketches."""
    from datasketch import MinHashLSH

    return MinHashLSH(threshold=rules["jaccard"], num_perm=rules["permutations"])


def near_duplicates(texts: list[str], method: str, rules: Settings) -> np.ndarray:
    """Index pairs that span what ``method`` (simhash or minhash) calls near-duplicates.

    Equal sketches are linked to their first only, as in simhash.near_pairs.
    """
    if checked(method) == "simhash":
        return simhash.near_pairs(simhash.signatures(texts, rules["ngram"]), rules["distance"])
    index, made = buckets(rules), sketches(texts, rules)
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


def alike(ones: list[str], others: list[str], method: str, rules: Settings) -> np.ndarray:
    """Whether ``method`` calls each text a near-duplicate of its partner, shape (texts,), bool."""
    if checked(method) == "simhash":
        return simhash.differing_bits(*(simhash.signatures(texts, rules["ngram"])
                                        for texts in (ones, others))) <= rules["distance"]
    index = buckets(rules)
    same = np.array([one.hashvalues == other.hashvalues for one, other in
                     zip(sketches(ones, rules), sketches(others, rules), strict=True)])
    candidate = same[:, :index.b * index.r].reshape(-1, index.b, index.r).all(2).any(1)
    return candidate & (np.count_nonzero(same, axis=1) / rules["permutations"] >= rules["jaccard"])


def duplicates(rows: list[Row], rules: Settings) -> dict[int, int]:
    """{index of a row to drop: index of the earlier row it repeats}, one language at a time."""
    by_lang: dict[str, list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        by_lang[row["tgt_lang"]].append(index)
    repeats: dict[int, int] = {}
    for members in by_lang.values():
        texts = [f"{normal(rows[i]['src'])}\t{normal(rows[i]['tgt'])}" for i in members]
        first = simhash.components(near_duplicates(texts, rules["method"], rules), len(texts))
        repeats |= {members[i]: members[f] for i, f in enumerate(first) if f != i}
    return repeats


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


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("format", type=Path, help="folder with train.jsonl and test.jsonl")
    parser.add_argument("out", type=Path, help="output folder")
    args = parser.parse_args(argv)
    rules = params.get("dedup")
    rows = list(jsonl.read(args.format / "train.jsonl"))
    sides: dict[str, set[str]] = defaultdict(set)
    for row in jsonl.read(args.format / "test.jsonl"):
        sides[row["src_lang"]].add(row["src"])
        sides[row["tgt_lang"]].add(row["tgt"])
    if not sides:
        raise UserError(f"{args.format / 'test.jsonl'} is empty: training text cannot be compared "
                        "with it. Run `dvc repro format`")
    overlap = {language: Overlap(sides[language], rules["ngram"], rules["test_jaccard"])
               for language in {row[side] for row in rows for side in ("src_lang", "tgt_lang")}}
    repeats = duplicates(rows, rules)
    funnel, overlapping = Funnel(), set[int]()
    with jsonl.writer(args.out / "pairs.jsonl") as write:
        for index, row in enumerate(rows):
            funnel.see(row)
            original = repeats.get(index)
            if reason := (overlap[row["src_lang"]].reason(row["src"])
                          or overlap[row["tgt_lang"]].reason(row["tgt"])):
                overlapping.add(index)
                funnel.drop(row, reason, repeats=None)
            elif original is not None:
                funnel.drop(row, "near_duplicate_of_test_overlap" if original in overlapping
                            else "near_duplicate", repeats=rows[original]["src"])
            else:
                funnel.keep(row)
                write(row)
    funnel.write(args.out, {
        "method": rules["method"],
        "recall": recall([f"{row['src']} {row['tgt']}" for row in rows], rules)})


if __name__ == "__main__":
    run_stage(main)
