"""Read two systems' result files and pair them item by item, or refuse.

A difference means something only where both systems were asked the same thing in the same way.
Every mismatch stops with the item and both files; nothing is dropped in silence.

in   <folder>/<system>/{segments,items}.jsonl and meta.json, as the eval stages write them
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from ..common import jsonl
from ..common.errors import UserError

Row = dict[str, Any]
Key = tuple[Any, ...]

SEGMENT = ("id", "cluster", "direction", "src", "ref", "hyp", "off_target", "empty", "copy",
           "truncated", "ref_hash")
ITEM = ("task", "version", "filter", "metric", "doc_id", "doc_hash", "prompt_hash", "target_hash",
        "cluster", "sample", "score")
REDO = "Run the evaluation of both systems again with the same settings"


class Results(NamedTuple):
    """One system's answers by key, in the order of the keys."""

    system: str
    file: Path
    meta: Row
    rows: dict[Key, Row]


def name(key: Key) -> str:
    return " ".join(map(str, key))


def _read(folder: Path, file: str, fields: tuple[str, ...], key_fields: tuple[str, ...]) -> Results:
    path = folder / file
    for needed in (path, folder / "meta.json"):
        if not needed.is_file():
            raise UserError(f"{needed} is not there. Run the evaluation of {folder.name}, or take "
                            "the system out of significance.contrasts")
    try:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{folder / 'meta.json'}: not JSON ({error})") from error
    rows: dict[Key, Row] = {}
    for number, row in enumerate(jsonl.read(path), 1):
        if absent := [field for field in fields if row.get(field) is None]:
            raise UserError(f"{path}:{number}: no {', '.join(absent)}. {REDO}")
        key = tuple(row[field] for field in key_fields)
        if key in rows:
            raise UserError(f"{path}:{number}: duplicate of {name(key)}. {REDO}")
        for metric, value in (row.get("scores") or {"": row.get("score", 0)}).items():
            if isinstance(value, str) or not math.isfinite(value):
                raise UserError(f"{path}:{number}: {name(key)}: the score {metric} {value!r} is "
                                f"not a number. {REDO}")
        rows[key] = row
    if not rows:
        raise UserError(f"{path}: no rows. {REDO}")
    return Results(folder.name, path, meta, dict(sorted(rows.items())))


def translations(folder: Path) -> Results:
    """A system's segments, by direction and id."""
    return _read(folder, "segments.jsonl", SEGMENT, ("direction", "id"))


def answers(folder: Path) -> Results:
    """A system's reasoning items, by task, version, filter, document and sample."""
    found = _read(folder, "items.jsonl", ITEM, ("task", "version", "filter", "doc_id", "sample"))
    kinds: dict[str, Row] = {}
    for key, row in found.rows.items():
        first = kinds.setdefault(row["task"], row)
        for field in ("version", "filter", "metric"):
            if row[field] != first[field]:
                raise UserError(f"{found.file}: {name(key)}: task {row['task']} mixes {field} "
                                f"{first[field]!r} and {row[field]!r}. Keep one of them")
        if not 0 <= row["score"] <= 1:
            raise UserError(f"{found.file}: {name(key)}: score {row['score']!r} is not in 0-1")
    return found


def _same_meta(a: Results, b: Results, fields: Iterable[str]) -> None:
    def value(meta: Row, dotted: str) -> Any:
        for part in dotted.split("."):
            meta = (meta or {}).get(part)  # type: ignore[assignment]
        return meta

    for field in fields:
        left, right = value(a.meta, field), value(b.meta, field)
        if left != right:
            raise UserError(f"{field} differs: {left!r} in {a.file.parent / 'meta.json'}, "
                            f"{right!r} in {b.file.parent / 'meta.json'}. {REDO}")


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


def pair_translations(a: Results, b: Results) -> None:
    """Refuse unless both translated the same sentences under the same conditions.

    The prompt may differ (a few-shot baseline sees examples); tokenizer and template may not.
    """
    _same_meta(a, b, ("scale", "test_set", "limit", "signature.tokenizer", "signature.template",
                      "spbleu.sha256"))
    _same_rows(a, b, ("ref_hash", "cluster"))
    for key, row in a.rows.items():
        left, right = (sorted(r.get("scores") or {}) for r in (row, b.rows[key]))
        if left != right:
            raise UserError(f"{name(key)}: {left} scored in {a.file}, {right} in {b.file}. {REDO}")


def pair_answers(a: Results, b: Results, allow_prompt_mismatch: bool = False) -> None:
    """Refuse unless both answered the same items; the prompt counts as part of the item.

    ``allow_prompt_mismatch`` lets systems with templates of their own be compared; the table
    then says so.
    """
    same = ["scale", "limit"]
    if not allow_prompt_mismatch:
        same += ["signature.tokenizer", "signature.template"]
    _same_meta(a, b, same)
    for task in sorted({row["task"] for row in a.rows.values()}):
        _same_meta(a, b, (f"tasks.{task}.n_total", f"tasks.{task}.chance",
                          f"tasks.{task}.multilingual"))
    prompt = () if allow_prompt_mismatch else ("prompt_hash",)
    _same_rows(a, b, ("doc_hash", "target_hash", "metric", "cluster", *prompt))


def sha256(value: Any) -> str:
    """Hash of the canonical JSON of a value."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def matched(contrast: str, a: Results, b: Results, hashes: tuple[str, ...], field: str,
            ) -> list[Row]:
    """What was matched, per direction or task."""
    same = a.meta["signature"].get("prompt") == b.meta["signature"].get("prompt")
    found = []
    for name in sorted({row[field] for row in a.rows.values()}):
        mine = [row for row in a.rows.values() if row[field] == name]
        found.append({
            "contrast": contrast, "set": name, "matched": len(mine), "dropped": 0, "mismatches": 0,
            "of": a.meta.get("tasks", {}).get(name, {}).get("n_total"), "limit": a.meta["limit"],
            "template": a.meta["signature"]["template"][:16],
            "prompts": "same" if same else "different by design",
            "items": sha256([[row[key] for key in hashes] for row in mine])[:16]})
    return found
