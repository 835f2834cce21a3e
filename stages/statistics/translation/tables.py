"""The tables of translation: columns and captions."""

from __future__ import annotations

from ...common.languages import TABLE
from ..tables import VERDICT, Row, Table, column, level, p_columns


def place(direction: str) -> str:
    """A direction or a group of directions in words."""
    codes = direction.split("-")
    return " → ".join(TABLE[code].name for code in codes) if set(codes) <= set(TABLE) else \
        direction.replace("_eng", " English").replace("_", " ")


def translation(rows: list[Row], system: str, baseline: str, metric: str, label: str,
                alpha: float, notes: list[str]) -> Table:
    """T3: a row per direction, then per group of directions."""
    flags = [column(f"{flag}_{side}", f"{word} {name}", "percent", text, 1, "%")
             for flag, word, text in (
                 ("empty", "Empty", "Outputs without text."),
                 ("copy", "Copied", "Outputs that repeat the source."),
                 ("truncated", "Cut off", "Outputs that reached the length limit."))
             for side, name in (("baseline", baseline), ("system", system))]
    clustered = any(row["unit"] == "documents" for row in rows)
    unit = "document" if clustered else "sentence"
    documents = [
        column("documents", "Documents", "int", "Files or screens the sentences are from."),
        column("effective_documents", "Effective", "float", "How many documents of equal size "
               "these are worth: N² / Σn².", 1),
        column("icc", "Correlation", "float", "How alike the differences of a document's sentences "
               "are (intraclass correlation), from the standard errors by document and by "
               "sentence. Rough where documents are few.", 2)]
    swapped = [column("p_documents", "p, documents swapped", "p", "A check of p without standard "
                      "errors: approximate randomisation, the two systems' outputs of a whole "
                      "document change places. Two-sided, not corrected.")]
    margin = [column("p_ni", "p NI", "p", "Non-inferiority at the margin of the notes, one-sided: "
                     f"at most {alpha / 2:g} for maintained."),
              column("p_tost", "p TOST", "p", "Equivalence within that margin, two one-sided "
                     f"tests: at most {alpha / 2:g} for equivalent.")]
    floors = [
        column("copy_source", "Source copied", "float", "Floor: the source, scored as if it were "
               "the translation.", 1),
        column("shuffled_refs", "Shuffled", "float", f"Floor: outputs of {system} against "
               "references of other sentences, mean of 20 seeded orders.", 1),
        column("survives", "Gain that shuffling keeps", "float", "Gain against shuffled references "
               "over the whole gain. 1: none of it depends on what the sentence says.", 2),
        column("kind", "Gain in", "text", "Of rows called better. fluency: shuffling keeps most of "
               "the gain, so it is text in the language, not translation of this sentence.")]
    agreed = [column("agreement", "Human agreement", "percent", "How often people prefer the "
                     "system that a difference of this size favours (Kocmi et al. 2024). "
                     "saturated: beyond what was fitted.", 0, "%")]
    return {
        "id": f"t3_translation.{system}-{baseline}.{metric}",
        "about": {"kind": "translation", "system": system, "baseline": baseline, "metric": metric},
        "title": f"Translation, {label}: {system} against {baseline}",
        "says": f"How much higher {system} scores than {baseline} on the same sentences, and "
                f"whether other {unit}s of this kind could have turned that around.",
        "cannot": "Whether readers would agree, or whether another test set, another domain or "
                  "another training run would give the same.",
        "columns": [
            column("direction", "Direction", "text"),
            column("n", "Segments", "int"), *(documents if clustered else []),
            column("baseline", baseline, "float", f"Corpus {label}, 0 to 100.", 1),
            column("system", system, "float", f"Corpus {label}, 0 to 100.", 1),
            column("delta", "Δ", "float", f"{system} minus {baseline}.", 2),
            column("ci", f"{level(alpha)} CI", "interval", "Of the difference: jackknife over "
                   f"{unit}s, in all directions at once, Student's t.", 2),
            column("p", "p", "p", "Two-sided, by the same t. Not corrected."),
            *p_columns("directions, or of groups")[1:], VERDICT,
            *(margin if any(row["p_ni"] is not None for row in rows) else []),
            column("mde", "MDE", "float", "Smallest true difference found with 80 % power, with "
                   "Student's quantiles.", 2),
            *(swapped if clustered else []),
            column("ci_sentences", f"{level(alpha)} CI by sentence", "interval", "Paired bootstrap "
                   "over sentence ids. Too narrow where sentences of a document resemble each "
                   "other.", 2),
            column("p_sentences", "p by sentence", "p", "Approximate randomisation over sentence "
                   "ids, two-sided, not corrected. Too small in the same case."),
            *(floors if any(row["copy_source"] is not None for row in rows) else []),
            *(agreed if any(row["agreement"] is not None for row in rows) else []),
            column("agree", "Metrics agree", "text", "yes: same verdict by all metrics, all by "
                   f"{unit}s. partly: same sign. no: opposite signs."),
            column("off_target_references", "Off-target, references", "percent", "Human references "
                   "that the language identifier takes for another language: its false alarms.", 1,
                   "%"),
            *(column(f"off_target_{side}", f"Off-target {name}", "percent", "Outputs found to be "
                     "in another language. n/a: no rule is right often enough about the "
                     "references.", 1, "%")
              for side, name in (("baseline", baseline), ("system", system))),
            *flags],
        "rows": rows, "notes": notes}


def off_target(rows: list[Row], system: str, baseline: str, metric: str, label: str, alpha: float,
               limit: float) -> Table:
    """How much of the gain is the right language, and how much better translation."""
    return {
        "id": f"t3_off_target.{system}-{baseline}.{metric}",
        "about": {"kind": "off_target", "system": system, "baseline": baseline, "metric": metric},
        "title": f"Right language or better translation, {label}: {system} against {baseline}",
        "says": "How often each system answers in another language than asked, beside how often "
                "the same rule says so of human references, and how much of the difference comes "
                "from answering in the right language.",
        "cannot": "Tell a text in the right language from a good one, or see a wrong language in "
                  "a few words: the rule is right about most texts, not all.",
        "columns": [
            column("direction", "Direction", "text"),
            column("n", "Segments", "int"),
            column("rule", "Rule", "text", "top1: the likeliest language is another. no_other_p50: "
                   "another language has a probability of at least one half. n/a: both are wrong "
                   f"about more than {100 * limit:g} % of the references."),
            column("off_target_references", "References", "percent", "Human references that the "
                   "rule calls another language: its false alarms. Without a rule, the lowest rate "
                   "of any.", 1, "%"),
            column("off_target_baseline", f"Off-target {baseline}", "percent", "", 1, "%"),
            column("off_target_system", f"Off-target {system}", "percent", "", 1, "%"),
            column("delta", "Δ", "float", f"{system} minus {baseline}, all segments.", 2),
            column("delta_language", "Right language", "float", "Part of Δ from replacing the "
                   f"outputs of {baseline} by those of {system} exactly where {baseline} is in "
                   f"another language and {system} is not; mean of doing this first and doing it "
                   "last (Shapley).", 2),
            column("ci_language", f"{level(alpha)} CI", "interval", "Of that part, by document.",
                   2),
            column("delta_better", "Better translation", "float", "The rest of Δ: all other "
                   "segments.", 2),
            column("ci_better", f"{level(alpha)} CI", "interval", "Of that part, by document.", 2),
            column("n_both", "Both on target", "int", "Segments in which both systems answer in "
                   "the right language."),
            column("delta_both", "Δ there", "float", "The difference on these segments alone.", 2),
            column("ci_both", f"{level(alpha)} CI", "interval", "Of that difference, by document.",
                   2)],
        "rows": rows,
        "notes": ["Right language and better translation add up to Δ. Groups are means of their "
                  "directions; a group with a direction without a rule is n/a."]}


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
            column("ci", f"{level(alpha)} CI", "interval", "Of that difference, by document.", 2),
            column("delta_shuffled", "Δ to shuffled", "float",
                   f"{system} minus its shuffled score.", 2),
            *(column(f"shuffled_{name}", f"{name}, shuffled", "float",
                     f"Outputs of {name} against references of other sentences.", 1)
              for name in systems if name != system)],
        "rows": rows, "notes": []}


def levels(rows: list[Row], alpha: float, notes: list[str]) -> Table:
    """What each method's p and interval are worth at this run's documents."""
    return {
        "id": "t3_level",
        "about": {"kind": "level"},
        "title": "Level of the tests at this run's documents",
        "says": f"How often each method finds a difference where there is none, in data simulated "
                f"with this run's document sizes; {100 * alpha:g} % is promised. Its interval "
                "covers the truth in the other cases.",
        "cannot": "How strongly the segments of this run's documents do resemble each other, or "
                  "what corpus metrics add: the simulated values are normal and the statistic is "
                  "their mean. The tests of this project repeat it with chrF++.",
        "columns": [
            column("icc", "Correlation", "float", "Intraclass correlation: the share of the "
                   "variance that segments of a document have in common. The translation tables "
                   "estimate this run's.", 2),
            column("sentences", "Sentences, t", "percent", "Every sentence a unit of its own; "
                   "bootstrap and randomisation of sentences do the same.", 1, "%"),
            column("bootstrap", "Documents, bootstrap", "percent", "Percentiles of resampled "
                   "documents.", 1, "%"),
            column("jackknife", "Documents, jackknife", "percent", "The method of the headline.", 1,
                   "%"),
            column("coverage", "Its interval covers", "percent", "Share of intervals that hold the "
                   "true difference.", 1, "%"),
            column("swaps", "Documents, swapped", "percent", "Approximate randomisation of whole "
                   "documents: p, documents swapped.", 1, "%"),
            column("holds", "Headline's method", "text", "holds: within what so many simulations "
                   "can tell from the promise, all rows together. conservative: rejects less "
                   "often than promised. too often: no claim here has the level it states.")],
        "rows": rows, "notes": notes}
