"""What a reader of the reasoning tables has to know: sentences made from the rows."""

from __future__ import annotations

from collections.abc import Sequence

from .power import ACCURACY, LOGPROB
from .tasks import Row, Settings, Task

FEW_DISCORDANT, FEW_ITEMS, ENOUGH_TASKS = 25, 300, 5


def percent(alpha: float) -> str:
    return f"{100 * alpha:g} %"


def fell(delta: float, digits: int, unit: str) -> str:
    """``fell by 0.21 points``."""
    return f"{'fell' if delta < 0 else 'rose'} by {abs(delta):.{digits}f} {unit}"


def weak(tasks: Sequence[Task], alpha: float) -> list[str]:
    """Tasks that carry the verdict though the baseline is not clearly above a guess on them."""
    return [f"{row['task']} carries the verdict, but on the tested items {row['baseline']:.1f} % "
            f"is not clearly above the best guess ({row['guess']}: {row['guess_rate']:.1f} %, "
            f"one-sided p {row['p_guess']:.2g}): it can hardly show harm."
            for row in (task.row for task in tasks if task.carries)
            if row["p_guess"] is not None and row["p_guess"] > alpha / 2]


def of_tasks(tasks: Sequence[Task], settings: Settings) -> list[str]:
    """Notes of the task table."""
    alpha = settings["alpha"]
    carried = sum(task.carries for task in tasks)
    said = [f"{carried} of {len(tasks)} tasks carry the verdict: those that the untuned model "
            "passed on items that are never tested. The others enter no mean that decides and no "
            "correction.",
            f"Margin for a single task: {settings['margin_task_pp']} points; p NI and p TOST are "
            f"not corrected for the number of tasks and are judged at {percent(alpha / 2)}.",
            f"{settings['resamples']} resamples and {settings['ar_trials']} sign flips, seeded by "
            "task. Inference is about items, for these trained weights.",
            *weak(tasks, alpha)]
    for task in tasks:
        row = task.row
        if not task.carries and row["p"] is not None and row["p"] <= alpha and row["delta"] < 0:
            said.append(f"{row['task']} enters no mean, yet it {fell(row['delta'], 1, 'points')} "
                        f"(p {row['p']:.2g}, not corrected).")
        if row["size"] is not None and row["b"] + row["c"] < FEW_DISCORDANT:
            said.append(f"{row['task']}: the systems differ on {row['b'] + row['c']} items only, "
                        f"so the exact test rejects equal systems in {100 * row['size']:.1f} % of "
                        f"cases, not {percent(alpha)}. See mid-p.")
        if row["n"] < FEW_ITEMS:
            said.append(f"{row['task']}: low n ({row['n']} items).")
        if row["test"] == "McNemar" and min(row["p"], row["p_flips"]) < 2 * alpha and not (
                0.5 <= row["p"] / row["p_flips"] <= 2):
            said.append(f"{row['task']}: the exact test and sign flips disagree by more than a "
                        "factor of 2; trust neither to the digit.")
    return said


def turned(row: Row, what: str) -> list[str]:
    """``without X the verdict would be Y``, where that is so."""
    if not (row["turns"] or "").startswith("without"):
        return []
    return [f"The verdict on {what} ({row['verdict']}) hangs on single tasks: "
            + "; ".join(part.replace(": ", " the verdict would be ", 1)
                        for part in row["turns"].split("; ")) + "."]


def of_aggregate(tasks: Sequence[Task], whole: Sequence[Row], settings: Settings) -> list[str]:
    """Notes of the table over all tasks."""
    carried = [task for task in tasks if task.carries]
    harmed = [task.row["task"] for task in carried if task.row["verdict"] == "worse"]
    few = [f"Only {len(carried)} of {len(tasks)} tasks can show harm; a verdict should rest on at "
           f"least {ENOUGH_TASKS}."] if len(carried) < ENOUGH_TASKS else []
    return [
        *few, *turned(whole[0], "the macro mean"),
        f"Margin for the macro mean: {settings['margin_macro_pp']} points. One-sided tests and "
        f"bounds at {percent(settings['alpha'] / 2)}: a bound is the lower end of its interval.",
        f"Harm screen: {len(harmed)} of {len(carried)} tasks are worse after Holm"
        + (f": {', '.join(harmed)}." if harmed else "."),
        "Where items are right or wrong and independent, interval, bound and the p's of t add half "
        "an item to each cell (Agresti and Min 2005), since few items differ. Satterthwaite's "
        "degrees of freedom.",
        "Tasks as a sample: t over the tasks' differences, with one degree of freedom fewer than "
        "tasks; right if these tasks were drawn from the kind that the reader has in mind."]


def of_logprob(rows: Sequence[Row], tasks: Sequence[Task], settings: Settings) -> list[str]:
    """Notes of the log-probability table."""
    margin, points = settings.get("margin_logprob"), settings["margin_macro_pp"]
    covered = {row["task"] for row in rows}
    without = [task.row["task"] for task in tasks if task.carries
               and task.row["task"] not in covered]
    return [
        *turned(rows[0], "the mean log-probability"),
        f"Margin for the mean: {margin:g} nats, what {points:g} points of accuracy are worth on "
        "the baseline's screening items." if margin else
        "No margin was fixed, so this endpoint can show a change, not that none happened.",
        *([f"Answers without likelihoods, so not in this mean: {', '.join(without)}."]
          if without else []),
        "t on the standard error clustered by question; p Holm over the tasks that carry. A task "
        "is tested for a change only."]


def of_power(rows: Sequence[Row], settings: Settings) -> list[str]:
    """Notes of the table of verdict probabilities."""
    found = {row["endpoint"]: row for row in rows}
    said = [f"{settings['simulations']} simulated sets for each loss, seeded by task."]
    if ACCURACY in found:
        said.append(f"By accuracy, a loss of {found[ACCURACY]['found_pp']:.1f} points is found "
                    "with 80 % power.")
    if LOGPROB in found:
        row = found[LOGPROB]
        worth = settings["margin_logprob"] / settings["margin_macro_pp"]
        said.append(f"By log-probability, a loss of {row['found_pp'] * worth:.3f} nats is found "
                    f"with 80 % power, which is worth {row['found_pp']:.1f} points: a point is "
                    f"taken as {worth:.4f} nats, in proportion to the margins.")
    return said


def caveats(tasks: Sequence[Task], whole: Sequence[Row], logprob: Sequence[Row],
            settings: Settings) -> list[str]:
    """What has to stand beside the verdict wherever it is printed."""
    said = []
    if logprob and logprob[0]["verdict"] == "worse":
        row = logprob[0]
        said.append(f"A loss is proven by the log-probability of the right choice: it "
                    f"{fell(row['delta'], 3, 'nats')} on average (p {row['p']:.2g}), whatever the "
                    f"verdict by accuracy ({whole[0]['verdict']}).")
    said += [f"By the log-probability of the right choice {row['task']} alone got worse: it "
             f"{fell(row['delta'], 3, 'nats')} (p {row['p_holm']:.2g} after Holm)."
             for row in logprob[1:] if row["verdict"] == "worse"]
    said += turned(whole[0], "the macro mean")
    if len(whole) > 1 and whole[1]["verdict"] != whole[0]["verdict"]:
        said.append(f"With the tasks as a sample of tasks the verdict is {whole[1]['verdict']}.")
    return said + weak(tasks, settings["alpha"])
