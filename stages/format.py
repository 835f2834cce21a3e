"""Bring every source into one form, clean it, and count what is dropped.

in     data/download/train, data/download/test   through a reader (stages/corpus/readers)
out    train.jsonl   {"id", "src", "tgt", "src_lang", "tgt_lang", "origin"}, src is English
       test.jsonl    the same, with "split" (dev or devtest) and "cluster" (source document);
                     only messages that every language has, so that directions share their ids
       stats.json    seen = kept + every dropped reason, by language
       quarantine.jsonl, dropped_sample.jsonl
paper  step 1 of the data pipeline, JSONL format. Its rules are not published: ours.
"""

from __future__ import annotations

import argparse
import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from .common import jsonl, params
from .common.command import run_stage
from .common.errors import UserError
from .common.languages import PIVOT
from .corpus import readers
from .corpus.cleaning import clean, verdict

Row = dict[str, Any]
SAMPLE = 20


class Counts:
    """Reasons by language, a sample of the dropped, and the quarantined entries."""

    def __init__(self) -> None:
        self.reasons: dict[str, Counter[str]] = defaultdict(Counter)
        self.sample: dict[str, list[Row]] = defaultdict(list)
        self.quarantine: list[Row] = []

    def drop(self, row: Row, reason: str) -> None:
        self.reasons[row["tgt_lang"]][reason] += 1
        if len(self.sample[reason]) < SAMPLE:
            self.sample[reason].append({"reason": reason, **row})

    def bad(self, place: str, reason: str) -> None:
        self.quarantine.append({"place": place, "reason": reason})

    def stats(self, kept: Counter[str]) -> Row:
        def total(language: str) -> int:
            return kept[language] + self.reasons[language].total()

        languages = sorted({*kept, *self.reasons})
        dropped = sum(self.reasons.values(), Counter[str]())
        return {"seen": sum(map(total, languages)), "kept": kept.total(),
                "dropped": dict(dropped), "quarantined": len(self.quarantine),
                "by_lang": {language: {"seen": total(language), "kept": kept[language],
                                       "dropped": dict(self.reasons[language])}
                            for language in languages}}


def pairs(source: Row, folder: Path, languages: list[str], rules: Row, counts: Counts,
          ) -> Iterator[tuple[Row, str]]:
    """Yield (row, document) of every clean pair of English with each language, in source order.

    A message whose English was seen before is dropped, language by language.
    """
    def read(language: str) -> dict[str, tuple[str, str]]:
        return {key: (document, text) for key, document, text in
                readers.read(source["reader"], folder, language, counts.bad)}

    english = read(PIVOT)
    for language in languages:
        other = read(language)
        seen: set[str] = set()
        for key, (document, text) in english.items():
            row = {"id": f"{source['origin']}:{key}", "src": clean(text),
                   "tgt": clean(other.get(key, ("", ""))[1]), "src_lang": PIVOT,
                   "tgt_lang": language, "origin": source["origin"]}
            reason = verdict(row["src"], row["tgt"], rules)
            if reason == "kept" and row["src"].casefold() in seen:
                reason = "repeated"
            if reason == "kept":
                seen.add(row["src"].casefold())
                yield row, document
            else:
                counts.drop(row, reason)


def split_of(text: str, dev_share: float) -> str:
    """ "dev" or "devtest", decided by a hash of the English text alone."""
    digest = hashlib.sha256(text.encode()).digest()
    return "dev" if int.from_bytes(digest[:8], "big") < dev_share * 2**64 else "devtest"


def multiway(rows: list[tuple[Row, str]], languages: list[str], counts: Counts, dev_share: float,
             ) -> list[Row]:
    """Test rows whose message every language has, with split and cluster."""
    found = Counter(row["id"] for row, _ in rows)
    kept = []
    for row, document in rows:
        if found[row["id"]] == len(languages):
            kept.append({**row, "split": split_of(row["src"], dev_share),
                         "cluster": f"{row['origin']}.{document}"})
        else:
            counts.drop(row, "not_in_all_languages")
    return kept


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("train", type=Path, help="folder of the training source")
    parser.add_argument("test", type=Path, help="folder of the test source")
    parser.add_argument("out", type=Path, help="output folder")
    args = parser.parse_args(argv)
    languages, rules = list(params.scaled("format.languages")), params.get("format")
    sources, counts, kept = params.scaled("format.sources"), Counts(), Counter[str]()
    with jsonl.writer(args.out / "train.jsonl") as write:
        for row, _ in pairs(sources["train"], args.train, languages, rules["train"], counts):
            kept[row["tgt_lang"]] += 1
            write(row)
    tests = multiway(list(pairs(sources["test"], args.test, languages, rules["test"], counts)),
                     languages, counts, rules["test"]["dev_share"])
    if not kept or not tests:
        raise UserError(f"{args.train if not kept else args.test}: no row passed the rules of "
                        f"`format` in params.yaml; dropped: {counts.stats(kept)['dropped']}")
    with jsonl.writer(args.out / "test.jsonl") as write:
        for row in tests:
            kept[row["tgt_lang"]] += 1
            write(row)
    for name, rows in (("quarantine", counts.quarantine),
                       ("dropped_sample", chain.from_iterable(counts.sample.values()))):
        with jsonl.writer(args.out / f"{name}.jsonl") as write:
            for row in rows:
                write(row)
    jsonl.write_json(args.out / "stats.json", {
        **counts.stats(kept), "train": kept.total() - len(tests), "test": len(tests)})


if __name__ == "__main__":
    run_stage(main)
