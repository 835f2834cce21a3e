"""Bring every source into one form, clean it, and count what is dropped.

in     data/download/train, data/download/test   through a reader (stages/corpus/readers)
out    train.jsonl   {"id", "src", "tgt", "src_lang", "tgt_lang", "origin"}, src is English
       test.jsonl    the same, with "split" (dev or devtest) and "cluster" (source document);
                     only messages that every language has, so that directions share their ids
       stats.json    counts of the training text; "train" and "test" hold those of either text
       quarantine.jsonl, dropped_sample.jsonl (of both texts)
paper  step 1 of the data pipeline, JSONL format. Its rules are not published: ours.

Test text with `clean: false` is official: it passes as it is, every row in its order.
"""

from __future__ import annotations

import argparse
import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

from .common import jsonl, params
from .common.command import run_stage
from .common.errors import UserError
from .common.funnel import Funnel
from .common.languages import PIVOT
from .corpus import readers
from .corpus.cleaning import clean, verdict

Row = dict[str, Any]
Side = tuple[str, str]  # document, text


def pairs(source: Row, folder: Path, languages: list[str], quarantine: list[Row],
          ) -> Iterator[tuple[Row, str, str]]:
    """Yield (row, document, defect) of every message of English or the other language, in turn.

    Texts are as the source has them. The defect is "", or "missing_side" where one language lacks
    the message, or "repeated_id" from an id's second time on. Messages are in the order of the
    English source; those that English lacks come last. A message that several documents hold
    counts to the last of them.
    """
    def read(language: str) -> dict[str, list[Side]]:
        found: dict[str, list[Side]] = defaultdict(list)
        for key, document, text in readers.read(
                source["reader"], folder, language,
                lambda place, reason: quarantine.append({"place": place, "reason": reason})):
            found[key].append((document, text))
        return found

    english = read(PIVOT)
    for language in languages:
        other = read(language)
        for key in dict.fromkeys([*english, *other]):
            sides = english.get(key, []), other.get(key, [])
            document = (sides[0] or sides[1])[-1][0]
            for number, (src, tgt) in enumerate(zip_longest(*sides)):
                row = {"id": f"{source['origin']}:{key}", "src": src[1] if src else "",
                       "tgt": tgt[1] if tgt else "", "src_lang": PIVOT, "tgt_lang": language,
                       "origin": source["origin"]}
                defect = "repeated_id" if number else "" if src and tgt else "missing_side"
                yield row, document, defect


def cleaned(found: Iterator[tuple[Row, str, str]], rules: Row, funnel: Funnel,
            ) -> Iterator[tuple[Row, str]]:
    """Yield (row, document) of every clean pair; count the others.

    A message whose English was seen before is dropped, language by language.
    """
    seen: set[tuple[str, str]] = set()
    for raw, document, defect in found:
        row = {**raw, "src": clean(raw["src"]), "tgt": clean(raw["tgt"])}
        english = (row["tgt_lang"], row["src"].casefold())
        funnel.see(row)
        reason = defect or verdict(row["src"], row["tgt"], rules)
        if reason == "kept" and english in seen:
            reason = "repeated"
        if reason == "kept":
            seen.add(english)
            yield row, document
        else:
            funnel.drop(row, reason)


def official(found: Iterator[tuple[Row, str, str]], funnel: Funnel) -> Iterator[tuple[Row, str]]:
    """Yield (row, document) of every pair, unchanged. A defect is an error: none may be dropped."""
    for row, document, defect in found:
        if defect:
            raise UserError(f"test text: {row['id']} in {row['tgt_lang']}: {defect}. Official text "
                            "(format.test.clean: false) must be complete in every language")
        funnel.see(row)
        yield row, document


def split_of(text: str, dev_share: float) -> str:
    """ "dev" or "devtest", decided by a hash of the English text alone."""
    digest = hashlib.sha256(text.encode()).digest()
    return "dev" if int.from_bytes(digest[:8], "big") < dev_share * 2**64 else "devtest"


def multiway(rows: list[tuple[Row, str]], languages: list[str], funnel: Funnel, dev_share: float,
             ) -> list[Row]:
    """Test rows whose message every language has, with split and cluster."""
    found = Counter(row["id"] for row, _ in rows)
    kept = []
    for row, document in rows:
        if found[row["id"]] == len(languages):
            funnel.keep(row)
            kept.append({**row, "split": split_of(row["src"], dev_share),
                         "cluster": f"{row['origin']}.{document}"})
        else:
            funnel.drop(row, "not_in_all_languages")
    return kept


def need(funnel: Funnel, folder: Path) -> None:
    """Refuse a text of which nothing is left."""
    if not funnel.kept:
        raise UserError(f"{folder}: no row passed the rules of `format` in params.yaml; "
                        f"dropped: {funnel.stats()['dropped']}")


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("train", type=Path, help="folder of the training source")
    parser.add_argument("test", type=Path, help="folder of the test source")
    parser.add_argument("out", type=Path, help="output folder")
    args = parser.parse_args(argv)
    languages, sources = list(params.scaled("format.languages")), params.scaled("format.sources")
    rules = params.scaled("format.test")
    train, test, quarantine = Funnel(), Funnel(), list[Row]()
    with jsonl.writer(args.out / "train.jsonl") as write:
        for row, _ in cleaned(pairs(sources["train"], args.train, languages, quarantine),
                              params.scaled("format.train"), train):
            train.keep(row)
            write(row)
    need(train, args.train)
    found = pairs(sources["test"], args.test, languages, quarantine)
    usable = cleaned(found, rules, test) if rules.get("clean", True) else official(found, test)
    tests = multiway(list(usable), languages, test, rules["dev_share"])
    need(test, args.test)
    for name, rows in (("test", tests), ("quarantine", quarantine)):
        with jsonl.writer(args.out / f"{name}.jsonl") as write:
            for row in rows:
                write(row)
    counts = train.stats()
    train.write(args.out, {"train": {key: counts[key] for key in ("seen", "kept", "dropped")},
                           "test": test.stats(), "quarantined": len(quarantine)}, test)


if __name__ == "__main__":
    run_stage(main)
