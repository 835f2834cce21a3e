"""The translation and floor tables: columns and captions."""

from __future__ import annotations

from ..tables import VERDICT, Row, Table, bound, column, level, p_columns


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
