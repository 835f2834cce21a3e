"""The reasoning tables, by task and over all tasks: columns and captions."""

from __future__ import annotations

from typing import Any

from ..tables import VERDICT, Row, Table, bound, column, level, p_columns
from .power import VERDICTS

TASK_VERDICT = VERDICT | {"help": VERDICT["help"] + " cannot show harm: the base was not clearly "
                          "above a guess on the screening items, so this task enters no mean."}


def about(kind: str, system: str, baseline: str) -> Row:
    return {"kind": kind, "system": system, "baseline": baseline}


def interval_columns(alpha: float, unit: str, digits: int, how: str) -> list[Row]:
    return [column("ci", f"{level(alpha)} CI", "interval", how, digits, unit),
            column("se", "SE", "float", "Standard error of the difference.", digits, unit)]


def reasoning(rows: list[Row], system: str, baseline: str, alpha: float, notes: list[str],
              ) -> Table:
    """T1: a row per benchmark."""
    return {
        "id": f"t1_reasoning.{system}-{baseline}", "about": about("reasoning", system, baseline),
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
            column("chance", "Chance", "percent", "Score of guessing blindly, 1/k.", 1, "%"),
            column("guess", "Best guess", "text", "The best of five rules that never read the "
                   "question: the first, last, shortest or longest choice, or the one that is most "
                   "often right in other items."),
            column("guess_rate", "Best guess", "percent", "Its score on these items.", 1, "%"),
            column("above_guess", "Above it", "float", f"{baseline} minus the best guess, on the "
                   "same items.", 1, "pp"),
            column("p_guess", "p above", "p", f"One-sided: is {baseline} above the best guess? "
                   "Exact McNemar, or t on the clustered standard error."),
            column("baseline", baseline, "percent", "", 1, "%"),
            column("system", system, "percent", "", 1, "%"),
            column("delta", "Δ", "float", f"{system} minus {baseline}.", 2, "pp"),
            *interval_columns(alpha, "pp", 2, "Tango's score interval for independent items that "
                              "are right or wrong; else t on the clustered standard error."),
            column("ci_boot", f"{level(alpha)} CI, bootstrap", "interval", "Paired cluster "
                   "bootstrap, as a cross-check.", 2, "pp"),
            column("rho", "ρ", "float", "Correlation of the two systems' item scores.", 2),
            column("b", "b", "int", f"Items that {system} does better."),
            column("c", "c", "int", f"Items that {baseline} does better."),
            column("test", "Test", "text", "McNemar: exact, for independent items that are right "
                   "or wrong. sign flips: permutation of cluster totals."),
            *p_columns("tasks that carry the verdict"),
            column("p_flips", "p flips", "p", "Sign-flip permutation, as a cross-check."),
            column("p_mid", "mid-p", "p", "McNemar's mid-p: less conservative where few items "
                   "differ."),
            bound("bound_pp", alpha, "pp"),
            column("p_ni", "p NI", "p", "Non-inferiority at the task margin: Tango's score test, "
                   "or t on the clustered SE. Not corrected for the number of tasks."),
            column("p_tost", "p TOST", "p", "Equivalence within the task margin."),
            column("mde", "MDE", "float", "Smallest difference found with 80 % power.", 2, "pp"),
            TASK_VERDICT],
        "rows": rows, "notes": notes}


def aggregate(rows: list[Row], system: str, baseline: str, alpha: float, notes: list[str],
              ) -> Table:
    """T2: over all benchmarks that carry the verdict."""
    return {
        "id": f"t2_aggregate.{system}-{baseline}", "about": about("aggregate", system, baseline),
        "title": f"Reasoning, all tasks: {system} against {baseline}",
        "says": "The mean difference over the tasks that can show harm, and the largest loss that "
                "it leaves possible. The macro mean is the primary endpoint.",
        "cannot": "That nothing was lost: it rules out losses beyond the bound. With the tasks "
                  "fixed it speaks of these tasks only.",
        "columns": [
            column("aggregate", "Aggregate", "text", "Interquartile: mean of the middle half of "
                   "the tasks. Pooled: mean over items."),
            column("reach", "Generalises to", "text", "What was drawn, and so what the row speaks "
                   "of."),
            column("tasks", "Tasks", "int"),
            column("baseline", baseline, "percent", "", 1, "%"),
            column("system", system, "percent", "", 1, "%"),
            column("delta", "Δ", "float", f"{system} minus {baseline}.", 2, "pp"),
            *interval_columns(alpha, "pp", 2, "t on the standard error."),
            column("ci_boot", f"{level(alpha)} CI, bootstrap", "interval", "Bootstrap of clusters "
                   "within each task, as a cross-check.", 2, "pp"),
            bound("bound_pp", alpha, "pp"),
            column("p", "p", "p", "t, two-sided, not corrected."),
            column("p_holm", "p Holm", "p", "The macro mean stands alone, in both readings; the "
                   "other rows are one family."),
            column("p_flips", "p flips", "p", "Sign flips of clusters, as a cross-check."),
            *(column(f"p_ni_{at}", f"p NI {at} pp", "p", f"Non-inferiority at {at} points.")
              for at in (1, 2, 3)),
            column("p_tost", "p TOST", "p", "Equivalence within the margin of the notes."),
            column("p_below", "P(Δ<0)", "float", "Share of resamples below 0; not a p-value.", 3),
            column("mde", "MDE", "float", "Smallest difference found with 80 % power.", 2, "pp"),
            column("turns", "Leave one out", "text", "Tasks without which the verdict would be "
                   "another."),
            column("retention", "Retention", "percent", f"Share of {baseline}'s score above the "
                   f"best guess that {system} keeps; n/a where {baseline} is not clearly above it.",
                   1, "%"),
            column("retention_ci", f"Retention, {level(alpha)} CI", "interval", "", 1, "%"),
            VERDICT],
        "rows": rows, "notes": notes}


def logprob(rows: list[Row], system: str, baseline: str, alpha: float, notes: list[str]) -> Table:
    """T1: the second endpoint, means first."""
    return {
        "id": f"t1_logprob.{system}-{baseline}", "about": about("logprob", system, baseline),
        "title": f"Log-probability of the right choice: {system} against {baseline}",
        "says": "How much likelier the right choice became among the choices of its item, in nats. "
                "It sees losses that do not change which choice wins.",
        "cannot": "Answers that a user would see: a choice can grow less likely and still win. "
                  "Training that sharpens or flattens all probabilities, or scatters them at "
                  "random, moves it too.",
        "columns": [
            column("task", "Task", "text", "The means are over the tasks that carry the verdict."),
            column("reach", "Generalises to", "text", "What was drawn, and so what the row speaks "
                   "of."),
            column("n", "Items", "int"), column("clusters", "Clusters", "int", "Questions."),
            column("baseline", baseline, "float", "", 3, "nats"),
            column("system", system, "float", "", 3, "nats"),
            column("delta", "Δ", "float", f"{system} minus {baseline}.", 3, "nats"),
            *interval_columns(alpha, "nats", 3, "t on the clustered standard error."),
            bound("bound", alpha, "nats"),
            *p_columns("tasks that carry the verdict; the means stand alone"),
            column("p_ni", "p NI", "p", "Non-inferiority at the margin of the notes; means only."),
            column("p_tost", "p TOST", "p", "Equivalence within that margin; means only."),
            column("true_level", "True level", "percent", "How often the one-sided test at "
                   f"{100 * alpha / 2:g} % claims that no more than the margin was lost where it "
                   "was: skewed differences move it.", 1, "%"),
            column("mde", "MDE", "float", "Smallest difference found with 80 % power.", 3, "nats"),
            column("turns", "Leave one out", "text", "Tasks without which the verdict would be "
                   "another."),
            TASK_VERDICT],
        "rows": rows, "notes": notes}


def power(rows: list[Row], system: str, baseline: str, notes: list[str]) -> Table:
    """T2: how likely each verdict was."""
    shares: list[Any] = [column(word, word, "percent", "How often this would be the verdict.", 1,
                                "%") for word in VERDICTS]
    return {
        "id": f"t2_power.{system}-{baseline}", "about": about("power", system, baseline),
        "title": f"How likely each verdict was: {system} against {baseline}",
        "says": "How often each verdict of the mean over tasks comes up at these items, if nothing "
                "changed and if every task that carries the verdict lost so much.",
        "cannot": "Which loss is true. It takes the items that change sides, and how far "
                  "log-probabilities scatter, from this comparison.",
        "columns": [
            column("endpoint", "Endpoint", "text"),
            column("loss_pp", "True loss", "float", "In points of accuracy.", 1, "pp"),
            column("loss_nats", "as nats", "float", "What that is worth in log-probability.", 3,
                   "nats"),
            *shares,
            column("found_pp", "Found with 80 %", "float", "Smallest loss that is called worse "
                   "with 80 % power, as points.", 1, "pp")],
        "rows": rows, "notes": notes}
