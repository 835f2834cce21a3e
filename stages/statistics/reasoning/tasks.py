"""Compare two systems on reasoning items, task by task.

in   paired results (see ``pairing``) and the significance settings
out  rows of the task table, raw and unrounded, in points (0-100), and what means over tasks need

The unit is the cluster: all items that came from one question. Samples of one item are averaged.
A task carries the verdict if the baseline can lose on it; which do was fixed before any tuned
system was scored. The others are shown, and enter no mean and no family.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from ...rows import seeded
from ...rows.pairing import Results
from .. import closed_forms, clusters, resampling
from ..resampling import Array
from . import decision

Row = dict[str, Any]
Settings = dict[str, Any]
RULES = ("first", "last", "shortest", "longest", "frequent")  # guesses that ignore the question
NO_HARM = "cannot show harm"


class Scores(NamedTuple):
    """Values of columns (systems, guesses) that stand item beside item: by item
    (items, columns), summed by cluster (clusters, columns), items of each cluster (clusters,)."""

    items: Array
    totals: Array
    sizes: Array

    def difference(self, first: int = 0, second: int = 1) -> decision.Part:
        """Mean difference of two columns, its standard error and degrees of freedom.

        Jackknife over clusters, G* - 1 degrees of freedom (``clusters``); with clusters of one
        size that is sd / sqrt(G) of their means. The SE is nan for a single cluster.
        """
        total, items = self.totals[:, first] - self.totals[:, second], self.sizes.sum()
        delta = float(total.sum() / items)
        if len(total) < 2:
            return delta, float("nan"), 0.0
        left_out = (total.sum() - total) / (items - self.sizes)
        return (delta, float(closed_forms.jackknife_se(left_out)),
                clusters.effective(self.sizes) - 1)


class Task(NamedTuple):
    """One benchmark. ``scores``: system, baseline, guess. ``draws`` (resamples, 3) and ``flips``
    (trials,) are shares: the three means in each resample, the system's difference in each flip.
    ``part``: (difference, SE, df) for the means over tasks; the SE is nan for a single cluster.
    ``exact``: items are independent, and right or wrong.
    """

    name: str
    row: Row
    meta: Row
    scores: Scores
    part: decision.Part
    draws: Array
    flips: Array
    exact: bool

    @property
    def carries(self) -> bool:
        return bool(self.meta["carries"])


def by_task(results: Results) -> dict[str, list[Row]]:
    """The rows of each task, in the order of the names."""
    found: dict[str, list[Row]] = {}
    for row in results.rows.values():
        found.setdefault(row["task"], []).append(row)
    return dict(sorted(found.items()))


def by_item(rows: Sequence[Row], value: Callable[[Row], float]) -> dict[Any, float]:
    """The value of each item, averaged over its samples."""
    found: dict[Any, list[float]] = {}
    for row in rows:
        found.setdefault(row["doc_id"], []).append(value(row))
    return {item: fmean(values) for item, values in found.items()}


def clustered(rows: Sequence[Row], columns: Sequence[Mapping[Any, float]]) -> Scores:
    """Columns of values by item, put side by side and summed by the cluster that ``rows`` name."""
    cluster = {row["doc_id"]: str(row["cluster"]) for row in rows}
    items = np.array([[column[item] for column in columns] for item in cluster], dtype=float)
    _, unit = np.unique(list(cluster.values()), return_inverse=True)
    totals: Array = np.stack([np.bincount(unit, column) for column in items.T], axis=1,
                             dtype=float)
    return Scores(items, totals, np.bincount(unit).astype(float))


def best_guess(rows: Sequence[Row]) -> tuple[str, dict[Any, float]] | None:
    """The rule that hits most golds without reading the question, and which items it hits.

    None for tasks without choices. The best of the rules on the same items is a hard null: it
    has been picked for its luck, the baseline has not.
    """
    if "guess" not in rows[0]:
        return None
    hits = {rule: by_item(rows, lambda row, rule=rule: row["guess"][rule])  # type: ignore[misc]
            for rule in RULES}
    best = max(RULES, key=lambda rule: sum(hits[rule].values()))
    return best, hits[best]


def above_p(scores: Scores, first: int, second: int, exact: bool) -> float | None:
    """One-sided p of H0: column ``first`` is no better than ``second``.

    Exact McNemar, P(X >= won), X ~ Binomial(won + lost, 1/2), for independent items that are
    right or wrong; else t on the clustered standard error.
    """
    if exact:
        won, lost = ((scores.items[:, a] > scores.items[:, b]).sum()
                     for a, b in ((first, second), (second, first)))
        return float(stats.binom.sf(won - 1, won + lost, 0.5))
    return closed_forms.noninferior_p(*scores.difference(first, second), 0.0)


def resample(scores: Scores, mirrored: bool, key: tuple[str, ...], settings: Settings,
             ) -> tuple[Array, Array]:
    """Bootstrap means (resamples, 3) of system, baseline and guess, and sign-flipped differences
    of the systems (trials,), drawn by clusters.

    Clusters with the same totals are drawn together: how often each pattern comes up is
    multinomial, how many of its signs stay is binomial. The distribution is that of single draws.
    ``mirrored``: draw as if the baseline stood first, so that a contrast and its reverse agree.
    """
    order = [1, 0, 2] if mirrored else [0, 1, 2]
    patterns, count = np.unique(np.column_stack([scores.totals[:, order], scores.sizes]), axis=0,
                                return_counts=True)
    drawn = seeded.generator(settings["seed"], "bootstrap", *key).multinomial(
        count.sum(), count / count.sum(), size=settings["resamples"]) @ patterns
    size, count = np.unique(np.abs(scores.totals[:, 0] - scores.totals[:, 1]), return_counts=True)
    kept = seeded.generator(settings["seed"], "flips", *key).binomial(
        count, 0.5, size=(settings["ar_trials"], len(count)))
    return drawn[:, order] / drawn[:, -1:], (2 * kept - count) @ size / len(scores.items)


def exact_tests(gained: int, lost: int, items: int, margin: float, alpha: float) -> Row:
    """Tests and Tango's interval of independent items that are right or wrong."""
    below, above = (closed_forms.tango_p(*counts, items, margin)
                    for counts in ((gained, lost), (lost, gained)))
    low, high = (closed_forms.tango_bound(*counts, items, alpha / 2)
                 for counts in ((gained, lost), (lost, gained)))
    return {"test": "McNemar", "p": closed_forms.mcnemar_p(gained, lost),
            "p_mid": closed_forms.mcnemar_mid_p(gained, lost), "p_ni": below,
            "p_tost": max(below, above), "ci": [100 * low, -100 * high],
            "size": closed_forms.mcnemar_size(gained + lost, alpha)}


def mean_tests(part: decision.Part, flip_p: float, margin: float, alpha: float) -> Row:
    """Tests of any other scores: sign flips, and t on the clustered standard error."""
    found = decision.as_row(part, margin, alpha, 100)
    return {"test": "sign flips", "p": flip_p, "p_mid": None, "size": None,
            **{key: found[key] for key in ("ci", "p_ni", "p_tost")}}


# A single cluster says nothing about another one: no test, no interval.
UNTESTED: Row = dict.fromkeys(("ci", "p", "p_mid", "p_flips", "p_ni", "p_tost", "size",
                               "p_guess")) | {"test": "none"}


def compare_task(name: str, mine: Sequence[Row], theirs: Sequence[Row], meta: Row,
                 settings: Settings, mirrored: bool = False) -> Task:
    """Everything about one benchmark, but for what needs the other benchmarks (Holm, verdict)."""
    first, alpha, margin = mine[0], settings["alpha"], settings["margin_task_pp"] / 100
    answers = [by_item(rows, lambda row: row["score"]) for rows in (mine, theirs)]
    guess = best_guess(theirs)
    null = guess[1] if guess else dict.fromkeys(answers[0], float(meta["chance"]))
    scores = clustered(mine, [*answers, null])
    a, b, guessed = scores.items.T
    items, groups, samples = len(a), len(scores.sizes), max(
        Counter(row["doc_id"] for row in mine).values())
    key = hashlib.sha256("\0".join(f"{row['doc_hash']} {row['cluster']}" for row in mine).encode())
    draws, flips = resample(scores, mirrored, (
        name, first["version"], first["filter"], key.hexdigest()), settings)
    part = delta, se, df = scores.difference()
    gained, lost = int((a > b).sum()), int((a < b).sum())
    exact = samples == 1 and groups == items and bool(np.isin(scores.items[:, :2], (0, 1)).all())
    flip_p = float(resampling.two_sided_p(flips, delta))
    row: Row = {
        "task": f"{name}@{first['version']}", "metric": first["metric"], "filter": first["filter"],
        "n": items, "clusters": groups, "samples": samples, "chance": 100 * meta["chance"],
        **dict.fromkeys(("guess", "guess_rate", "above_guess", "p_guess")),
        "baseline": 100 * float(b.mean()), "system": 100 * float(a.mean()), "delta": 100 * delta,
        "ci_boot": percentiles(draws[:, 0] - draws[:, 1], groups, alpha),
        "se": 100 * se if df else None, "rho": closed_forms.correlation(a, b),
        "b": gained, "c": lost, "p_flips": flip_p,
        "mde": 100 * closed_forms.detectable(se, alpha) if df and se else None}
    if guess:
        row |= {"guess": guess[0], "guess_rate": 100 * float(guessed.mean()),
                "above_guess": 100 * float((b - guessed).mean()),
                "p_guess": above_p(scores, 1, 2, exact)}
    if groups == 1:
        row |= UNTESTED
    elif exact:
        row |= exact_tests(gained, lost, items, margin, alpha)
        part = closed_forms.sparse_mean(gained, lost, items)
    else:
        row |= mean_tests(part, flip_p, margin, alpha)
    row["bound_pp"] = row["ci"] and row["ci"][0]
    row["at_resolution"] = [key for key in ("p", "p_flips")
                            if row[key] == 1 / (settings["ar_trials"] + 1)]
    return Task(name, row, meta, scores, part, draws, flips, exact)


def percentiles(draws: Array, units: float, alpha: float) -> list[float] | None:
    """A percentile interval in points; None where there is too little to draw from.

    Over several tasks, ``units`` is Satterthwaite's df + 1: one small clustered task can carry
    most of the error, and the number of all clusters would make the interval too narrow.
    """
    low, high = 100 * resampling.percentile_interval(draws, units, alpha)
    return [float(low), float(high)] if np.isfinite(low) else None


def compare_tasks(system: Results, baseline: Results, settings: Settings) -> list[Task]:
    """All benchmarks of a contrast; those that carry the verdict are one Holm family."""
    theirs = by_task(baseline)
    mirrored = system.system > baseline.system
    tasks = [compare_task(name, mine, theirs[name], system.meta["tasks"][name], settings, mirrored)
             for name, mine in by_task(system).items()]
    adjusted = closed_forms.holm([task.row["p"] if task.carries else None for task in tasks])
    for task, p in zip(tasks, adjusted, strict=True):
        if task.carries:
            set_verdict(task.row, p, settings["alpha"], [task])
        else:
            task.row.update(p_holm=None, verdict=NO_HARM)
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
