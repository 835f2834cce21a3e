"""The second endpoint: the log-probability of the right choice, normalised over the choices.

Accuracy sees an item only when it changes sides; the log-probability sees how far it moved, so
the same items find smaller losses. Nats; t on the standard error clustered by question. Its
margin is what the margin of the macro mean is worth on the baseline's screening items
(``screening``), fixed before any tuned system is scored.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from scipy import stats

from ...rows.pairing import Results
from .. import closed_forms
from . import decision
from .aggregate import NO_TASK, OTHER_TASKS, SAME_TASKS
from .tasks import NO_HARM, Row, Scores, Settings, by_item, by_task, clustered

MEAN, SAMPLED = "mean over tasks", "mean over tasks, tasks as a sample"


class Endpoint(NamedTuple):
    """One task: name and version, log-probabilities (system, baseline), does it carry."""

    task: str
    scores: Scores
    carries: bool


def gold(row: Row) -> float:
    """log P(right choice) among the choices of the item, in nats."""
    values = row["loglik"]
    top = max(values)
    return values[row["gold"]] - top - math.log(sum(math.exp(value - top) for value in values))


def endpoints(system: Results, baseline: Results) -> list[Endpoint]:
    """The tasks whose items have likelihoods."""
    theirs = by_task(baseline)
    return [Endpoint(f"{name}@{mine[0]['version']}",
                     clustered(mine, [by_item(rows, gold) for rows in (mine, theirs[name])]),
                     bool(system.meta["tasks"][name]["carries"]))
            for name, mine in by_task(system).items() if "loglik" in mine[0]]


def true_level(found: Sequence[Scores], alpha: float) -> float | None:
    """What a one-sided t test at alpha / 2 of the mean over tasks amounts to: how often it claims
    "no loss beyond the margin" where the loss is the margin.

    First term of Edgeworth's expansion of Student's t (Hall 1992, sec. 2.6): where a few items
    fall far (skewness below 0) the claim comes too easily. alpha / 2 - skewness (2 z^2 + 1)
    phi(z) / 6, with the skewness of the mean from the clusters' residuals.
    """
    cubes, squares = 0.0, 0.0
    for scores in found:
        delta, se, _ = scores.difference()
        residual = scores.totals[:, 0] - scores.totals[:, 1] - delta * scores.sizes
        cubes += float((residual**3).sum()) / scores.sizes.sum() ** 3
        squares += se**2
    if not squares > 0:
        return None
    z = stats.norm.isf(alpha / 2)
    return float(alpha / 2 - cubes / squares**1.5 * (2 * z**2 + 1) * stats.norm.pdf(z) / 6)


def row_of(name: str, part: decision.Part, levels: Sequence[float], margin: float | None,
           alpha: float, reach: str = "") -> Row:
    """A row of the table, but for what needs the other rows (Holm, verdict)."""
    return {"task": name, "reach": reach, "n": None, "clusters": None,
            "system": levels[0], "baseline": levels[1], "delta": part[0],
            **decision.as_row(part, margin, alpha, 1), "true_level": None, "turns": None}


def judge(row: Row, p_holm: float | None, alpha: float, why_not: str = "") -> None:
    row["p_holm"] = p_holm
    row["verdict"] = closed_forms.verdict(row["delta"], p_holm, row["p_ni"], row["p_tost"], alpha,
                                          why_not)


def compare(found: Sequence[Endpoint], settings: Settings) -> list[Row]:
    """The mean over tasks that carry, with tasks fixed and as a sample, then a row per task.

    A task is tested for a change only: the margin belongs to the mean.
    """
    alpha, margin = settings["alpha"], settings.get("margin_logprob")
    tasks = []
    for one in found:
        part, levels = one.scores.difference(), one.scores.items.mean(0)
        tasks.append(row_of(one.task, part, levels, None, alpha) | {
            "n": len(one.scores.items), "clusters": len(one.scores.sizes)})
    carried = [one for one in found if one.carries]
    adjusted = closed_forms.holm([row["p"] if one.carries else None
                                  for one, row in zip(found, tasks, strict=True)])
    for one, row, p in zip(found, tasks, adjusted, strict=True):
        judge(row, p, alpha, "" if row["se"] else "no item differs")
        if not one.carries:
            row["verdict"] = NO_HARM
    if not carried:
        return [dict.fromkeys(tasks[0]) | {"task": MEAN, "reach": SAME_TASKS, "verdict": NO_TASK},
                *tasks]
    parts = [one.scores.difference() for one in carried]
    levels = sum(one.scores.items.mean(0) for one in carried) / len(carried)
    fixed = row_of(MEAN, decision.even(parts), levels, margin, alpha, SAME_TASKS)
    sample = row_of(SAMPLED, decision.sampled([part[0] for part in parts]), levels, margin, alpha,
                    OTHER_TASKS)
    single = [one.task for one in carried if len(one.scores.sizes) == 1]
    judge(fixed, fixed["p"], alpha, f"one cluster only: {', '.join(single)}" if single else
          "" if fixed["se"] else "no item differs")
    judge(sample, sample["p"], alpha, "one task" if len(parts) < 2 else "")
    if fixed["p"] is not None and not single:
        level = true_level([one.scores for one in carried], alpha)
        fixed["true_level"] = level and 100 * level
        fixed["turns"] = decision.turns([one.task for one in carried], parts, margin, alpha)
    return [fixed, sample, *tasks]
