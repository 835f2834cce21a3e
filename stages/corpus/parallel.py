"""Parallel text: messages of a source paired by language, cleaned or left alone, split.

Rows are {"id", "src", "tgt", "src_lang", "tgt_lang", "origin"}; src is English. Their document,
which only test text needs, travels beside them.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from ..common.errors import UserError
from ..common.funnel import Funnel
from ..common.languages import PIVOT
from . import readers
from .cleaning import clean, verdict
from .overlap import near_pairs
from .simhash import components

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
    seen: set[bytes] = set()  # 16 bytes of a hash: the texts would fill memory at scale
    for raw, document, defect in found:
        row = {**raw, "src": clean(raw["src"]), "tgt": clean(raw["tgt"])}
        english = by_hash(f"{row['tgt_lang']} {row['src'].casefold()}")[:16]
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
            raise UserError(f"test text: {row['id']} in {row['tgt_lang']}: {defect}. Official "
                            "text must be complete in every language: fetch it again")
        funnel.see(row)
        yield row, document


def whole_documents(folder: Path, about: Row, languages: list[str], funnel: Funnel) -> list[Row]:
    """Rows of the documents drawn by hash from an official set.

    ``about`` holds reader, origin, how many lines a language its publisher has, and how many
    documents to draw (None: all). Raises UserError where the set is not as described.
    """
    found = list(official(pairs(about, folder, languages, []), funnel))
    for language in languages:
        if (lines := funnel.seen[language]) != about["lines"]:
            raise UserError(f"{folder}: {lines} lines in {language}, not {about['lines']}. Fetch "
                            "the set again, or correct suites.<suite>.format.test.lines")
    documents = sorted({document for _, document in found}, key=by_hash)
    if len(documents) < (about["documents"] or 0):
        raise UserError(f"{folder}: {len(documents)} documents are fewer than "
                        f"{about['documents']}. Correct suites.<suite>.format.test.documents")
    drawn = set(documents[:about["documents"]])
    for row, document in found:
        if document in drawn:
            funnel.keep(row)
        else:
            funnel.drop(row, "document_not_drawn")
    return [test_row(row, document, "devtest") for row, document in found if document in drawn]


def test_row(row: Row, document: str, split: str) -> Row:
    """The row with its split and its document, which no other source's can be taken for."""
    return {**row, "split": split, "cluster": f"{row['origin']}.{document}"}


def multiway(found: list[tuple[Row, str]], languages: Sequence[str], funnel: Funnel,
             ) -> list[tuple[Row, str]]:
    """The rows whose message every language has, so that directions share their ids."""
    count = Counter(row["id"] for row, _ in found)
    kept = []
    for row, document in found:
        if count[row["id"]] == len(languages):
            funnel.keep(row)
            kept.append((row, document))
        else:
            funnel.drop(row, "not_in_all_languages")
    return kept


def by_hash(text: str) -> bytes:
    """A sort key that knows nothing of what a text says."""
    return hashlib.sha256(text.encode()).digest()


def side(text: str, dev_share: float) -> str:
    """ "dev" or "devtest", decided by a hash of the text alone."""
    below = int.from_bytes(by_hash(text)[:8], "big") < dev_share * 2**64
    return "dev" if below else "devtest"


def splits(found: list[tuple[Row, str]], dev_share: float | None, n: int, threshold: float,
           ) -> tuple[dict[str, str], Row]:
    """({id: "dev" or "devtest"}, counts) of (row, document): near-duplicates stand on one side.

    Ids whose texts in any language have a Jaccard similarity of character n-grams of at least
    ``threshold``, or that are linked by such ids, form a group, and the hash of one of its English
    texts decides for all. Counts: ``groups`` of several ids, ``grouped`` ids in them, ``moved``
    ids that their own text would have put on the other side. Where ``dev_share`` is None, the
    publisher's split stays: what a document's name says before its first point.
    """
    if dev_share is None:
        return ({row["id"]: document.split(".")[0] for row, document in found},
                {"groups": 0, "grouped": 0, "moved": 0})
    rows = [row for row, _ in found]
    english = {row["id"]: row["src"] for row in rows}
    texts: dict[str, dict[str, str]] = {PIVOT: english}
    for row in rows:
        texts.setdefault(row["tgt_lang"], {})[row["id"]] = row["tgt"]
    ids = list(english)
    first = components(np.concatenate([near_pairs([sides[i] for i in ids], n, threshold)
                                       for sides in texts.values()]), len(ids))
    group: dict[int, list[str]] = defaultdict(list)
    for number, name in zip(first.tolist(), ids, strict=True):
        group[number].append(name)
    split = {name: side(min(english[other] for other in members), dev_share)
             for members in group.values() for name in members}
    several = [members for members in group.values() if len(members) > 1]
    return split, {"groups": len(several), "grouped": sum(map(len, several)),
                   "moved": sum(split[i] != side(english[i], dev_share) for i in ids)}
