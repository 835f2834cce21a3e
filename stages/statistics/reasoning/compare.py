"""Compare two systems on reasoning items: task by task, and over all tasks.

in   paired results (see ``pairing``) and the significance settings
out  rows of the task table and of the aggregate table, raw and unrounded, in points (0-100)

The unit is the cluster: all items that came from one question. Samples of one item are averaged.
Tasks are fixed strata; only their items are drawn.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np

from ...rows import seeded
from ...rows.pairing import Results
from .. import closed_forms, resampling
from ..closed_forms import combine, interquartile_mean
from ..resampling import Array, collect

Row = dict[str, Any]
Settings = dict[str, Any]
MARGINS_PP = (1, 2, 3)
FEW_DISCORDANT, FEW_ITEMS = 25, 300


class Task(NamedTuple):
    """One benchmark. Arrays are per cluster; ``draws`` (resamples, 2) and ``flips`` (trials,) are
    shares: the system's and the baseline's mean in each resample, the difference in each flip.
    ``part`` is (difference, SE, df) for the means over tasks; the SE is nan for a single cluster.
    """

    name: str
    row: Row
    meta: Row
    part: tuple[float, float, float]
    draws: Array
    flips: Array


class Scores(NamedTuple):
    """Shares of both systems, the system first: by item (items, 2), summed by cluster
    (clusters, 2); items of each cluster (clusters,); most samples of an item."""

    items: Array
    totals: Array
    sizes: Array
    samples: int


def item_scores(rows: Sequence[Row]) -> dict[Any, tuple[str, float, int]]:
    """Cluster, mean score and number of samples of each item."""
    by_item: dict[Any, list[Row]] = {}
    for row in rows:
        by_item.setdefault(row["doc_id"], []).append(row)
    return {item: (str(mine[0]["cluster"]), fmean(row["score"] for row in mine),
                   len(mine)) for item, mine in by_item.items()}


def paired_scores(mine: Sequence[Row], theirs: Sequence[Row]) -> Scores:
    """The scores of two systems on one task, item beside item."""
    a, b = item_scores(mine), item_scores(theirs)
    scores = np.array([(a[item][1], b[item][1]) for item in a])
    _, unit = np.unique([a[item][0] for item in a], return_inverse=True)
    totals: Array = np.stack([np.bincount(unit, scores[:, side]) for side in (0, 1)], axis=1,
                             dtype=float)
    return Scores(scores, totals, np.bincount(unit).astype(float),
                  max(count for _, _, count in a.values()))


def resample(scores: Scores, key: tuple[str, ...], settings: Settings) -> tuple[Array, Array]:
    """Bootstrap means (resamples, 2) and sign-flipped differences (trials,), drawn by clusters."""
    difference = scores.totals[:, 0] - scores.totals[:, 1]

    def mean(weights: Array) -> Array:
        return (weights @ scores.totals) / (weights @ scores.sizes)[:, None]

    def flipped(weights: Array) -> Array:
        return (1 - 2 * weights) @ difference / len(scores.items)

    draws = collect(resampling.bootstrap_weights(
        len(difference), settings["resamples"],
        seeded.generator(settings["seed"], "bootstrap", *key)), mean)
    flips = collect(resampling.swap_weights(
        len(difference), settings["ar_trials"],
        seeded.generator(settings["seed"], "flips", *key)), flipped)
    return draws, flips


def exact_tests(gained: int, lost: int, items: int, margin: float, alpha: float) -> Row:
    """Tests of independent items that are right or wrong."""
    below, above = (closed_forms.tango_p(*counts, items, margin)
                    for counts in ((gained, lost), (lost, gained)))
    return {"test": "McNemar", "p": closed_forms.mcnemar_p(gained, lost),
            "p_mid": closed_forms.mcnemar_mid_p(gained, lost), "p_ni": below,
            "p_tost": max(below, above),
            "bound_pp": 100 * closed_forms.tango_bound(gained, lost, items, alpha),
            "size": closed_forms.mcnemar_size(gained + lost, alpha)}


def mean_tests(delta: float, se: float, df: float, flip_p: float, margin: float, alpha: float,
               ) -> Row:
    """Tests of any other scores: sign flips, and t on the clustered standard error."""
    bound = closed_forms.lower_bound(delta, se, df, alpha)
    return {"test": "sign flips", "p": flip_p, "p_mid": None,
            "p_ni": closed_forms.noninferior_p(delta, se, df, margin),
            "p_tost": closed_forms.tost_p(delta, se, df, margin),
            "bound_pp": None if bound is None else 100 * bound, "size": None}


# A single cluster says nothing about another one: no test, no interval.
UNTESTED: Row = dict.fromkeys(("p", "p_mid", "p_flips", "p_ni", "p_tost", "bound_pp", "size")) | {
    "test": "none"}


def compare_task(name: str, system: Results, baseline: Results, settings: Settings) -> Task:
    """Everything about one benchmark, but for what needs the other benchmarks (Holm, verdict)."""
    mine, theirs = ([row for row in results.rows.values() if row["task"] == name]
                    for results in (system, baseline))
    scores, first, meta = paired_scores(mine, theirs), mine[0], system.meta["tasks"][name]
    items, clusters, alpha = len(scores.items), len(scores.sizes), settings["alpha"]
    margin = settings["margin_task_pp"] / 100
    key = hashlib.sha256("\0".join(f"{row['doc_hash']} {row['cluster']}" for row in mine).encode())
    draws, flips = resample(
        scores, (name, first["version"], first["filter"], key.hexdigest()), settings)
    delta, se, df = closed_forms.cluster_mean(
        scores.totals[:, 0] - scores.totals[:, 1], scores.sizes)
    a, b = scores.items.T
    gained, lost = int((a > b).sum()), int((a < b).sum())
    part: tuple[float, float, float] = (delta, se, df)
    flip_p = float(resampling.two_sided_p(flips, delta))
    row: Row = {
        "task": f"{name}@{first['version']}", "metric": first["metric"], "filter": first["filter"],
        "n": items, "clusters": clusters, "samples": scores.samples,
        "chance": 100 * meta["chance"], "baseline": 100 * float(b.mean()),
        "system": 100 * float(a.mean()), "delta": 100 * delta,
        "ci": interval(draws[:, 0] - draws[:, 1], clusters, alpha),
        "se": 100 * se if df else None, "rho": closed_forms.correlation(a, b),
        "b": gained, "c": lost, "p_flips": flip_p,
        "mde": 100 * closed_forms.detectable(se, alpha) if df and se else None}
    if clusters == 1:
        row |= UNTESTED
    elif scores.samples == 1 and clusters == items and np.isin(scores.items, (0, 1)).all():
        row |= exact_tests(gained, lost, items, margin, alpha)
        part = closed_forms.sparse_mean(gained, lost, items)
    else:
        row |= mean_tests(delta, se, df, flip_p, margin, alpha)
    return Task(name, row, meta, part, draws, flips)


def interval(draws: Array, units: float, alpha: float) -> list[float] | None:
    """A percentile interval in points; None where there is too little to draw from.

    Over several tasks, ``units`` is Satterthwaite's df + 1: one small clustered task can carry
    most of the error, and the number of all clusters would make the interval too narrow.
    """
    low, high = 100 * resampling.percentile_interval(draws, units, alpha)
    return [float(low), float(high)] if np.isfinite(low) else None


def compare_tasks(system: Results, baseline: Results, settings: Settings) -> list[Task]:
    """All benchmarks of a contrast; they are one Holm family."""
    tasks = [compare_task(name, system, baseline, settings)
             for name in sorted({row["task"] for row in system.rows.values()})]
    for task, p in zip(tasks, closed_forms.holm([task.row["p"] for task in tasks]), strict=True):
        set_verdict(task.row, p, settings["alpha"], [task])
    return tasks


def set_verdict(row: Row, p_holm: float | None, alpha: float, tasks: Sequence[Task]) -> None:
    """Add corrected p and verdict to a row about ``tasks``."""
    why_not = ""
    if single := [task.name for task in tasks if task.row["clusters"] == 1]:
        why_not = f"one cluster only: {', '.join(single)}"
    elif row["p_ni"] is None and row["delta"] == 0:
        why_not = "no item differs"
    row["p_holm"] = p_holm
    row["verdict"] = closed_forms.verdict(row["delta"], p_holm, row["p_ni"], row["p_tost"], alpha,
                                          why_not)


def retention(tasks: Sequence[Task], weights: Array, units: float, alpha: float,
              ) -> tuple[float | None, list[float] | None]:
    """Percent of the baseline's score above chance that the system keeps, and its interval.

    100 * sum w (system - chance) / sum w (baseline - chance) (ratio of means, not mean of ratios).
    None where the baseline is not clearly above chance: the ratio would mean nothing.
    """
    chance = np.array([task.meta["chance"] for task in tasks])
    level = np.array([[task.row["system"], task.row["baseline"]] for task in tasks]) / 100
    above = (level - chance[:, None]).T @ weights
    drawn = np.stack([task.draws for task in tasks], axis=-1) - chance
    drawn = drawn @ weights
    if np.quantile(drawn[:, 1], alpha / 2) <= 0:
        return None, None
    return 100 * above[0] / above[1], interval(drawn[:, 0] / drawn[:, 1], units, alpha)


class Mean(NamedTuple):
    """A mean over tasks, in shares: the difference, its resamples and flips (one number each),
    (difference, SE, df), both systems' level in points, retention and its interval."""

    value: float
    sampled: Array
    flipped: Array
    part: tuple[float, float, float]
    baseline: float | None
    system: float | None
    retention: tuple[float | None, list[float] | None]


def differences(tasks: Sequence[Task]) -> tuple[Array, Array, Array]:
    """Differences (tasks,), their resamples (resamples, tasks) and flips (trials, tasks)."""
    return (np.array([task.row["delta"] for task in tasks]) / 100,
            np.stack([task.draws[:, 0] - task.draws[:, 1] for task in tasks], axis=-1),
            np.stack([task.flips for task in tasks], axis=-1))


def even(tasks: Sequence[Task]) -> Array:
    """The same weight for every task."""
    return np.full(len(tasks), 1 / len(tasks))


def weighted(tasks: Sequence[Task], weights: Array, alpha: float) -> Mean:
    """The mean with the given weights, which add up to 1."""
    delta, draws, flips = (values @ weights for values in differences(tasks))
    level = np.array([[task.row["system"], task.row["baseline"]] for task in tasks]) / 100
    part = combine(weights.tolist(), [task.part for task in tasks])
    system, baseline = (100 * float(score) for score in level.T @ weights)
    return Mean(float(delta), draws, flips, part, baseline, system,
                retention(tasks, weights, part[2] + 1, alpha))


def interquartile(tasks: Sequence[Task]) -> Mean:
    """The interquartile mean. It is not linear: its standard error comes from the resamples."""
    delta, draws, flips = map(interquartile_mean, differences(tasks))
    df = combine(even(tasks).tolist(), [task.part for task in tasks])[2]
    return Mean(float(delta), draws, flips, (float(delta), float(draws.std(ddof=1)), df),
                None, None, (None, None))


def aggregate_row(name: str, tasks: Sequence[Task], mean: Mean, settings: Settings) -> Row:
    """A row about ``tasks``, but for what needs the other rows (Holm, verdict)."""
    alpha, part = settings["alpha"], mean.part
    testable = all(task.row["clusters"] > 1 for task in tasks)
    if not testable:
        part = (mean.value, float("nan"), 0.0)
    bound = closed_forms.lower_bound(*part, alpha)
    margin = settings["margin_macro_pp"] / 100
    below = (mean.sampled < -resampling.TIE).mean() + (
        np.abs(mean.sampled) <= resampling.TIE).mean() / 2
    return {
        "aggregate": name, "tasks": len(tasks), "baseline": mean.baseline, "system": mean.system,
        "delta": 100 * mean.value, "ci": interval(mean.sampled, part[2] + 1, alpha),
        "se": 100 * part[1] if testable else None,
        "bound_pp": None if bound is None else 100 * bound,
        "p": float(resampling.two_sided_p(mean.flipped, mean.value)) if testable else None,
        **{f"p_ni_{at}": closed_forms.noninferior_p(*part, at / 100) for at in MARGINS_PP},
        "p_ni": closed_forms.noninferior_p(*part, margin),
        "p_tost": closed_forms.tost_p(*part, margin),
        "p_below": float(below) if testable else None,
        "mde": 100 * closed_forms.detectable(part[1], alpha) if testable else None,
        "retention": mean.retention[0], "retention_ci": mean.retention[1] if testable else None}


def aggregate(tasks: Sequence[Task], settings: Settings) -> list[Row]:
    """Macro mean (primary), interquartile mean, pooled items, multilingual tasks."""
    alpha = settings["alpha"]
    items = np.array([task.row["n"] for task in tasks], dtype=float)
    found = [("macro mean (primary)", tasks, weighted(tasks, even(tasks), alpha)),
             ("interquartile mean", tasks, interquartile(tasks)),
             ("pooled items", tasks, weighted(tasks, items / items.sum(), alpha))]
    if many := [task for task in tasks if task.meta["multilingual"]]:
        found.append(("multilingual tasks", many, weighted(many, even(many), alpha)))
    table = [aggregate_row(name, kept, mean, settings) for name, kept, mean in found]
    # The macro mean is the one primary endpoint; the others are a family of their own.
    adjusted = [table[0]["p"], *closed_forms.holm([row["p"] for row in table[1:]])]
    for row, p, (_, kept, _) in zip(table, adjusted, found, strict=True):
        set_verdict(row, p, alpha, kept)
    return table


def margin_curve(tasks: Sequence[Task], settings: Settings) -> Row:
    """Non-inferiority p of the macro mean at every margin of ``margin_curve_pp``."""
    part = combine(even(tasks).tolist(), [task.part for task in tasks])
    bound = closed_forms.lower_bound(*part, settings["alpha"])
    return {"margin_pp": settings["margin_curve_pp"],
            "p_ni": [closed_forms.noninferior_p(*part, at / 100)
                     for at in settings["margin_curve_pp"]],
            "bound_pp": None if bound is None else 100 * bound}


def notes(tasks: Sequence[Task], settings: Settings) -> dict[str, list[str]]:
    """What a reader of the two reasoning tables has to know."""
    alpha = settings["alpha"]
    said = [f"Margin for a single task: {settings['margin_task_pp']} points; p NI and p TOST are "
            "not corrected for the number of tasks.",
            f"{settings['resamples']} resamples and {settings['ar_trials']} sign flips, seeded by "
            "task. Inference is about items, for these trained weights."]
    for task in tasks:
        row = task.row
        if row["size"] is not None and row["b"] + row["c"] < FEW_DISCORDANT:
            said.append(f"{row['task']}: the systems differ on {row['b'] + row['c']} items only, "
                        f"so the exact test rejects equal systems in {100 * row['size']:.1f} % of "
                        f"cases, not {100 * alpha:g} %. See mid-p.")
        if row["n"] < FEW_ITEMS:
            said.append(f"{row['task']}: low n ({row['n']} items).")
        if row["test"] == "McNemar" and min(row["p"], row["p_flips"]) < 2 * alpha and not (
                0.5 <= row["p"] / row["p_flips"] <= 2):
            said.append(f"{row['task']}: the exact test and sign flips disagree by more than a "
                        "factor of 2; trust neither to the digit.")
    harmed = [task.row["task"] for task in tasks if task.row["verdict"] == "worse"]
    return {"tasks": said, "aggregate": [
        f"Margin for the macro mean: {settings['margin_macro_pp']} points.",
        f"Harm screen: {len(harmed)} of {len(tasks)} tasks are worse after Holm"
        + (f": {', '.join(harmed)}." if harmed else "."),
        "Where items are right or wrong and independent, bound, p NI and p TOST add half an item "
        "to each cell (Agresti and Min 2005), since few items differ. Satterthwaite's degrees of "
        "freedom."]}
