"""Means over the tasks that carry the verdict: what was lost or gained as a whole.

The macro mean is the primary endpoint, with the tasks fixed: it speaks of other items of these
tasks. Beside it stands the same mean with the tasks as a sample: it speaks of other tasks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .. import closed_forms, resampling
from ..closed_forms import combine, interquartile_mean
from ..resampling import Array
from . import decision
from .tasks import Row, Settings, Task, percentiles, set_verdict

MARGINS_PP = (1, 2, 3)
MACRO, SAMPLED = "macro mean (primary)", "macro mean, tasks as a sample"
NO_TASK = "n/a (no task can show harm)"
SAME_TASKS, OTHER_TASKS = "other items of these tasks", "other tasks of this kind"


class Mean(NamedTuple):
    """A mean over tasks, in shares: the difference, its resamples and flips (one number each;
    None where they do not apply), (difference, SE, df), both systems' level in points, retention
    and its interval."""

    name: str
    tasks: Sequence[Task]
    value: float
    sampled: Array | None
    flipped: Array | None
    part: decision.Part
    levels: tuple[float | None, float | None]
    retention: tuple[float | None, list[float] | None] = (None, None)


def retention(tasks: Sequence[Task], weights: Array, units: float, alpha: float,
              ) -> tuple[float | None, list[float] | None]:
    """Percent of the baseline's score above the best guess that the system keeps, its interval.

    100 * sum w (system - guess) / sum w (baseline - guess) (ratio of means, not mean of ratios).
    The guess is the best one that ignores the question; chance, 1/k, for tasks without choices.
    None where the baseline is not clearly above it: the ratio would mean nothing.
    """
    drawn = np.stack([task.draws for task in tasks], axis=-1)
    drawn = (drawn[:, :2] - drawn[:, 2:]) @ weights
    if np.quantile(drawn[:, 1], alpha / 2) <= 0:
        return None, None
    level = np.stack([task.scores.items.mean(0) for task in tasks], axis=-1)
    system, baseline = (level[:2] - level[2]) @ weights
    return 100 * float(system / baseline), percentiles(drawn[:, 0] / drawn[:, 1], units, alpha)


def differences(tasks: Sequence[Task]) -> tuple[Array, Array, Array]:
    """Differences (tasks,), their resamples (resamples, tasks) and flips (trials, tasks)."""
    return (np.array([task.row["delta"] for task in tasks]) / 100,
            np.stack([task.draws[:, 0] - task.draws[:, 1] for task in tasks], axis=-1),
            np.stack([task.flips for task in tasks], axis=-1))


def weighted(name: str, tasks: Sequence[Task], weights: Array, alpha: float) -> Mean:
    """The mean with the given weights, which add up to 1."""
    delta, draws, flips = (values @ weights for values in differences(tasks))
    part = combine(weights.tolist(), [task.part for task in tasks])
    levels = np.array([[task.row["baseline"], task.row["system"]] for task in tasks]).T @ weights
    return Mean(name, tasks, float(delta), draws, flips, part, (levels[0], levels[1]),
                retention(tasks, weights, part[2] + 1, alpha))


def macro(name: str, tasks: Sequence[Task], alpha: float) -> Mean:
    """The mean in which every task has the same weight."""
    return weighted(name, tasks, np.full(len(tasks), 1 / len(tasks)), alpha)


def interquartile(tasks: Sequence[Task]) -> Mean:
    """The interquartile mean. It is not linear: its standard error comes from the resamples."""
    delta, draws, flips = map(interquartile_mean, differences(tasks))
    df = decision.even([task.part for task in tasks])[2]
    return Mean("interquartile mean", tasks, float(delta), draws, flips,
                (float(delta), float(draws.std(ddof=1)), df), (None, None))


def task_sample(whole: Mean) -> Mean:
    """The macro mean with the tasks as a sample of tasks."""
    part = decision.sampled([task.row["delta"] / 100 for task in whole.tasks])
    return whole._replace(name=SAMPLED, sampled=None, flipped=None, part=part,
                          retention=(None, None))


def aggregate_row(mean: Mean, settings: Settings) -> Row:
    """A row about ``mean.tasks``, but for what needs the other rows (Holm, verdict)."""
    alpha, part = settings["alpha"], mean.part
    testable = all(task.row["clusters"] > 1 for task in mean.tasks)
    if not testable:
        part = (mean.value, float("nan"), 0.0)
    found = decision.as_row(part, settings["margin_macro_pp"] / 100, alpha, 100)
    row: Row = {
        "aggregate": mean.name,
        "reach": OTHER_TASKS if mean.name == SAMPLED else SAME_TASKS,
        "tasks": len(mean.tasks), "baseline": mean.levels[0], "system": mean.levels[1],
        "delta": 100 * mean.value, **{key: found[key] for key in (
            "ci", "se", "p", "p_ni", "p_tost", "mde")},
        "bound_pp": found["bound"], "turns": None,
        "ci_boot": None, "p_flips": None, "p_below": None, "at_resolution": [],
        **{f"p_ni_{at}": closed_forms.noninferior_p(*part, at / 100) for at in MARGINS_PP},
        "retention": mean.retention[0], "retention_ci": mean.retention[1] if testable else None}
    if testable and mean.sampled is not None and mean.flipped is not None:
        ties = np.abs(mean.sampled) <= resampling.TIE
        below = (mean.sampled < -resampling.TIE).mean() + ties.mean() / 2
        row |= {"ci_boot": percentiles(mean.sampled, part[2] + 1, alpha),
                "p_flips": float(resampling.two_sided_p(mean.flipped, mean.value)),
                "p_below": float(below)}
        row["at_resolution"] = [
            "p_flips"] if row["p_flips"] == 1 / (settings["ar_trials"] + 1) else []
    return row


def nothing(settings: Settings) -> Row:
    """The macro row where no task carries the verdict."""
    keys = ("baseline", "system", "delta", "ci", "se", "p", "p_ni", "p_tost", "mde", "bound_pp",
            "turns", "ci_boot", "p_flips", "p_below", "retention", "retention_ci", "p_holm",
            *(f"p_ni_{at}" for at in MARGINS_PP))
    return dict.fromkeys(keys) | {"aggregate": MACRO, "reach": SAME_TASKS, "tasks": 0,
                                  "at_resolution": [], "verdict": NO_TASK}


def aggregate(tasks: Sequence[Task], settings: Settings) -> list[Row]:
    """Macro mean (primary; tasks fixed, then sampled), interquartile mean, pooled items,
    multilingual tasks: all over the tasks that carry the verdict. Last, the macro mean over every
    task that was asked, which decides nothing."""
    alpha, every = settings["alpha"], tasks
    tasks = [task for task in tasks if task.carries]
    if not tasks:
        return [nothing(settings)]
    items = np.array([task.row["n"] for task in tasks], dtype=float)
    primary = macro(MACRO, tasks, alpha)
    means = [primary, task_sample(primary), interquartile(tasks),
             weighted("pooled items", tasks, items / items.sum(), alpha)]
    if many := [task for task in tasks if task.meta["multilingual"]]:
        means.append(macro("multilingual tasks", many, alpha))
    table = [aggregate_row(mean, settings) for mean in means]
    # The macro mean is the one primary endpoint, in two readings; the others are a family.
    adjusted = [row["p"] for row in table[:2]] + closed_forms.holm([row["p"] for row in table[2:]])
    for row, p, mean in zip(table, adjusted, means, strict=True):
        set_verdict(row, p, alpha, mean.tasks)
    if len(tasks) < 2:
        table[1]["verdict"] = "n/a (one task)"
    if len(every) > len(tasks):
        table.append(aggregate_row(macro("every task that was asked", every, alpha), settings)
                     | {"p_holm": None, "verdict": "n/a (decides nothing)"})
    if table[0]["p"] is not None:
        table[0]["turns"] = decision.turns(
            [task.row["task"] for task in tasks], [task.part for task in tasks],
            settings["margin_macro_pp"] / 100, alpha)
    return table


def margin_curve(tasks: Sequence[Task], settings: Settings) -> Row:
    """Non-inferiority p of the macro mean at every margin of ``margin_curve_pp``."""
    parts = [task.part for task in tasks if task.carries]
    part = decision.even(parts) if parts else (float("nan"), float("nan"), 0.0)
    ci = closed_forms.interval(*part, settings["alpha"])
    return {"margin_pp": settings["margin_curve_pp"],
            "p_ni": [closed_forms.noninferior_p(*part, at / 100)
                     for at in settings["margin_curve_pp"]],
            "bound_pp": ci and 100 * ci[0]}
