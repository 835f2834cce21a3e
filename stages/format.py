"""Bring every source into one form, and choose the text that is translated.

corpus  in   data/download/train, data/download/test   through a reader (stages/corpus/readers)
        out  train        {"id", "src", "tgt", "src_lang", "tgt_lang", "origin"}, src is English
             test.jsonl   the same, with "split" (dev or devtest; no near-duplicates between them)
                          and "cluster" (source document); only messages that every language has
             stats.json   counts of the training text; "train" and "test" hold those of either
                          text, "splits" those of the separation
             quarantine.jsonl, dropped_sample.jsonl (of both texts)
suite   in   data/format/corpus/test.jsonl, data/dedup: pairs, and where the suite has an official
             test set of its own its folder
        out  test.jsonl   what every system translates: the corpus's devtest rows, or whole
                          documents of the official set, drawn by hash; with "seen_in_training":
                          whether either side repeats a training pair's (flagged, not removed)
             stats.json, dropped_sample.jsonl
paper   step 1 of the data pipeline, JSONL format. Its rules are not published: ours.

Official text passes as it is: complete, every line in its order, nothing cleaned.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import Any

from .common import jsonl, params, shards
from .common.command import run_stage
from .common.errors import UserError
from .common.funnel import Funnel
from .corpus import bitext, parallel
from .corpus.overlap import repeated

Row = dict[str, Any]


def need(funnel: Funnel, folder: Path) -> None:
    """Refuse a text of which nothing is left."""
    if not funnel.kept:
        raise UserError(f"{folder}: no row passed the rules of `format` in params.yaml; "
                        f"dropped: {funnel.stats()['dropped']}")


def save(file: Path, rows: list[Row]) -> None:
    with jsonl.writer(file) as write:
        for row in rows:
            write(row)


def corpus(train_folder: Path, test_folder: Path, out: Path, rules: Row, like: Row,
           machine: Row) -> None:
    """``like`` says what repeats a text (n-gram length, Jaccard similarity), as in `dedup`."""
    languages, sources = list(rules["languages"]), rules["sources"]
    train, test, quarantine, more = Funnel(), Funnel(), list[Row](), 0
    if "bitext" in sources["train"]:
        quarantine, count = bitext.table(train_folder, out, rules, machine, train)
        more = count - len(quarantine)  # only a sample of them is kept
    else:
        with jsonl.writer(out / "train.jsonl") as write:
            for row, _ in parallel.cleaned(
                    parallel.pairs(sources["train"], train_folder, languages, quarantine),
                    rules["train"], train):
                train.keep(row)
                write(row)
    need(train, train_folder)
    found = parallel.pairs(sources["test"], test_folder, languages, quarantine)
    usable = (parallel.cleaned(found, rules["test"], test) if rules["test"]["clean"]
              else parallel.official(found, test))
    kept = parallel.multiway(list(usable), languages, test)
    need(test, test_folder)
    split, moves = parallel.splits(kept, rules["test"]["dev_share"], **like)
    save(out / "test.jsonl", [parallel.test_row(row, document, split[row["id"]])
                              for row, document in kept])
    save(out / "quarantine.jsonl", quarantine)
    counts = train.stats()
    train.write(out, {"train": {key: counts[key] for key in ("seen", "kept", "dropped")},
                      "test": test.stats(), "splits": moves,
                      "quarantined": len(quarantine) + more}, test)


def suite(test: Path, pairs: Path, folder: Path, out: Path, about: Row | None,
          languages: list[str], like: Row) -> None:
    """``about`` describes an official set; None takes the corpus's own devtest rows."""
    funnel, rows = Funnel(), list[Row]()
    if about:
        rows = parallel.whole_documents(folder, about, languages, funnel)
    else:
        for row in jsonl.read(test):
            funnel.see(row)
            if row["split"] == "devtest":
                funnel.keep(row)
                rows.append(row)
            else:
                funnel.drop(row, "dev")
    need(funnel, folder if about else test)
    found = repeated(rows, shards.rows(pairs, "pairs"), **like)
    save(out / "test.jsonl", [{**row, "seen_in_training": bool(sides)}
                              for row, sides in zip(rows, found, strict=True)])
    counts = Counter(f"{row['tgt_lang']}, {side} side"
                     for row, sides in zip(rows, found, strict=True) for side in sides)
    funnel.write(out, {"documents": len({row["cluster"] for row in rows}),
                       "seen_in_training": dict(sorted(counts.items()))})


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parts = parser.add_subparsers(dest="part", required=True)
    arguments = {"corpus": ("train", "test"), "suite": ("test", "pairs", "official")}
    for name, folders in arguments.items():
        part = parts.add_parser(name)
        for argument in (*folders, "out"):
            part.add_argument(argument, type=Path)
    args = parser.parse_args(argv)
    like = {"n": params.get("dedup.ngram"), "threshold": params.get("dedup.test_jaccard")}
    if args.part == "corpus":
        corpus(args.train, args.test, args.out, params.scaled("format"), like,
               params.get("machine"))
    else:
        languages = params.scaled("format.languages") | params.suite("format.languages")
        suite(args.test, args.pairs, args.official, args.out, params.suite("format.test"),
              list(languages), like)


if __name__ == "__main__":
    run_stage(main)
