"""Publish the rows of a run: all that its statistics need, and no test text.

in   the folders of `eval_mt` and `eval_reason` (see ``results``), settings of the comparison
out  <folder>/settings.json   the settings
     <folder>/about.json      {"evidence", "versions": {package: version}}
     <folder>/<system>/
       segments.jsonl.gz      ids, hashes, flags; counts by lexical metric, in the order of
                              ``lexical``; scores of neural metrics
       translation.json       meta.json of `eval_mt`, signatures of the metrics, sums of the counts
                              against references in shuffled order
       items.jsonl.gz         items of `eval_reason`
       reasoning.json         meta.json of `eval_reason`
     <folder>/copy_source/segments.jsonl.gz   the source scored as if it were the translation

The same inputs give the same bytes. Some test sets ask not to be published again, so texts stay
where they are; ids and hashes say which they were.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..common import jsonl
from . import extraction, pairing, results
from .results import CHOICES, COPY, FLAGGED, ITEM, NAMES, Results, Row

PACKAGES = ("numpy", "scipy", "sacrebleu", "mt-thresholds", "sentencepiece")
SEGMENT_FIELDS = (*FLAGGED, "scores")
ITEM_FIELDS = (*ITEM, "pred", "gold", "n_choices", *CHOICES)
LEVEL = 9  # of compression


def compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Rows as compressed JSON Lines, without time or name in the file's head."""
    with jsonl.open_atomic(path, "wb") as file, gzip.GzipFile(
            "", "wb", LEVEL, file, mtime=0) as packed:
        for row in rows:
            packed.write(f"{compact(row)}\n".encode())


def write_lines(path: Path, value: Row) -> None:
    """A JSON object with one line a key: the sums would fill thousands."""
    body = ",\n".join(f"{compact(key)}: {compact(value[key])}" for key in sorted(value))
    jsonl.write_text(path, f"{{\n{body}\n}}\n")


def contrasts(settings: Row) -> list[list[str]]:
    """The contrasts of a run, checked: those fixed beforehand, then those added later."""
    fixed, later = settings["contrasts"], settings.get("later", [])
    pairing.check_contrasts(fixed, settings["confirm"])
    pairing.check_contrasts([*fixed, *later], settings["confirm"])
    return [*fixed, *later]


def publish(translations: Path, answers: Path, settings: Row, evidence: str, out: Path) -> None:
    """Check that all systems of the contrasts pair, then write their rows below ``out``."""
    chosen = contrasts(settings)
    translated = pairing.translations(results.translations, translations, chosen)
    answered = pairing.answers(results.answers, answers, "", chosen)
    neural = next(iter(next(iter(translated.values())).rows.values())).get("scores") or {}
    pairing.check_primary(settings["primary_metric"], [*settings["metrics"], *neural])
    counted = extraction.extract(list(translated.values()), settings["metrics"], settings["seed"])
    for name, found in translated.items():
        write_rows(out / name / "segments.jsonl.gz", (
            {**{field: row[field] for field in SEGMENT_FIELDS if field in row},
             "stats": counted.counts[name][key]} for key, row in found.rows.items()))
        write_lines(out / name / "translation.json", {
            **found.meta, "metrics": counted.signatures, "shuffled": counted.shuffled[name]})
    first = next(iter(translated.values()))
    write_rows(out / COPY / "segments.jsonl.gz", (
        {**{field: row[field] for field in NAMES}, "stats": counted.counts[COPY][key]}
        for key, row in first.rows.items()))
    for name, found in answered.items():
        write_rows(out / name / "items.jsonl.gz", (
            {field: row[field] for field in ITEM_FIELDS if field in row}
            for row in found.rows.values()))
        jsonl.write_json(out / name / "reasoning.json", found.meta)
    jsonl.write_json(out / "settings.json", settings)
    jsonl.write_json(out / "about.json", {
        "evidence": evidence, "versions": {name: version(name) for name in PACKAGES}})


def translations(folder: Path, contrasts: list[list[str]]) -> tuple[dict[str, Results], Results]:
    """Published segments of all systems, checked for pairing, and of the copied source."""
    found = pairing.translations(results.published_translations, folder, contrasts)
    first = next(iter(found.values()))
    copied = results.published_copies(folder / COPY, first)
    pairing.same_rows(first, copied, NAMES)
    return found, copied


def answers(folder: Path, contrasts: list[list[str]]) -> dict[str, Results]:
    """Published items of the contrasts whose systems were asked to reason, checked for pairing."""
    return pairing.answers(results.published_answers, folder, "items.jsonl.gz", contrasts)
