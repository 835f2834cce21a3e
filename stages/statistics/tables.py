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
    return column(key, "Bound", "float", f"One-sided {level(alpha)} bound: no worse than this.", 2,
                  unit)


VERDICT = column(
    "verdict", "Verdict", "verdict",
    "better, worse: p Holm is at most alpha. equivalent: shown to lie within the margin on both "
    "sides. maintained: shown not to be worse by more than the margin. inconclusive: none of "
    "these. n/a: nothing to test. A proven loss wins over all others.")


def p_columns(family: str) -> list[Row]:
    return [column("p", "p", "p", "Two-sided, not corrected."),
            column("p_holm", "p Holm", "p", f"Corrected for the number of {family} (Holm 1979).")]


def translation(rows: list[Row], system: str, baseline: str, metric: str, label: str,
                alpha: float, notes: list[str]) -> Table:
    """T3: a row per direction, then per group of directions."""
    flags = [column(f"{flag}_{side}", f"{word} {name}", "percent", text, 1, "%")
             for flag, word, text in (
                 ("off_target", "Off-target", "Outputs found to be in another language."),
                 ("empty", "Empty", "Outputs without text."),
                 ("copy", "Copied", "Outputs that repeat the source."),
                 ("truncated", "Cut off", "Outputs that reached the length limit."))
             for side, name in (("baseline", baseline), ("system", system))]
    documents = [
        column("ci_documents", f"{level(alpha)} CI by document", "interval",
               "The same interval with whole documents drawn instead of sentences.", 2),
        column("p_documents", "p by document", "p", "As p, with whole documents swapped.")]
    return {
        "id": f"t3_translation.{system}-{baseline}.{metric}",
        "about": {"kind": "translation", "system": system, "baseline": baseline, "metric": metric},
        "title": f"Translation, {label}: {system} against {baseline}",
        "says": f"How much higher {system} scores than {baseline} on the same sentences, and "
                "whether another draw of sentences could have turned that around.",
        "cannot": "Whether readers would agree, or whether another test set, another domain or "
                  "another training run would give the same.",
        "columns": [
            column("direction", "Direction", "text"),
            column("n", "Segments", "int"),
            column("documents", "Documents", "int", "Files or screens the sentences are from."),
            column("baseline", baseline, "float", f"Corpus {label}, 0 to 100.", 1),
            column("system", system, "float", f"Corpus {label}, 0 to 100.", 1),
            column("delta", "Δ", "float", f"{system} minus {baseline}.", 2),
            column("ci", f"{level(alpha)} CI", "interval", "Of the difference: paired bootstrap "
                   "over sentence ids, drawn jointly for all directions and systems.", 2),
            column("p", "p", "p", "Approximate randomisation, two-sided, not corrected."),
            *p_columns("directions, or of groups")[1:], VERDICT,
            column("p_ni", "p NI", "p", "Non-inferiority at the margin of the notes."),
            bound("bound", alpha),
            column("mde", "MDE", "float", "Smallest difference found with 80 % power.", 2),
            column("agreement", "Human agreement", "percent", "How often people prefer the system "
                   "that a difference of this size favours (Kocmi et al. 2024). saturated: beyond "
                   "what was fitted.", 0, "%"),
            column("agree", "Metrics agree", "text", "yes: same verdict by all metrics. partly: "
                   "same sign. no: opposite signs."),
            *flags, *(documents if any(row["ci_documents"] for row in rows) else [])],
        "rows": rows, "notes": notes}


def floors(rows: list[Row], metric: str, label: str, systems: list[str], system: str,
           alpha: float) -> Table:
    """Scores beside what copying and chance earn."""
    return {
        "id": f"floors.{metric}",
        "about": {"kind": "floors", "system": system, "metric": metric, "systems": systems},
        "title": f"Floors, {label}: what needs no translation skill",
        "says": "Scores of every system beside the score of the source copied as it is and of "
                "outputs paired with the wrong references.",
        "cannot": "How good a translation can get: there is no ceiling in it.",
        "columns": [
            column("direction", "Direction", "text"),
            column("copy_source", "Source copied", "float", "The source, scored as if it were the "
                   "translation.", 1),
            column("shuffled_refs", "Shuffled references", "float", f"Outputs of {system} against "
                   "references of other sentences, mean of 20 seeded orders.", 1),
            *(column(name, name, "float", digits=1) for name in systems),
            column("delta", "Δ to copy", "float", f"{system} minus the copied source.", 2),
            column("ci", f"{level(alpha)} CI", "interval", "Of that difference.", 2),
            column("delta_shuffled", "Δ to shuffled", "float",
                   f"{system} minus its shuffled score.", 2),
            *(column(f"shuffled_{name}", f"{name}, shuffled", "float", digits=1)
              for name in systems if name != system)],
        "rows": rows, "notes": []}


def reasoning(rows: list[Row], system: str, baseline: str, alpha: float, notes: list[str],
              ) -> Table:
    """T1: a row per benchmark."""
    return {
        "id": f"t1_reasoning.{system}-{baseline}",
        "about": {"kind": "reasoning", "system": system, "baseline": baseline},
        "title": f"Reasoning, task by task: {system} against {baseline}",
        "says": f"How {system} and {baseline} differ on the same items of each task, and what loss "
                "each task can rule out.",
        "cannot": "Reasoning beyond these tasks and this way of asking. A single task is too small "
                  "to rule out a loss of a point or two.",
        "columns": [
            column("task", "Task", "text", "Name and version."),
            column("metric", "Metric", "text", "Fixed before any comparison."),
            column("filter", "Filter", "text", "How the answer was read from the output."),
            column("n", "Items", "int"),
            column("clusters", "Clusters", "int", "Questions the items came from; the unit that is "
                   "drawn."),
            column("samples", "Samples", "int", "Answers per item, averaged."),
            column("chance", "Chance", "percent", "Score of guessing.", 1, "%"),
            column("baseline", baseline, "percent", "", 1, "%"),
            column("system", system, "percent", "", 1, "%"),
            column("delta", "Δ", "float", f"{system} minus {baseline}.", 2, "pp"),
            column("ci", f"{level(alpha)} CI", "interval", "Paired cluster bootstrap.", 2, "pp"),
            column("se", "SE", "float", "Standard error of the difference, clustered.", 2, "pp"),
            column("rho", "ρ", "float", "Correlation of the two systems' item scores.", 2),
            column("b", "b", "int", f"Items that {system} does better."),
            column("c", "c", "int", f"Items that {baseline} does better."),
            column("test", "Test", "text", "McNemar: exact, for independent items that are right "
                   "or wrong. sign flips: permutation of cluster totals."),
            *p_columns("tasks"),
            column("p_flips", "p flips", "p", "Sign-flip permutation, as a cross-check."),
            column("p_mid", "mid-p", "p", "McNemar's mid-p: less conservative where few items "
                   "differ."),
            bound("bound_pp", alpha, "pp"),
            column("p_ni", "p NI", "p", "Non-inferiority at the task margin: Tango's score test, "
                   "or t on the clustered SE. Not corrected for the number of tasks."),
            column("p_tost", "p TOST", "p", "Equivalence within the task margin."),
            column("mde", "MDE", "float", "Smallest difference found with 80 % power.", 2, "pp"),
            VERDICT],
        "rows": rows, "notes": notes}


def aggregate(rows: list[Row], system: str, baseline: str, alpha: float, notes: list[str],
              ) -> Table:
    """T2: over all benchmarks."""
    return {
        "id": f"t2_aggregate.{system}-{baseline}",
        "about": {"kind": "aggregate", "system": system, "baseline": baseline},
        "title": f"Reasoning, all tasks: {system} against {baseline}",
        "says": "The mean difference over tasks, and the largest loss that it leaves possible. The "
                "macro mean is the primary endpoint.",
        "cannot": "That nothing was lost: it rules out losses beyond the bound, on these tasks.",
        "columns": [
            column("aggregate", "Aggregate", "text", "Interquartile: mean of the middle half of "
                   "the tasks. Pooled: mean over items."),
            column("tasks", "Tasks", "int"),
            column("baseline", baseline, "percent", "", 1, "%"),
            column("system", system, "percent", "", 1, "%"),
            column("delta", "Δ", "float", f"{system} minus {baseline}.", 2, "pp"),
            column("ci", f"{level(alpha)} CI", "interval", "Bootstrap of clusters within each "
                   "task.", 2, "pp"),
            column("se", "SE", "float", "Standard error of the difference.", 2, "pp"),
            bound("bound_pp", alpha, "pp"),
            column("p", "p", "p", "Sign flips of clusters, two-sided, not corrected."),
            column("p_holm", "p Holm", "p", "The macro mean stands alone; the other rows are one "
                   "family."),
            *(column(f"p_ni_{at}", f"p NI {at} pp", "p", f"Non-inferiority at {at} points.")
              for at in (1, 2, 3)),
            column("p_tost", "p TOST", "p", "Equivalence within the margin of the notes."),
            column("p_below", "P(Δ<0)", "float", "Share of resamples below 0; not a p-value.", 3),
            column("mde", "MDE", "float", "Smallest difference found with 80 % power.", 2, "pp"),
            column("retention", "Retention", "percent", f"Share of {baseline}'s score above chance "
                   f"that {system} keeps; n/a where {baseline} is not clearly above chance.", 1,
                   "%"),
            column("retention_ci", f"Retention, {level(alpha)} CI", "interval", "", 1, "%"),
            VERDICT],
        "rows": rows, "notes": notes}


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
