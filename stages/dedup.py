"""Remove near-duplicate pairs, and every pair that overlaps the test set.

in     data/format/train.jsonl, data/format/test.jsonl
out    pairs.jsonl            kept rows, unchanged and in order
       stats.json             counts by reason and language; "recall": what share of planted
                              near-duplicates either method finds on this very text
       dropped_sample.jsonl
paper  step 2 of the data pipeline, SimHash. Bits, distance and n-grams are not published: ours.

SimHash misses most edits of short sentences (see "recall"), so overlap with the test set is not
left to it: every training side is compared with every test side by the Jaccard similarity of their
character n-grams. A near-duplicate of a row that overlaps goes with it, which errs on the safe
side, under a reason of its own.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path
from typing import Any

from .common import jsonl, params
from .common.command import run_stage
from .common.errors import UserError
from .common.funnel import Funnel
from .corpus import near_duplicates
from .corpus.normal_form import normal
from .corpus.overlap import Overlap
from .corpus.simhash import components

Row = dict[str, Any]


def duplicates(rows: list[Row], rules: Row) -> dict[int, int]:
    """{index of a row to drop: index of the earlier row it repeats}, one language at a time."""
    by_lang: dict[str, list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        by_lang[row["tgt_lang"]].append(index)
    repeats: dict[int, int] = {}
    for members in by_lang.values():
        texts = [f"{normal(rows[i]['src'])}\t{normal(rows[i]['tgt'])}" for i in members]
        near = near_duplicates.find(texts, rules["method"], rules)
        first = components(near, len(texts))
        repeats |= {members[i]: members[f] for i, f in enumerate(first) if f != i}
    return repeats


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
        "recall": near_duplicates.recall([f"{row['src']} {row['tgt']}" for row in rows], rules)})


if __name__ == "__main__":
    run_stage(main)
