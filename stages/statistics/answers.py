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

from . import closed_forms, resampling
from .closed_forms import combine, interquartile_mean
from .pairing import Results
from .resampling import Array, collect

Row = dict[str, Any]
Settings = dict[str, Any]
MARGINS_PP = (1, 2, 3)
FEW_DISCORDANT, FEW_ITEMS = 25, 300


class Task(NamedTuple):
    """One benchmark. Arrays are per cluster; ``draws`` (resamples, 2) and ``flips`` (trials,) are
    shares: the system's and the baseline's mean in each resample, the difference in each flip."""

    name: str
    row: Row
    meta: Row
    part: tuple[float, float, float]
    draws: Array
    flips: Array


def item_scores(rows: Sequence[Row]) -> dict[Any, tuple[str, float, int]]:
    """Cluster, mean score and number of samples of each item."""
    by_item: dict[Any, list[Row]] = {}
    for row in rows:
        by_item.setdefault(row["doc_id"], []).append(row)
    return {item: (str(mine[0]["cluster"]), fmean(row["score"] for row in mine),
                   len(mine)) for item, mine in by_item.items()}


def compare_task(name: str, system: Results, baseline: Results, settings: Settings) -> Task:
    """Everything about one benchmark, but for what needs the other benchmarks (Holm, verdict)."""
    a, b = (item_scores([row for row in results.rows.values() if row["task"] == name])
            for results in (system, baseline))
    scores = np.array([(a[item][1], b[item][1]) for item in a])
    samples = max(count for _, _, count in a.values())
    clusters, unit = np.unique([a[item][0] for item in a], return_inverse=True)
    sizes = np.bincount(unit).astype(float)
    totals = np.stack([np.bincount(unit, scores[:, side]) for side in (0, 1)], axis=1)
    difference = totals[:, 0] - totals[:, 1]
    items, alpha = len(scores), settings["alpha"]
    binary = samples == 1 and len(clusters) == items and bool(np.isin(scores, (0, 1)).all())
    gained, lost = (int(count) for count in ((scores[:, 0] > scores[:, 1]).sum(),
                                             (scores[:, 0] < scores[:, 1]).sum()))
    first = next(row for row in system.rows.values() if row["task"] == name)
    key = hashlib.sha256("\0".join(f"{row['doc_hash']} {row['cluster']}" for row in
                                   system.rows.values() if row["task"] == name).encode())
    named = (name, first["version"], first["filter"], key.hexdigest())

    def mean(weights: Array) -> Array:
        return (weights @ totals) / (weights @ sizes)[:, None]

    def flipped(weights: Array) -> Array:
        return (1 - 2 * weights) @ difference / items

    draws = collect(resampling.bootstrap_weights(
        len(clusters), settings["resamples"],
        resampling.generator(settings["seed"], "bootstrap", *named)), mean)
    flips = collect(resampling.swap_weights(
        len(clusters), settings["ar_trials"],
        resampling.generator(settings["seed"], "flips", *named)), flipped)
    delta, se, df = closed_forms.cluster_mean(difference, sizes)
    flip_p = float(resampling.two_sided_p(flips, delta))
    margin = settings["margin_task_pp"] / 100
    part: tuple[float, float, float] = (delta, se, df)
    if binary:
        part = closed_forms.sparse_mean(gained, lost, items)
        p = closed_forms.mcnemar_p(gained, lost)
        p_ni: float | None = closed_forms.tango_p(gained, lost, items, margin)
        p_tost: float | None = max(p_ni or 0, closed_forms.tango_p(lost, gained, items, margin))
        bound: float | None = closed_forms.tango_bound(gained, lost, items, alpha)
    else:
        p = flip_p
        p_ni = closed_forms.noninferior_p(delta, se, df, margin)
        p_tost = closed_forms.tost_p(delta, se, df, margin)
        bound = closed_forms.lower_bound(delta, se, df, alpha)
    meta = system.meta["tasks"][name]
    row: Row = {
        "task": f"{name}@{first['version']}", "metric": first["metric"], "filter": first["filter"],
        "n": items, "clusters": len(clusters), "samples": samples, "chance": 100 * meta["chance"],
        "baseline": 100 * float(scores[:, 1].mean()), "system": 100 * float(scores[:, 0].mean()),
        "delta": 100 * delta, "ci": interval(draws[:, 0] - draws[:, 1], len(clusters), alpha),
        "se": 100 * se if df else None, "rho": closed_forms.correlation(scores[:, 0], scores[:, 1]),
        "b": gained, "c": lost, "p": p,
        "test": "McNemar" if binary else "sign flips",
        "p_mid": closed_forms.mcnemar_mid_p(gained, lost) if binary else None, "p_flips": flip_p,
        "bound_pp": None if bound is None else 100 * bound, "p_ni": p_ni, "p_tost": p_tost,
        "mde": 100 * closed_forms.detectable(se, alpha) if df and se else None,
        "size": closed_forms.mcnemar_size(gained + lost, alpha) if binary else None}
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
        same = task.row["p_ni"] is None and task.row["delta"] == 0
        task.row["p_holm"] = p
        task.row["verdict"] = closed_forms.verdict(
            task.row["delta"], p, task.row["p_ni"], task.row["p_tost"], settings["alpha"],
            "no item differs" if same else "")
    return tasks


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


def aggregate(tasks: Sequence[Task], settings: Settings) -> list[Row]:
    """Macro mean (primary), interquartile mean, pooled items, multilingual tasks."""
    alpha, margin = settings["alpha"], settings["margin_macro_pp"] / 100
    items = np.array([task.row["n"] for task in tasks], dtype=float)
    many = np.array([bool(task.meta["multilingual"]) for task in tasks], dtype=float)
    even = np.full(len(tasks), 1 / len(tasks))
    named: list[tuple[str, Array | None]] = [
        ("macro mean (primary)", even), ("interquartile mean", None),
        ("pooled items", items / items.sum())]
    if many.any():
        named.append(("multilingual tasks", many / many.sum()))
    delta = np.array([task.row["delta"] for task in tasks]) / 100
    level = np.array([[task.row["system"], task.row["baseline"]] for task in tasks]) / 100
    draws = np.stack([task.draws[:, 0] - task.draws[:, 1] for task in tasks], axis=-1)
    flips = np.stack([task.flips for task in tasks], axis=-1)
    table: list[Row] = []
    for name, weights in named:
        if weights is None:  # not linear: its standard error comes from the resamples
            value, sampled, swapped = map(interquartile_mean, (delta, draws, flips))
            kept = tasks
            part = (float(value), float(sampled.std(ddof=1)),
                    combine(even.tolist(), [task.part for task in tasks])[2])
            base = mine = None
            held: tuple[float | None, list[float] | None] = (None, None)
        else:
            value, sampled, swapped = delta @ weights, draws @ weights, flips @ weights
            kept = [task for task, weight in zip(tasks, weights, strict=True) if weight]
            part = combine(weights.tolist(), [task.part for task in tasks])
            mine, base = (100 * float(score) for score in level.T @ weights)
            held = retention(tasks, weights, part[2] + 1, alpha)
        bound = closed_forms.lower_bound(*part, alpha)
        table.append({
            "aggregate": name, "tasks": len(kept), "baseline": base, "system": mine,
            "delta": 100 * float(value), "ci": interval(sampled, part[2] + 1, alpha),
            "se": 100 * part[1], "bound_pp": None if bound is None else 100 * bound,
            "p": float(resampling.two_sided_p(swapped, value)),
            **{f"p_ni_{at}": closed_forms.noninferior_p(*part, at / 100) for at in MARGINS_PP},
            "p_ni": closed_forms.noninferior_p(*part, margin),
            "p_tost": closed_forms.tost_p(*part, margin),
            "p_below": float((sampled < -resampling.TIE).mean()
                             + (np.abs(sampled) <= resampling.TIE).mean() / 2),
            "mde": 100 * closed_forms.detectable(part[1], alpha), "retention": held[0],
            "retention_ci": held[1]})
    # The macro mean is the one primary endpoint; the others are a family of their own.
    adjusted = [table[0]["p"], *closed_forms.holm([row["p"] for row in table[1:]])]
    for row, p in zip(table, adjusted, strict=True):
        row["p_holm"] = p
        same = row["p_ni"] is None and row["delta"] == 0
        row["verdict"] = closed_forms.verdict(row["delta"], p, row["p_ni"], row["p_tost"], alpha,
                                       "no item differs" if same else "")
    return table


def margin_curve(tasks: Sequence[Task], settings: Settings) -> Row:
    """Non-inferiority p of the macro mean at every margin of ``margin_curve_pp``."""
    part = combine([1 / len(tasks)] * len(tasks), [task.part for task in tasks])
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
