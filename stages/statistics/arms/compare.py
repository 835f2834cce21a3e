"""Differences between arms: item and run variance summed, and several arms at once.

With S runs of an arm the mean of their differences D_s has the variance

    SE^2 = SE_items^2 + sd(D_s)^2 / S,     df by Satterthwaite from both parts,

where SE_items is the jackknife over items of the mean over runs. Against an arm of the same seeds
the D_s are paired by seed (the data order is the same); otherwise both arms' spreads are added.
With 3 seeds t on seed means alone leaves out the items, and a percentile bootstrap of seeds has
three values to draw from; this sum is simulated in the tests.

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
from .. import closed_forms
from ..closed_forms import Array
from ..reasoning.decision import Part
from .runs import BASE, Endpoint, spread

Row = dict[str, Any]
MANY = 3  # seeds from which on an arm is tested
TIED, MORE, LESS, POINT = "tied", "more", "less", "one run: not ranked"


class Difference(NamedTuple):
    """Mean of one arm minus another: by items and by runs, and both summed; nan where unknown."""

    items: Part
    runs: Part
    both: Part


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


def correlation(endpoint: Endpoint, arms: Sequence[str], reference: str,
                found: Sequence[Difference]) -> Array:
    """Correlation of the arms' differences from the reference: items, and runs at one half."""
    items = endpoint.item_covariance(np.stack([
        endpoint.weights(arm, reference) for arm in arms]))
    of_runs = np.array([one.runs[1] for one in found])
    runs = np.outer(of_runs, of_runs) * (0.5 + 0.5 * np.eye(len(arms)))
    total = items + runs
    scale = np.sqrt(np.diag(total))
    made: Array = total / np.outer(scale, scale)
    return made


def smallest_p(corr: Array, draws: int, rng: np.random.Generator) -> Array:
    """The smallest two-sided p among arms that are all equal to the reference: (draws,)."""
    values, vectors = np.linalg.eigh(corr)
    root = vectors * np.sqrt(np.clip(values, 0, None))
    z = np.abs(rng.standard_normal((draws, len(corr))) @ root.T).max(1)
    found: Array = 2 * stats.norm.sf(z)
    return found


def simultaneous(endpoint: Endpoint, arms: Sequence[str], reference: str, alpha: float,
                 draws: int, seed: int) -> list[Row]:
    """A row an arm: difference from the reference, simultaneous interval, p by max-T, verdict.

    ``arms``: those of at least ``MANY`` seeds, where the reference has as many. An arm whose p is
    above alpha is tied with the reference. Empty without arms.
    """
    found = [difference(endpoint, arm, reference) for arm in arms]
    tested = [place for place, one in enumerate(found) if one.both[1] > 0]
    least = np.array([])
    if tested:
        least = smallest_p(correlation(endpoint, [arms[place] for place in tested], reference, [
            found[place] for place in tested]), draws, seeded.generator(
                seed, "max-T", endpoint.name, *arms))
    rows = []
    for place, (arm, one) in enumerate(zip(arms, found, strict=True)):
        delta = one.both[0]
        row: Row = {"arm": arm, "endpoint": endpoint.name, "unit": endpoint.unit,
                    "seeds": len(endpoint.seeds(arm)), "delta": delta, "ci": None, "p": None,
                    "p_max": None, "df": one.both[2] or None, "verdict": TIED}
        if place in tested:
            p = closed_forms.two_sided_p(*one.both) or 0.0
            level = float(np.quantile(least, alpha))
            adjusted = float((least <= p + 1e-12).sum() + 1) / (len(least) + 1)
            row |= {"p": p, "p_max": max(adjusted, p),
                    "ci": closed_forms.interval(*one.both, level)}
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
