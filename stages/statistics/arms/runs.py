"""Scores of many training runs on the same items, with each unit of items left out once.

in   published rows of the base and of every run (see ``rows.published``)
out  ``Endpoint``: from it come differences between arms, their variance by items and their
     variance by runs

An arm is one or several runs of a recipe that differ in the training seed alone. The base is no
run: it was trained once, by others, and has no variance between runs here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...rows import pairing, segments
from ...rows.results import Results
from .. import closed_forms, clusters
from ..closed_forms import Array
from ..reasoning.decision import Part
from ..reasoning.logprob import gold
from ..reasoning.tasks import by_item, by_task, clustered
from ..translation import estimates

Row = dict[str, Any]
Run = tuple[str, int]  # arm and seed
BASE: Run = ("base", 0)


class Stratum(NamedTuple):
    """Items that are sampled together: scores (runs,), the same without each unit (runs, units),
    degrees of freedom of their jackknife (effective units - 1; 0 where that is below 1, and the
    stratum says nothing about its error)."""

    whole: Array
    left_out: Array
    df: float


class Endpoint(NamedTuple):
    """A mean over strata with the same weight, for every run; ``runs[0]`` is the base."""

    name: str
    unit: str
    runs: list[Run]
    strata: list[Stratum]

    def values(self) -> Array:
        """Of every run: (runs,)."""
        found: Array = np.mean([stratum.whole for stratum in self.strata], axis=0)
        return found

    def places(self, arm: str) -> list[int]:
        """Positions of an arm's runs, by seed."""
        return sorted((place for place, (name, _) in enumerate(self.runs) if name == arm),
                      key=lambda place: self.runs[place][1])

    def seeds(self, arm: str) -> list[int]:
        return [self.runs[place][1] for place in self.places(arm)]

    def weights(self, arm: str, baseline: str) -> Array:
        """What turns the runs' values into the mean of one arm minus that of another: (runs,)."""
        found = np.zeros(len(self.runs))
        for name, sign in ((arm, 1.0), (baseline, -1.0)):
            found[self.places(name)] += sign / len(self.places(name))
        return found

    def by_items(self, weights: Array) -> Part:
        """A weighted sum over runs: value, SE by items (jackknife, strata independent), df.

        The SE is nan, and df 0, where a stratum has too few units.
        """
        if any(stratum.df == 0 for stratum in self.strata):
            return float(weights @ self.values()), float("nan"), 0.0
        parts = [(float(weights @ stratum.whole),
                  float(closed_forms.jackknife_se(weights @ stratum.left_out)), stratum.df)
                 for stratum in self.strata]
        return closed_forms.combine([1 / len(parts)] * len(parts), parts)

    def item_covariance(self, table: Array) -> Array:
        """Covariance by items of several weighted sums (sums, runs): (sums, sums)."""
        total = np.zeros((len(table), len(table)))
        for stratum in self.strata:
            left = table @ stratum.left_out
            spread = left - left.mean(1, keepdims=True)
            units = left.shape[1]
            total += (units - 1) / units * spread @ spread.T / len(self.strata) ** 2
        return total


def translation(base: Results, runs: Mapping[Run, Results], copied: Results, metric: str,
                ) -> Endpoint:
    """The mean over directions of the corpus metric, points; documents are the units."""
    every = {BASE: base, **runs}
    named = [found._replace(system="-".join(map(str, run))) for run, found in every.items()]
    for found in named[1:]:
        pairing.pair_translations(found, named[0])
    data = segments.corpus(named, copied, [metric] if metric in segments.LEXICAL else [])
    [kind] = [one for one in data.metrics if one.name == metric]
    scored = estimates.scored(kind, data.statistics[metric][:-1], data.documents)
    counts = estimates.sizes(data).sum(0)
    there = counts > 0
    return Endpoint(f"translation, {kind.label}, mean over directions", "points", list(every), [
        Stratum(scored.whole.mean(1), scored.left_out.mean(1)[:, there],
                freedom(counts[there]))])


def freedom(sizes: Array) -> float:
    """Degrees of freedom of a jackknife over units of these sizes; 0 for fewer than two of them."""
    worth = clusters.effective(sizes)
    return worth - 1 if worth >= 2 else 0.0


def answers(base: Results, runs: Mapping[Run, Results], name: str, unit: str,
            value: Callable[[Row], float], scale: float) -> Endpoint | None:
    """The mean over the tasks that carry, of a value of each item; None where no task has it.

    Clusters of questions are the units; tasks are strata.
    """
    every = {BASE: base, **runs}
    for found in runs.values():
        pairing.pair_answers(found, base)
    tables = {run: by_task(found) for run, found in every.items()}
    strata = []
    for task, mine in tables[BASE].items():
        if not base.meta["tasks"][task]["carries"] or (value is gold and "loglik" not in mine[0]):
            continue
        scores = clustered(mine, [by_item(table[task], value) for table in tables.values()])
        totals, sizes, items = scores.totals * scale, scores.sizes, scores.sizes.sum()
        strata.append(Stratum(
            totals.sum(0) / items, ((totals.sum(0) - totals) / (items - sizes)[:, None]).T,
            freedom(sizes)))
    return Endpoint(name, unit, list(every), strata) if strata else None


def reasoning(base: Results, runs: Mapping[Run, Results]) -> list[Endpoint]:
    """Accuracy in points, and the log-probability of the right choice in nats."""
    found = [answers(base, runs, "reasoning, mean over tasks", "points",
                     lambda row: row["score"], 100.0),
             answers(base, runs, "log-probability of the right choice", "nats", gold, 1.0)]
    return [one for one in found if one is not None]


def spread(values: Sequence[float] | Array) -> Part:
    """(0, SE of the mean by runs, df): the part of the variance that further runs would show."""
    runs = len(values)
    if runs < 2:
        return 0.0, float("nan"), 0.0
    return 0.0, float(np.std(values, ddof=1) / np.sqrt(runs)), float(runs - 1)
