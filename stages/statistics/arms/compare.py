"""Differences between arms: item and run variance summed, and several arms at once.

With S runs of an arm the mean of their differences D_s has the variance

    SE^2 = SE_items^2 + sd(D_s)^2 / S,     df by Satterthwaite from both parts,

where SE_items is the jackknife over items of the mean over runs. Against an arm of the same seeds
the D_s are paired by seed (the data order is the same); otherwise both arms' spreads are added.

Three runs estimate sd(D_s) with two degrees of freedom, and where runs vary more than items,
Satterthwaite's df follows that estimate: the interval of the sum then misses the truth in up to
8 %. t on the runs alone is right there and wrong (15 % and more) where items matter. So the
interval is the *wider* of the two and p the larger: simulated in the tests, it misses in 5 % at
most at any ratio of the two variances, and costs nothing where items are the larger part.

Arms of at least ``MANY`` seeds are compared with the reference together: max-T over their t values
in the form of Hothorn, Bretz and Westfall (2008, https://doi.org/10.1002/bimj.200810425), each t
taken at its own degrees of freedom. Their correlation is that of the items and, for runs, the one
half that a shared reference gives arms of equal spread: three runs cannot estimate it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from ...rows import seeded
from .. import closed_forms, resampling
from ..closed_forms import Array
from ..reasoning.decision import Part
from .runs import BASE, Endpoint, spread

Row = dict[str, Any]
MANY = 3  # seeds from which on an arm is tested
TIED, MORE, LESS, POINT = "tied", "more", "less", "one run: not ranked"


class Difference(NamedTuple):
    """Mean of one arm minus another: by items and by runs (difference 0), and both summed; nan
    where unknown."""

    items: Part
    runs: Part
    both: Part

    def ways(self) -> list[Part]:
        """What p and interval are taken from: the sum, and runs alone. Empty without the sum."""
        delta, se, _ = self.both
        return [(delta, *part[1:]) for part in (self.both, self.runs)
                if se > 0 and part[1] > 0]

    def p(self) -> float | None:
        """The larger two-sided p; None where a variance is unknown."""
        found = [closed_forms.two_sided_p(*part) for part in self.ways()]
        return max((one for one in found if one is not None), default=None)

    def interval(self, alpha: float) -> list[float] | None:
        """The wider interval: what ``p`` does not reject at alpha."""
        found = [closed_forms.interval(*part, alpha) for part in self.ways()]
        return max((one for one in found if one), key=lambda ends: ends[1] - ends[0], default=None)


def difference(endpoint: Endpoint, arm: str, baseline: str = BASE[0]) -> Difference:
    """``both`` has a standard error only where every arm in it, but the base, has two runs."""
    values, mine, theirs = endpoint.values(), *map(endpoint.places, (arm, baseline))
    items = endpoint.by_items(endpoint.weights(arm, baseline))
    if baseline == BASE[0]:
        runs = spread(values[mine])
    elif endpoint.seeds(arm) == endpoint.seeds(baseline):
        runs = spread(values[mine] - values[theirs])
    else:
        runs = summed((0.0, *spread(values[mine])[1:]), spread(values[theirs]))
    return Difference(items, runs, summed(items, runs))


def summed(one: Part, other: Part) -> Part:
    """The sum of two independent parts; without a standard error where one has none."""
    if not (one[2] > 0 and other[2] > 0):
        return one[0] + other[0], float("nan"), 0.0
    return closed_forms.combine([1.0, 1.0], [one, other])


def band(endpoint: Endpoint, arm: str, alpha: float) -> list[float] | None:
    """Where one more run of an arm would fall on the same items, minus the base: the prediction
    interval mean +- t sd sqrt(1 + 1/S). None below two runs."""
    values = endpoint.values()[endpoint.places(arm)] - endpoint.values()[0]
    if len(values) < 2:
        return None
    half = (stats.t.ppf(1 - alpha / 2, len(values) - 1) * values.std(ddof=1)
            * np.sqrt(1 + 1 / len(values)))
    return [float(values.mean() - half), float(values.mean() + half)]


def smallest_p(endpoint: Endpoint, arms: Sequence[str], reference: str,
               found: Sequence[Difference], draws: int, rng: np.random.Generator) -> Array:
    """The smallest two-sided p among arms that are all equal to the reference: (draws,).

    The whole procedure is drawn, its variances and degrees of freedom too: with three runs they
    vary much.
    """
    items = endpoint.item_covariance(np.stack([
        endpoint.weights(arm, reference) for arm in arms]))
    by_items = np.diag(items)
    df_items, df_runs = (np.array([getattr(one, kind)[2] for one in found])
                         for kind in ("items", "runs"))
    by_runs = np.array([one.runs[1] ** 2 for one in found])
    shared = np.outer(*[np.sqrt(by_runs)] * 2) * (0.5 + 0.5 * np.eye(len(arms)))
    deviation = (rng.standard_normal((draws, len(arms))) @ root(items + shared).T)
    # What an arm's variance is estimated as: chi-squared over its degrees of freedom.
    seen_items = by_items * rng.chisquare(df_items, (draws, len(arms))) / df_items
    seen_runs = by_runs * rng.chisquare(df_runs, (draws, len(arms))) / df_runs
    total = seen_items + seen_runs
    df = total**2 / (seen_items**2 / df_items + seen_runs**2 / df_runs)
    summed_p = 2 * stats.t.sf(np.abs(deviation) / np.sqrt(total), df)
    with np.errstate(divide="ignore"):  # runs that are all equal: the sum alone
        runs_p = 2 * stats.t.sf(np.abs(deviation) / np.sqrt(seen_runs), df_runs)
    least: Array = np.maximum(summed_p, runs_p).min(1)
    return least


def root(covariance: Array) -> Array:
    """A matrix R with R R' = covariance, which may be singular."""
    values, vectors = np.linalg.eigh(covariance)
    found: Array = vectors * np.sqrt(np.clip(values, 0, None))
    return found


def simultaneous(endpoint: Endpoint, arms: Sequence[str], reference: str, alpha: float,
                 draws: int, seed: int) -> list[Row]:
    """A row an arm: difference from the reference, simultaneous interval, p by max-T, verdict.

    ``arms``: those of at least ``MANY`` seeds, where the reference has as many. An arm whose p is
    above alpha is tied with the reference. Empty without arms.
    """
    found = [difference(endpoint, arm, reference) for arm in arms]
    tested = [place for place, one in enumerate(found) if one.both[1] > resampling.TIE]
    least = np.array([])
    if tested:
        least = smallest_p(endpoint, [arms[place] for place in tested], reference,
                           [found[place] for place in tested], draws,
                           seeded.generator(seed, "max-T", endpoint.name, *arms))
    rows = []
    for place, (arm, one) in enumerate(zip(arms, found, strict=True)):
        delta = one.both[0]
        row: Row = {"arm": arm, "endpoint": endpoint.name, "unit": endpoint.unit,
                    "seeds": len(endpoint.seeds(arm)), "delta": delta, "ci": None, "p": None,
                    "p_max": None, "df": one.both[2] or None, "verdict": TIED}
        if place in tested:
            p = one.p() or closed_forms.SMALLEST
            level = min(float(np.quantile(least, alpha)), alpha)  # never less than for one arm
            adjusted = float((least <= p + 1e-12).sum() + 1) / (len(least) + 1)
            row |= {"p": p, "p_max": max(adjusted, p),
                    "ci": one.interval(level)}
            row["verdict"] = TIED if row["p_max"] > alpha else MORE if delta > 0 else LESS
        rows.append(row)
    return rows


def beside(endpoint: Endpoint, arm: str, reference: str, alpha: float) -> Row:
    """A row of an arm with too few runs: its difference from the reference, and whether it lies
    within the band of one more run of the reference. It is not tested."""
    value = float(endpoint.weights(arm, BASE[0]) @ endpoint.values())
    limits = band(endpoint, reference, alpha)
    delta = float(endpoint.weights(arm, reference) @ endpoint.values())
    where = "n/a" if limits is None else "within" if limits[0] <= value <= limits[1] else (
        "above" if value > limits[1] else "below")
    return {"arm": arm, "endpoint": endpoint.name, "unit": endpoint.unit,
            "seeds": len(endpoint.seeds(arm)), "delta": delta, "ci": None, "p": None,
            "p_max": None, "df": None, "verdict": POINT, "band": where}
