"""Read two systems' result files and pair them item by item, or refuse.

A difference means something only where both systems were asked the same thing in the same way.
Every mismatch stops with the item and both files; nothing is dropped in silence.

in   <folder>/<system>/{segments,items}.jsonl and meta.json, as the eval stages write them
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from ..common import hashes, jsonl
from ..common.errors import BAD_CONFIG, UserError

Row = dict[str, Any]
Key = tuple[Any, ...]
Types = tuple[type, ...]

FLAGS = ("off_target", "empty", "copy", "truncated")
SEGMENT: dict[str, Types] = {
    **dict.fromkeys(("id", "cluster", "direction", "src", "ref", "hyp", "ref_hash"), (str,)),
    **dict.fromkeys(FLAGS, (bool,))}
ITEM: dict[str, Types] = {
    **dict.fromkeys(("task", "version", "filter", "metric", "doc_hash", "prompt_hash",
                     "target_hash", "cluster"), (str,)),
    "doc_id": (int, str), "sample": (int,), "score": (int, float)}
# In meta.json; a name that ends in "?" may be absent or null.
META: dict[str, Types] = {
    "scale": (str,), "suite?": (str,), "limit?": (int,), "comparator?": (bool,),
    "signature": (dict,), "signature.tokenizer": (str,), "signature.template": (str,)}
TEST_SET: dict[str, Types] = {
    "test_set": (str,), "languages": (dict,), "spbleu?": (dict,)}
TOKENIZER: dict[str, Types] = dict.fromkeys(
    ("spbleu.model", "spbleu.label", "spbleu.sha256"), (str,))
WORDS: dict[Types, str] = {
    (str,): "a text", (bool,): "true or false", (int,): "a whole number", (dict,): "an object",
    (int, float): "a number", (int, str): "a whole number or a text"}
LARGEST_SCORE = 1000  # neural metrics are near 0-1 or 0-100; what lies beyond is a fault
COPY, SHUFFLED = "copy_source", "shuffled_refs"  # columns of the floor table beside the systems
PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,79}")  # a name that becomes part of file names
# Keys of the floor table's rows, which hold a value per system too.
RESERVED = ("direction", "delta", "ci", "refs", COPY, SHUFFLED, "delta_shuffled")
REDO = "Run the evaluation of both systems again with the same settings"


class Results(NamedTuple):
    """One system's answers by key, in the order of the keys."""

    system: str
    file: Path
    meta: Row
    rows: dict[Key, Row]


def name(key: Key) -> str:
    return " ".join(map(str, key))


def check_contrasts(contrasts: Any) -> None:
    """Refuse contrasts that are not pairs of two systems, or of which two share a table's name."""
    where = "params.yaml: significance.contrasts"
    if not isinstance(contrasts, list) or not contrasts:
        raise UserError(f"{where} is empty or no list. Name at least one [system, baseline]",
                        BAD_CONFIG)
    seen: set[str] = set()
    for pair in contrasts:
        if not (isinstance(pair, list) and len(pair) == 2 and pair[0] != pair[1]
                and all(isinstance(name, str) for name in pair)):
            raise UserError(f"{where}: {pair!r} is not [system, baseline]. Correct it", BAD_CONFIG)
        for name in pair:
            if name in RESERVED or name.startswith("shuffled_") or not PLAIN.fullmatch(name):
                raise UserError(f"{where}: {name!r} cannot name a system: it is taken, or not "
                                "of letters, digits, '.', '_', '+' and '-'. Rename it", BAD_CONFIG)
        if "-".join(pair) in seen:
            raise UserError(f"{where}: {pair!r} stands twice, or its tables would be named as "
                            "those of another contrast. Take one out or rename a system",
                            BAD_CONFIG)
        seen.add("-".join(pair))


def _value(meta: Row, dotted: str) -> Any:
    found: Any = meta
    for part in dotted.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _check_meta(path: Path, meta: Row, fields: dict[str, Types]) -> None:
    for field, types in fields.items():
        value = _value(meta, field.rstrip("?"))
        if type(value) not in types and not (value is None and field.endswith("?")):
            raise UserError(f"{path}: {field.rstrip('?')} is {_brief(value)}, not {WORDS[types]}. "
                            f"{REDO}")


def _brief(value: Any) -> str:
    return repr(value) if len(repr(value)) <= 60 else f"{repr(value)[:60]}…"


def _meta(path: Path) -> Row:
    try:
        meta = jsonl.parse(path.read_bytes())
    except ValueError as error:
        raise UserError(f"{path}: not a JSON object ({error.args[0]}). {REDO}") from error
    _check_meta(path, meta, META)
    return meta


def _check_row(where: str, row: Row, fields: dict[str, Types]) -> None:
    if absent := [field for field in fields if row.get(field) is None]:
        raise UserError(f"{where}: no {', '.join(absent)}. {REDO}")
    for field, types in fields.items():
        if type(row[field]) not in types:  # by type: true is an int to isinstance
            raise UserError(f"{where}: {field} {_brief(row[field])} is not {WORDS[types]}. "
                            f"{REDO}")


def _read(folder: Path, file: str, fields: dict[str, Types], key_fields: tuple[str, ...],
          ) -> tuple[Results, dict[Key, str]]:
    """The results, and where each row stands as ``path:number``."""
    path = folder / file
    for needed in (path, folder / "meta.json"):
        if not needed.is_file():
            raise UserError(f"{needed} is not there. Run the evaluation of {folder.name}, or take "
                            "the system out of significance.contrasts")
    meta = _meta(folder / "meta.json")
    rows: dict[Key, Row] = {}
    places: dict[Key, str] = {}
    for number, row in enumerate(jsonl.read(path), 1):
        where = f"{path}:{number}"
        _check_row(where, row, fields)
        key = tuple(row[field] for field in key_fields)
        if key in rows:
            raise UserError(f"{where}: duplicate of {name(key)}. {REDO}")
        first = next(iter(rows), key)
        if [type(part) for part in key] != [type(part) for part in first]:
            raise UserError(f"{where}: doc_id {_brief(row['doc_id'])} is a text where other rows "
                            f"have a number, or the reverse. {REDO}")
        rows[key], places[key] = row, where
    if not rows:
        raise UserError(f"{path}: no rows. {REDO}")
    return Results(folder.name, path, meta, dict(sorted(rows.items()))), places


def _check_scores(results: Results, places: dict[Key, str]) -> None:
    """Neural metrics: every row carries the same ones, each a number."""
    first = next(iter(results.rows.values())).get("scores") or {}
    for key, where in places.items():
        scores = results.rows[key].get("scores") or {}
        if not isinstance(scores, dict) or not isinstance(first, dict):
            raise UserError(f"{where}: {name(key)}: scores {_brief(scores)} is not an object. "
                            f"{REDO}")
        if uneven := sorted(set(scores) ^ set(first)):
            raise UserError(f"{where}: {name(key)}: {', '.join(uneven)} is scored in some rows "
                            f"only. Score every row of {results.system}")
        for metric, score in scores.items():
            if type(score) not in (int, float) or not -LARGEST_SCORE <= score <= LARGEST_SCORE:
                raise UserError(f"{where}: {name(key)}: the score {metric} {_brief(score)} is not "
                                f"a number within ±{LARGEST_SCORE}. {REDO}")


def translations(folder: Path) -> Results:
    """A system's segments, by direction and id."""
    found, places = _read(folder, "segments.jsonl", SEGMENT, ("direction", "id"))
    meta = folder / "meta.json"
    _check_meta(meta, found.meta, TEST_SET)
    _check_meta(meta, found.meta, dict.fromkeys(
        (f"languages.{code}" for code in found.meta["languages"]), (dict,)))
    if found.meta.get("spbleu") is not None:
        _check_meta(meta, found.meta, TOKENIZER)
    for key, where in places.items():
        if key[0].count("-") != 1:
            raise UserError(f"{where}: {name(key)}: direction is not two language codes joined "
                            f"by a hyphen. {REDO}")
    _check_scores(found, places)
    return found


def answers(folder: Path) -> Results:
    """A system's reasoning items, by task, version, filter, document and sample."""
    found, places = _read(folder, "items.jsonl", ITEM,
                          ("task", "version", "filter", "doc_id", "sample"))
    first: dict[str, Row] = {}
    for key, where in places.items():
        row = found.rows[key]
        same = first.setdefault(row["task"], row)
        for field in ("version", "filter", "metric"):
            if row[field] != same[field]:
                raise UserError(f"{where}: {name(key)}: task {row['task']} mixes {field} "
                                f"{same[field]!r} and {row[field]!r}. Keep one of them")
        if not 0 <= row["score"] <= 1:
            raise UserError(f"{where}: {name(key)}: score {_brief(row['score'])} is not in 0-1. "
                            f"{REDO}")
    _check_tasks(folder / "meta.json", found.meta, first)
    return found


def _check_tasks(path: Path, meta: Row, names: Iterable[str]) -> None:
    """Each task of the items has its chance level and kind in meta.json."""
    _check_meta(path, meta, {"tasks": (dict,)})
    for task in names:
        about = meta["tasks"].get(task)
        about = about if isinstance(about, dict) else {}
        chance: Any = about.get("chance")
        if type(chance) not in (int, float) or not 0 <= chance <= 1:
            raise UserError(f"{path}: tasks.{task}.chance is {_brief(chance)}, not in 0-1. {REDO}")
        if type(about.get("multilingual")) is not bool or type(
                about.get("n_total")) not in (int, type(None)):
            raise UserError(f"{path}: tasks.{task}: multilingual has to be true or false and "
                            f"n_total a whole number or null. {REDO}")


def _same_meta(a: Results, b: Results, fields: Iterable[str]) -> None:
    for field in fields:
        left, right = _value(a.meta, field), _value(b.meta, field)
        if left != right:
            raise UserError(f"{field} differs: {_brief(left)} in {a.file.parent / 'meta.json'}, "
                            f"{_brief(right)} in {b.file.parent / 'meta.json'}. {REDO}")


def _same_rows(a: Results, b: Results, fields: Iterable[str]) -> None:
    for one, other in ((a, b), (b, a)):
        for key in one.rows:
            if key not in other.rows:
                raise UserError(f"{name(key)} is in {one.file} but not in {other.file}. {REDO}")
    for key, row in a.rows.items():
        for field in fields:
            if row[field] != b.rows[key][field]:
                raise UserError(f"{name(key)}: {field} differs: {row[field]!r} in {a.file}, "
                                f"{b.rows[key][field]!r} in {b.file}. {REDO}")


def own_prompt(a: Results, b: Results) -> bool:
    """Does one of the two declare itself a comparator, with a tokenizer and template of its own?"""
    return any(results.meta.get("comparator") for results in (a, b))


def same_sentences(a: Results, b: Results) -> None:
    """Refuse unless both translated the same sentences, to be scored by the same metrics."""
    _same_meta(a, b, ("scale", "suite", "test_set", "limit", "spbleu.sha256"))
    _same_rows(a, b, ("src", "ref", "ref_hash", "cluster"))
    left, right = (sorted(next(iter(results.rows.values())).get("scores") or {})
                   for results in (a, b))
    if left != right:
        raise UserError(f"{left} scored in {a.file}, {right} in {b.file}. {REDO}")


def pair_translations(a: Results, b: Results) -> None:
    """Refuse unless both translated the same sentences under the same conditions.

    The prompt may differ (a few-shot baseline sees examples); tokenizer and template may differ
    for a comparator alone.
    """
    if not own_prompt(a, b):
        _same_meta(a, b, ("signature.tokenizer", "signature.template"))
    same_sentences(a, b)


def pair_answers(a: Results, b: Results) -> None:
    """Refuse unless both answered the same items; the prompt counts as part of the item.

    For a comparator, tokenizer, template and prompt may differ; the pairing table then says so.
    """
    same, prompt = ["scale", "suite", "limit"], ["prompt_hash"]
    if own_prompt(a, b):
        prompt = []
    else:
        same += ["signature.tokenizer", "signature.template"]
    _same_meta(a, b, same)
    for task in sorted({row["task"] for row in (*a.rows.values(), *b.rows.values())}):
        for field in ("n_total", "chance", "multilingual"):
            left, right = (results.meta["tasks"].get(task, {}).get(field) for results in (a, b))
            if left != right:
                raise UserError(f"tasks.{task}.{field} differs: {left!r} in "
                                f"{a.file.parent / 'meta.json'}, {right!r} in "
                                f"{b.file.parent / 'meta.json'}. {REDO}")
    _same_rows(a, b, ("doc_hash", "target_hash", "metric", "cluster", *prompt))


def matched(contrast: str, a: Results, b: Results, fields: tuple[str, ...],
            field: str) -> list[Row]:
    """What was matched, per direction or task."""
    prompts = "own tokenizer and template" if own_prompt(a, b) else "same" if (
        _value(a.meta, "signature.prompt") == _value(b.meta, "signature.prompt")
    ) else "different by design"
    found = []
    for name in sorted({row[field] for row in a.rows.values()}):
        mine = [row for row in a.rows.values() if row[field] == name]
        found.append({
            "contrast": contrast, "set": name, "matched": len(mine), "dropped": 0, "mismatches": 0,
            "of": a.meta["tasks"][name].get("n_total") if field == "task" else None,
            "limit": a.meta.get("limit"),
            "template": a.meta["signature"]["template"][:16],
            "prompts": prompts,
            "items": hashes.of_json([[row[key] for key in fields] for row in mine])[:16]})
    return found
