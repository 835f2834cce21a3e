"""The tables of reports/significance.json: columns, captions and notes; and its short form.

A column says what it holds, so that renderers need to know no table: kind is text, int, float,
percent (0-100), p, interval ([low, high]) or verdict.
"""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]
Table = dict[str, Any]


def column(key: str, label: str, kind: str, text: str = "", digits: int | None = None,
           unit: str = "") -> Row:
    found: Row = {"key": key, "label": label, "kind": kind}
    return found | {name: value for name, value in (
        ("help", text), ("digits", digits), ("unit", unit)) if value not in ("", None)}


def level(alpha: float) -> str:
    """The confidence level that goes with alpha: 95 % for 0.05."""
    return f"{100 * (1 - alpha):g} %"


def bound(key: str, alpha: float, unit: str = "") -> Row:
    """``alpha``: two-sided; the bound is that of a one-sided test at half of it."""
    return column(key, "Bound", "float", f"One-sided {level(alpha / 2)} bound: no worse than this.",
                  2, unit)


VERDICT = column(
    "verdict", "Verdict", "verdict",
    "better, worse: p Holm is at most alpha. equivalent: shown to lie within the margin on both "
    "sides. maintained: shown not to be worse by more than the margin; both by one-sided tests at "
    "half of alpha. inconclusive: none of these. n/a: nothing to test. A proven loss wins over "
    "all others.")


def p_columns(family: str) -> list[Row]:
    return [column("p", "p", "p", "Two-sided, not corrected."),
            column("p_holm", "p Holm", "p", f"Corrected for the number of {family} (Holm 1979).")]


def pairing(rows: list[Row]) -> Table:
    """T4: what was matched."""
    return {
        "id": "t4_pairing", "title": "Pairing", "about": {"kind": "pairing"},
        "says": "What both systems of each comparison were asked. Anything missing, double, extra "
                "or changed stops the comparison, so nothing is dropped here.",
        "cannot": "That the items themselves are good, or unknown to the models.",
        "columns": [
            column("contrast", "Contrast", "text"), column("set", "Set", "text"),
            column("matched", "Matched", "int"), column("dropped", "Dropped", "int"),
            column("mismatches", "Hash mismatches", "int"),
            column("of", "Of", "int", "Items of the full set, where known."),
            column("limit", "Limit", "int", "n/a: the whole set was run."),
            column("template", "Template", "text", "Hash of the chat template and instruction."),
            column("prompts", "Prompts", "text", "same, different by design (few-shot), or own "
                   "tokenizer and template (comparator)."),
            column("items", "Items", "text", "Hash of all item hashes.")],
        "rows": rows, "notes": []}


def provenance(rows: list[Row]) -> Table:
    """T4: how the numbers were made."""
    return {
        "id": "t4_provenance", "title": "Settings and versions",
        "about": {"kind": "provenance"},
        "says": "What is needed to get the same numbers from the same result files.",
        "cannot": "How the result files were made: see the systems' signatures.",
        "columns": [column("what", "What", "text"), column("value", "Value", "text")],
        "rows": rows, "notes": []}


def metrics(found: Row) -> Row:
    """Scores and differences of the first contrast, for `dvc exp show`. Groups without a
    direction, and reasoning where it was not run, are left out."""
    first = found["headline"][found["meta"]["contrasts"][0]]
    rows = {group: first["translation"][group][found["meta"]["primary_metric"]]
            for group in ("into_eng", "out_of_eng") if group in first["translation"]}
    if "reasoning" in first:
        rows["reasoning"] = first["reasoning"]["macro"]
    keys = ("baseline", "system", "delta", "bound_pp", "p_holm", "p_ni")
    return {name: {key: row[key] for key in keys if row.get(key) is not None}
            for name, row in rows.items()}
