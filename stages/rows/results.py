"""Read the result files of one system, strictly: with text as evaluated, or as published.

in   <folder>/{segments.jsonl, meta.json}            translations, as `eval_mt` writes them
     <folder>/../score/{<system>.jsonl, meta.json}   scores of neural metrics, as `eval_mt` writes
                                                     them apart from the translations
     <folder>/{items.jsonl, meta.json}               answers, as `eval_reason` writes them
     <folder>/{segments.jsonl.gz, translation.json}  the same as published (see ``published``):
     <folder>/{items.jsonl.gz, reasoning.json}       no text, statistics of segments instead
out  ``Results``, or one line that names file, place and remedy
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ..common import hashes, jsonl
from ..common.errors import UserError

Row = dict[str, Any]
Key = tuple[Any, ...]
Types = tuple[type, ...]

FLAGS = ("empty", "copy", "truncated")
RULES = ("off_target", "ref_off_target")  # by rule: is output, is reference in another language?
COPY = "copy_source"  # the pseudo-system that leaves the source as it is
TEXT = ("src", "ref", "hyp")
NAMES: dict[str, Types] = dict.fromkeys(("id", "cluster", "direction", "ref_hash"), (str,))
FLAGGED: dict[str, Types] = {
    **NAMES, **dict.fromkeys(FLAGS, (bool,)), **dict.fromkeys(RULES, (dict,))}
SEGMENT: dict[str, Types] = {**FLAGGED, **dict.fromkeys(TEXT, (str,))}
PUBLISHED: dict[str, Types] = {**FLAGGED, "stats": (dict,)}
SCORES = "score"  # folder beside the systems'
SCORED: dict[str, Types] = {
    **dict.fromkeys(("direction", "id", "hyp_hash"), (str,)), "scores": (dict,)}
COPIED: dict[str, Types] = {**NAMES, "stats": (dict,)}
ITEM: dict[str, Types] = {
    **dict.fromkeys(("task", "version", "filter", "metric", "doc_hash", "prompt_hash",
                     "target_hash", "cluster"), (str,)),
    "doc_id": (int, str), "sample": (int,), "score": (int, float)}
CHOICES = ("loglik", "chars", "guess")  # of items answered by likelihood: all or none
GUESSES = ("first", "last", "shortest", "longest", "frequent")
# In meta.json; a name that ends in "?" may be absent or null.
META: dict[str, Types] = {
    "scale": (str,), "suite?": (str,), "limit?": (int,), "comparator?": (bool,),
    "signature": (dict,), "signature.tokenizer": (str,), "signature.template": (str,)}
TEST_SET: dict[str, Types] = {
    "test_set": (str,), "languages": (dict,), "spbleu?": (dict,),
    "spbleu200?": (dict,), "neural?": (dict,)}
TOKENIZER: dict[str, Types] = dict.fromkeys(
    ("spbleu.model", "spbleu.label", "spbleu.sha256"), (str,))
WORDS: dict[Types, str] = {
    (str,): "a text", (bool,): "true or false", (int,): "a whole number", (dict,): "an object",
    (int, float): "a number", (int, str): "a whole number or a text"}
LARGEST_SCORE = 1000  # neural metrics are near 0-1 or 0-100; what lies beyond is a fault
LARGEST_LOGLIK = 1e6  # nats
PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,79}")  # a name that becomes part of file names
SHUFFLES = 20  # orders of the references, for the floor
REDO = "Run the evaluation of both systems again with the same settings"
RESTORE = "Restore the file, or run `dvc repro significance`"


class Results(NamedTuple):
    """One system's answers by key, in the order of the keys."""

    system: str
    file: Path
    meta: Row
    rows: dict[Key, Row]


def named(key: Key) -> str:
    return " ".join(map(str, key))


def value_at(meta: Row, dotted: str) -> Any:
    """The value at a dotted name, None where there is none."""
    found: Any = meta
    for part in dotted.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def brief(value: Any) -> str:
    return repr(value) if len(repr(value)) <= 60 else f"{repr(value)[:60]}…"


def _check_meta(path: Path, meta: Row, fields: dict[str, Types]) -> None:
    for field, types in fields.items():
        value = value_at(meta, field.rstrip("?"))
        if type(value) not in types and not (value is None and field.endswith("?")):
            raise UserError(f"{path}: {field.rstrip('?')} is {brief(value)}, not {WORDS[types]}. "
                            f"{REDO}")


def _meta(path: Path) -> Row:
    try:
        meta = jsonl.parse(path.read_bytes())
    except ValueError as error:
        raise UserError(f"{path}: not a JSON object ({error.args[0]}). {REDO}") from error
    _check_meta(path, meta, META)
    return meta


def lines(path: Path) -> Iterator[Row]:
    """The rows of a JSON Lines file, compressed where its name ends in .gz."""
    if path.suffix != ".gz":
        yield from jsonl.read(path)
        return
    try:
        content = gzip.decompress(path.read_bytes())
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{path}: not a whole gzip file ({error}). {RESTORE}") from error
    for number, line in enumerate(content.splitlines(), 1):
        try:
            yield jsonl.parse(line)
        except ValueError as error:
            raise jsonl.BadLine(path, number, str(error.args[0]),
                                line[:60].decode("utf-8", "replace")) from error


def _check_row(where: str, row: Row, fields: dict[str, Types]) -> None:
    if absent := [field for field in fields if row.get(field) is None]:
        raise UserError(f"{where}: no {', '.join(absent)}. {REDO}")
    for field, types in fields.items():
        if type(row[field]) not in types:  # by type: true is an int to isinstance
            raise UserError(f"{where}: {field} {brief(row[field])} is not {WORDS[types]}. "
                            f"{REDO}")


def _read(path: Path, about: Path, fields: dict[str, Types], key_fields: tuple[str, ...],
          ) -> tuple[Results, dict[Key, str]]:
    """The results, and where each row stands as ``path:number``."""
    system = path.parent.name
    for needed in (path, about):
        if not needed.is_file():
            raise UserError(f"{needed} is not there. Run the evaluation of {system}, or take "
                            "the system out of significance.contrasts")
    meta = _meta(about)
    rows: dict[Key, Row] = {}
    places: dict[Key, str] = {}
    of_name: dict[str, Key] = {}  # the first row of each task or direction
    for number, row in enumerate(lines(path), 1):
        where = f"{path}:{number}"
        _check_row(where, row, fields)
        key = tuple(row[field] for field in key_fields)
        if key in rows:
            raise UserError(f"{where}: duplicate of {named(key)}. {REDO}")
        first = of_name.setdefault(key[0], key)
        if [type(part) for part in key] != [type(part) for part in first]:
            raise UserError(f"{where}: doc_id {brief(row['doc_id'])} is a text where other rows "
                            f"of the task have a number, or the reverse. {REDO}")
        rows[key], places[key] = row, where
    if not rows:
        raise UserError(f"{path}: no rows. {REDO}")
    return Results(system, path, meta, dict(sorted(rows.items()))), places


def _check_scores(results: Results, places: dict[Key, str]) -> None:
    """Neural metrics: every row of a direction carries the same ones, each a number."""
    of_direction: dict[str, Any] = {}
    for key, where in places.items():
        scores = results.rows[key].get("scores") or {}
        first = of_direction.setdefault(key[0], scores)
        if not isinstance(scores, dict) or not isinstance(first, dict):
            raise UserError(f"{where}: {named(key)}: scores {brief(scores)} is not an object. "
                            f"{REDO}")
        if uneven := sorted(set(scores) ^ set(first)):
            raise UserError(f"{where}: {named(key)}: {', '.join(uneven)} is scored in some rows "
                            f"only. Score every row of {results.system}")
        for metric, score in scores.items():
            if type(score) not in (int, float) or not -LARGEST_SCORE <= score <= LARGEST_SCORE:
                raise UserError(f"{where}: {named(key)}: the score {metric} {brief(score)} is not "
                                f"a number within ±{LARGEST_SCORE}. {REDO}")


def _check_rules(results: Results, places: dict[Key, str]) -> None:
    """Off-target by rule: every row answers for the same rules, of output and of reference."""
    rules = list(next(iter(results.rows.values()))["off_target"])
    for key, where in places.items():
        for field in RULES:
            found = results.rows[key][field]
            if not rules or list(found) != rules or any(
                    type(value) is not bool for value in found.values()):
                raise UserError(f"{where}: {named(key)}: {field} {brief(found)} does not say true "
                                f"or false for each rule ({', '.join(rules) or 'none named'}). "
                                f"{REDO}")


def _check_directions(places: dict[Key, str]) -> None:
    for key, where in places.items():
        if key[0].count("-") != 1:
            raise UserError(f"{where}: {named(key)}: direction is not two language codes joined "
                            f"by a hyphen. {REDO}")


def _join(results: Results, folder: Path) -> None:
    """Put the scores of neural metrics, which another pass wrote, into rows and meta."""
    about = folder / "meta.json"
    if not about.is_file() or not (metrics := jsonl.parse(about.read_bytes()).get("metrics")):
        return
    file, again = folder / f"{results.system}.jsonl", "Run `dvc repro eval_mt@score`"
    if not file.is_file():
        raise UserError(f"{file} is not there, so {results.system} has no neural scores. {again}")
    left = dict(results.rows)
    for number, row in enumerate(jsonl.read(file), 1):
        _check_row(f"{file}:{number}", row, SCORED)
        mine = left.pop((row["direction"], row["id"]), None)
        if mine is None or hashes.text16(mine["hyp"]) != row["hyp_hash"]:
            raise UserError(f"{file}:{number}: {row['direction']} {row['id']} is another output "
                            f"than that of {results.file}. {again}")
        mine["scores"] = {**(mine.get("scores") or {}), **row["scores"]}
    if left:
        raise UserError(f"{file} lacks {named(next(iter(left)))}, which is in {results.file}. "
                        f"{again}")
    results.meta["neural"] = metrics


def _translations(path: Path, about: Path, fields: dict[str, Types], scores: Path | None = None,
                  ) -> tuple[Results, dict[Key, str]]:
    found, places = _read(path, about, fields, ("direction", "id"))
    if scores:
        _join(found, scores)
    _check_meta(about, found.meta, TEST_SET)
    _check_meta(about, found.meta, dict.fromkeys(
        (f"languages.{code}" for code in found.meta["languages"]), (dict,)))
    if found.meta.get("spbleu") is not None:
        _check_meta(about, found.meta, TOKENIZER)
    _check_directions(places)
    _check_rules(found, places)
    _check_scores(found, places)
    return found, places


def translations(folder: Path) -> Results:
    """A system's segments with their text and all scores, by direction and id."""
    return _translations(folder / "segments.jsonl", folder / "meta.json", SEGMENT,
                         folder.parent / SCORES)[0]


def published_translations(folder: Path) -> Results:
    """A system's segments as published, by direction and id."""
    about = folder / "translation.json"
    found, places = _translations(folder / "segments.jsonl.gz", about, PUBLISHED)
    _check_statistics(found, places)
    _check_meta(about, found.meta, {"metrics": (dict,), "shuffled": (dict,)})
    _check_sums(about, found)
    return found


def published_copies(folder: Path, like: Results) -> Results:
    """The segments of the copied source as published, which has no flags and no meta of its own."""
    found, places = _read(folder / "segments.jsonl.gz", like.file.parent / "translation.json",
                          COPIED, ("direction", "id"))
    _check_statistics(found, places)
    return found


def _check_statistics(results: Results, places: dict[Key, str]) -> None:
    """Each lexical metric has its whole numbers, in every row as many."""
    first = next(iter(results.rows.values()))["stats"]
    for key, where in places.items():
        stats = results.rows[key]["stats"]
        for metric in {**first, **stats}:
            counts = stats.get(metric)
            if not isinstance(counts, list) or len(counts) != len(first.get(metric, ())) or any(
                    type(count) is not int or count < 0 for count in counts):
                raise UserError(f"{where}: {named(key)}: the statistics of {metric} "
                                f"{brief(counts)} are not the counts of a segment. {RESTORE}")


def _check_sums(about: Path, results: Results) -> None:
    """Signature and shuffled sums of every lexical metric: the same number of orders throughout."""
    metrics, shuffled = results.meta["metrics"], results.meta["shuffled"]
    first = next(iter(results.rows.values()))["stats"]
    if set(metrics) != set(first) or set(shuffled) != set(first) or any(
            type(signature) is not str for signature in metrics.values()):
        raise UserError(f"{about}: metrics and shuffled are not those of the rows "
                        f"({', '.join(first)}). {RESTORE}")
    directions = sorted({key[0] for key in results.rows})
    for metric, by_direction in shuffled.items():
        if not isinstance(by_direction, dict) or sorted(by_direction) != directions:
            raise UserError(f"{about}: shuffled.{metric} does not have the rows' directions. "
                            f"{RESTORE}")
        for direction, sums in by_direction.items():
            if not isinstance(sums, list) or len(sums) != SHUFFLES or any(
                    not isinstance(counts, list) or len(counts) != len(first[metric]) or any(
                        type(count) is not int or count < 0 for count in counts)
                    for counts in sums):
                raise UserError(f"{about}: shuffled.{metric}.{direction} is not {SHUFFLES} sums "
                                f"of the counts of a segment. {RESTORE}")


def answers(folder: Path) -> Results:
    """A system's reasoning items, by task, version, filter, document and sample."""
    return _answers(folder / "items.jsonl", folder / "meta.json")


def published_answers(folder: Path) -> Results:
    """The same as published."""
    return _answers(folder / "items.jsonl.gz", folder / "reasoning.json")


def _answers(path: Path, about: Path) -> Results:
    found, places = _read(path, about, ITEM, ("task", "version", "filter", "doc_id", "sample"))
    first: dict[str, Row] = {}
    for key, where in places.items():
        row = found.rows[key]
        same = first.setdefault(row["task"], row)
        for field in ("version", "filter", "metric"):
            if row[field] != same[field]:
                raise UserError(f"{where}: {named(key)}: task {row['task']} mixes {field} "
                                f"{same[field]!r} and {row[field]!r}. Keep one of them")
        if not 0 <= row["score"] <= 1:
            raise UserError(f"{where}: {named(key)}: score {brief(row['score'])} is not in 0-1. "
                            f"{REDO}")
        _check_choices(f"{where}: {named(key)}", row, same)
    _check_tasks(about, found.meta, first)
    return found


def _check_choices(where: str, row: Row, first: Row) -> None:
    """What an item answered by likelihood says of its choices, in all items of a task or none."""
    here, there = ([field for field in CHOICES if one.get(field) is not None]
                   for one in (row, first))
    if here != there or len(here) not in (0, len(CHOICES)):
        raise UserError(f"{where}: {', '.join(CHOICES)} stand together, in every item of the task "
                        f"or in none; here {', '.join(here) or 'none'}. {REDO}")
    if not here:
        return
    count, gold, loglik, chars, guess = (row.get(field) for field in (
        "n_choices", "gold", *CHOICES))
    whole = type(count) is int and type(gold) is int and 0 <= gold < count
    if not (whole and isinstance(loglik, list) and len(loglik) == count and all(
            type(one) in (int, float) and abs(one) <= LARGEST_LOGLIK for one in loglik)):
        raise UserError(f"{where}: loglik {brief(loglik)} is not a log-probability for each of "
                        f"{brief(count)} choices, or gold {brief(gold)} none of them. {REDO}")
    if not (isinstance(chars, list) and len(chars) == count and all(
            type(one) is int and one >= 1 for one in chars)):
        raise UserError(f"{where}: chars {brief(chars)} is not a length for each choice. {REDO}")
    if not (isinstance(guess, dict) and sorted(guess) == sorted(GUESSES) and all(
            type(hit) is bool for hit in guess.values())):
        raise UserError(f"{where}: guess {brief(guess)} does not say true or false for "
                        f"{', '.join(GUESSES)}. {REDO}")


def _check_tasks(path: Path, meta: Row, names: Iterable[str]) -> None:
    """Each task of the items has its chance level and kind in meta.json."""
    _check_meta(path, meta, {"tasks": (dict,)})
    for task in names:
        about = meta["tasks"].get(task)
        about = about if isinstance(about, dict) else {}
        chance: Any = about.get("chance")
        if type(chance) not in (int, float) or not 0 <= chance <= 1:
            raise UserError(f"{path}: tasks.{task}.chance is {brief(chance)}, not in 0-1. {REDO}")
        if type(about.get("multilingual")) is not bool or type(about.get("carries")) is not bool \
                or type(about.get("n_total")) not in (int, type(None)):
            raise UserError(f"{path}: tasks.{task}: multilingual and carries have to be true or "
                            f"false and n_total a whole number or null. {REDO}")
