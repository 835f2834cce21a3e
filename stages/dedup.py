"""Remove near-duplicate pairs, and every pair that overlaps the test set.

in     data/format/corpus: train, test.jsonl
out    pairs                  kept rows, unchanged and in order; in shards where the input is
       stats.json             counts by reason and language; "recall": what share of planted
                              near-duplicates either method finds on this very text
       dropped_sample.jsonl
paper  step 2 of the data pipeline, SimHash. Bits, distance and n-grams are not published: ours.

SimHash misses most edits of short sentences (see "recall"), so overlap with the test set is not
left to it: every training side is compared with every test side by the Jaccard similarity of their
character n-grams. A near-duplicate of a row that overlaps goes with it, which errs on the safe
side, under a reason of its own.

Near-duplicates are pairs of one target language, so a language must not be spread over shards. A
shard is read twice: what is in memory between is 8 bytes of signature a row, and what joining
them needs.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from .common import jsonl, params, shards
from .common.command import run_stage
from .common.errors import UserError
from .common.funnel import SAMPLE, Funnel
from .common.languages import PIVOT
from .corpus import near_duplicates
from .corpus.normal_form import normal
from .corpus.overlap import Overlap
from .corpus.simhash import components

Row = dict[str, Any]
PLANTED_IN = 100_000  # rows that near-duplicates are planted in, to measure what is found


def look(rows: Iterable[Row], tests: dict[str, Overlap], rules: Row,
         ) -> tuple[list[str | None], np.ndarray]:
    """(how each row repeats a test text, or None; index of the first row that each repeats, itself
    where there is none), one target language at a time. ``tests`` are the test texts by language.
    """
    overlap: list[str | None] = []
    members, signed = defaultdict[str, list[int]](list), defaultdict[str, list[Any]](list)
    for batch in shards.batches(rows):
        batch = [{**row, "src": normal(row["src"]), "tgt": normal(row["tgt"])} for row in batch]
        groups: dict[str, list[int]] = defaultdict(list)
        for place, row in enumerate(batch):
            groups[row["tgt_lang"]].append(place)
        for language, places in groups.items():
            members[language] += [len(overlap) + place for place in places]
            signed[language].append(near_duplicates.signed(
                [f"{batch[i]['src']}\t{batch[i]['tgt']}" for i in places],
                rules["method"], rules))
        overlap += overlapping(batch, tests)
    first = np.arange(len(overlap))
    for language, places in members.items():
        near = near_duplicates.joined(signed[language], rules["method"], rules)
        first[places] = np.array(places)[components(near, len(places))]
    return overlap, first


def overlapping(batch: list[Row], tests: dict[str, Overlap]) -> list[str | None]:
    """How each row of normal forms repeats a test text; English counts first."""
    found: list[str | None] = [None] * len(batch)
    for side in ("tgt", "src"):
        for language in {row[f"{side}_lang"] for row in batch} & set(tests):
            places = [i for i, row in enumerate(batch) if row[f"{side}_lang"] == language]
            for i, reason in zip(places, tests[language].reasons([batch[i][side] for i in places]),
                                 strict=True):
                found[i] = reason or found[i]
    return found


def one_shard(source: Path, target: Path, settings: Row) -> Row:
    """Write the rows of a shard that stay; return what its funnel counted.

    ``settings`` holds "rules" and "test", the file of which no text may be repeated.
    """
    rules, sides = settings["rules"], defaultdict[str, set[str]](set)
    for row in jsonl.read(settings["test"]):
        sides[row["src_lang"]].add(row["src"])
        sides[row["tgt_lang"]].add(row["tgt"])
    if not sides:
        raise UserError(f"{settings['test']} is empty: training text cannot be compared with it. "
                        "Run `dvc repro format`")
    asked = {row["tgt_lang"] for row in jsonl.read(source)} | {PIVOT}
    overlap, first = look(jsonl.read(source), {
        language: Overlap(sides[language], rules["ngram"], rules["test_jaccard"])
        for language in asked & set(sides)}, rules)
    reasons = list(overlap)
    shown: dict[int, str] = {}  # first rows that the sample shows, with their text
    for name in ("near_duplicate", "near_duplicate_of_test_overlap"):
        mine = [i for i in np.flatnonzero(first != np.arange(len(first))).tolist()
                if overlap[i] is None and (overlap[first[i]] is None) == (name == "near_duplicate")]
        for i in mine:
            reasons[i] = name
        shown |= dict.fromkeys(first[mine[:SAMPLE]].tolist(), "")
    funnel = Funnel()
    with jsonl.writer(target) as write:
        for index, row in enumerate(jsonl.read(source)):
            if index in shown:
                shown[index] = row["src"]
            funnel.see(row)
            if reason := reasons[index]:
                funnel.drop(row, reason, repeats=shown.get(first[index]) if not overlap[index]
                            else None)
            else:
                funnel.keep(row)
                write(row)
    return funnel.state()


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("format", type=Path, help="folder with the table train and test.jsonl")
    parser.add_argument("out", type=Path, help="output folder")
    args = parser.parse_args(argv)
    rules, source, funnel = params.get("dedup"), (args.format, "train"), Funnel()
    for state in shards.mapped(one_shard, source, (args.out, "pairs"), {"rules": rules},
                               {"test": args.format / "test.jsonl"}, params.get("machine")):
        funnel.add(state)
    files = shards.files(*source).values()
    texts = [f"{row['src']} {row['tgt']}" for file in files
             for row in islice(jsonl.read(file), PLANTED_IN // len(files))]
    funnel.write(args.out, {"method": rules["method"],
                            "recall": near_duplicates.recall(texts, rules)})


if __name__ == "__main__":
    run_stage(main)
