"""Remove near-duplicate pairs, and every pair that overlaps the test set.

in     data/format/train.jsonl, data/format/test.jsonl
out    pairs.jsonl            kept rows, unchanged and in order
       stats.json             counts by reason and language; "recall": what share of planted
                              near-duplicates either method finds on this very text
       dropped_sample.jsonl
paper  step 2 of the data pipeline, SimHash. Bits, distance and n-grams are not published: ours.

On short sentences SimHash within 3 bits is close to exact matching; the recall table says how
close. Overlap with the test set is therefore not left to it: every training side is compared with
every test side by the Jaccard similarity of their character n-grams.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from .common import jsonl, params
from .common.command import run_stage
from .common.errors import BAD_CONFIG, UserError
from .corpus import simhash
from .corpus.normal_form import grams, normal
from .corpus.overlap import Overlap

Row = dict[str, Any]
Settings = dict[str, Any]
SAMPLE, PLANTED = 20, 300


def near_duplicates(texts: list[str], method: str, rules: Settings) -> np.ndarray:
    """Index pairs that ``method`` (simhash or minhash) calls near-duplicates."""
    if method == "simhash":
        return simhash.near_pairs(simhash.signatures(texts, rules["ngram"]), rules["distance"])
    if method != "minhash":
        raise UserError(f"params.yaml: dedup.method {method!r} is neither simhash nor minhash",
                        BAD_CONFIG)
    from datasketch import MinHash, MinHashLSH

    lsh = MinHashLSH(threshold=rules["jaccard"], num_perm=rules["permutations"])
    sketches = MinHash.bulk([[g.encode() for g in sorted(grams(text, rules["ngram"]))]
                             for text in texts], num_perm=rules["permutations"])
    pairs = []
    for j, sketch in enumerate(sketches):
        pairs += [(int(i), j) for i in lsh.query(sketch)
                  if sketches[int(i)].jaccard(sketch) >= rules["jaccard"]]
        lsh.insert(str(j), sketch)
    return np.array(sorted(pairs), np.int64).reshape(-1, 2)


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
    """Share of planted near-duplicates that each method pairs with their original."""
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
            both = [normal(text) for text in originals + copies]
            pairs = {tuple(pair) for pair in near_duplicates(both, method, rules).tolist()}
            hits = sum((i, i + len(originals)) in pairs for i in range(len(originals)))
            table.append({"method": method, "edit": name, "n": len(originals),
                          "recall": round(hits / len(originals), 4)})
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
    overlap = {language: Overlap(texts, rules["ngram"], rules["test_jaccard"])
               for language, texts in sides.items()}
    repeats = duplicates(rows, rules)
    kept: Counter[str] = Counter()
    dropped: dict[str, Counter[str]] = defaultdict(Counter)
    sample: list[Row] = []
    with jsonl.writer(args.out / "pairs.jsonl") as write:
        for index, row in enumerate(rows):
            reason = (overlap[row["src_lang"]].reason(row["src"])
                      or overlap[row["tgt_lang"]].reason(row["tgt"])
                      or ("near_duplicate" if index in repeats else None))
            if reason is None:
                kept[row["tgt_lang"]] += 1
                write(row)
                continue
            dropped[row["tgt_lang"]][reason] += 1
            if sum(entry["reason"] == reason for entry in sample) < SAMPLE:
                original = rows[repeats[index]]["src"] if reason == "near_duplicate" else None
                sample.append({"reason": reason, **row, "repeats": original})
    with jsonl.writer(args.out / "dropped_sample.jsonl") as write:
        for entry in sample:
            write(entry)
    jsonl.write_json(args.out / "stats.json", {
        "seen": len(rows), "kept": kept.total(),
        "dropped": dict(sum(dropped.values(), Counter())),
        "by_lang": {language: {"kept": kept[language], "dropped": dict(dropped[language])}
                    for language in sorted({*kept, *dropped})},
        "method": rules["method"],
        "recall": recall([f"{row['src']} {row['tgt']}" for row in rows], rules)})


if __name__ == "__main__":
    run_stage(main)
