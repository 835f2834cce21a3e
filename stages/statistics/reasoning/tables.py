"""The reasoning tables, by task and over all tasks: columns and captions."""

from __future__ import annotations

from ..tables import VERDICT, Row, Table, bound, column, level, p_columns


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
