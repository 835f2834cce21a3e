"""Pair two systems' results item by item, or refuse.

A difference means something only where both systems were asked the same thing in the same way.
Every mismatch stops with the item and both files; nothing is dropped in silence.

in   ``Results`` (see ``results``), with text or as published
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from ..common import hashes
from ..common.errors import BAD_CONFIG, UserError
from .results import COPY, PLAIN, REDO, Results, Row, brief, named, value_at

SHUFFLED = "shuffled_refs"  # a column of the floor table, as copy_source is one
# Keys of the floor table's rows, which hold a value per system too.
RESERVED = ("direction", "delta", "ci", "refs", COPY, SHUFFLED, "delta_shuffled")


def check_contrasts(contrasts: Any, confirm: Any = None) -> None:
    """Refuse contrasts that are not pairs of two systems, or of which two share a table's name.

    ``confirm`` is the one whose verdict the headline needs too, or None.
    """
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
    if confirm is not None and confirm not in contrasts:
        raise UserError(f"params.yaml: significance.confirm: {confirm!r} is none of the contrasts. "
                        "Add it to them", BAD_CONFIG)


def check_primary(metric: str, metrics: Sequence[str]) -> None:
    """Refuse a primary metric that is not computed."""
    if metric not in metrics:
        raise UserError(f"params.yaml: primary_metric {metric!r} is not among the metrics "
                        f"{', '.join(metrics)}. Choose one of them", BAD_CONFIG)


def _same_meta(a: Results, b: Results, fields: Iterable[str]) -> None:
    for field in fields:
        left, right = value_at(a.meta, field), value_at(b.meta, field)
        if left != right:
            raise UserError(f"{field} differs: {brief(left)} in {a.file.parent / 'meta.json'}, "
                            f"{brief(right)} in {b.file.parent / 'meta.json'}. {REDO}")


def same_rows(a: Results, b: Results, fields: Iterable[str]) -> None:
    for one, other in ((a, b), (b, a)):
        for key in one.rows:
            if key not in other.rows:
                raise UserError(f"{named(key)} is in {one.file} but not in {other.file}. {REDO}")
    for key, row in a.rows.items():
        for field in fields:
            left, right = row.get(field), b.rows[key].get(field)
            if left != right:
                raise UserError(f"{named(key)}: {field} differs: {left!r} in {a.file}, "
                                f"{right!r} in {b.file}. {REDO}")


def own_prompt(a: Results, b: Results) -> bool:
    """Does one of the two declare itself a comparator, with a tokenizer and template of its own?"""
    return any(results.meta.get("comparator") for results in (a, b))


def same_sentences(a: Results, b: Results) -> None:
    """Refuse unless both translated the same sentences, to be scored by the same metrics."""
    _same_meta(a, b, ("scale", "suite", "test_set", "limit", "spbleu.sha256", "spbleu200.sha256",
                       "metrics", "neural"))
    text = [field for field in ("src", "ref") if field in next(iter(a.rows.values()))]
    same_rows(a, b, (*text, "ref_hash", "cluster", "ref_off_target"))
    for key, row in a.rows.items():
        left, right = (sorted(one.get("scores") or {}) for one in (row, b.rows[key]))
        if left != right:
            raise UserError(f"{named(key)}: {left} scored in {a.file}, {right} in {b.file}. {REDO}")


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
        for field in ("n_total", "chance", "multilingual", "carries"):
            left, right = (results.meta["tasks"].get(task, {}).get(field) for results in (a, b))
            if left != right:
                raise UserError(f"tasks.{task}.{field} differs: {left!r} in "
                                f"{a.file.parent / 'meta.json'}, {right!r} in "
                                f"{b.file.parent / 'meta.json'}. {REDO}")
    same_rows(a, b, ("doc_hash", "target_hash", "metric", "cluster", "gold", "n_choices", "guess",
                      *prompt))


def translations(read: Callable[[Path], Results], folder: Path, contrasts: list[list[str]],
                 ) -> dict[str, Results]:
    """Every system's segments, in the order of the contrasts, or a refusal if they do not pair."""
    names = list(dict.fromkeys(name for pair in contrasts for name in pair))
    found = {name: read(folder / name) for name in names}
    for name in names[1:]:  # all are resampled together
        same_sentences(found[names[0]], found[name])
    for system, baseline in contrasts:
        pair_translations(found[system], found[baseline])
    return found


def answers(read: Callable[[Path], Results], folder: Path, file: str, contrasts: list[list[str]],
            ) -> dict[str, Results]:
    """The items of every system in a contrast of which both were asked to reason, or a refusal.

    A system without ``file`` in its folder was not asked; "" stands for the folder itself.
    """
    asked = [pair for pair in contrasts if all((folder / name / file).exists() for name in pair)]
    found = {name: read(folder / name) for name in dict.fromkeys(
        name for pair in asked for name in pair)}
    for system, baseline in asked:
        pair_answers(found[system], found[baseline])
    return found


def matched(contrast: str, a: Results, b: Results, fields: tuple[str, ...],
            field: str) -> list[Row]:
    """What was matched, per direction or task."""
    prompts = "own tokenizer and template" if own_prompt(a, b) else "same" if (
        value_at(a.meta, "signature.prompt") == value_at(b.meta, "signature.prompt")
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
