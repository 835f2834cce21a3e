"""Few clusters of unequal size: how many they are worth, and which methods keep their level.

A cluster (a document, here) is what is drawn; its segments resemble each other. With few clusters
most methods reject too often. The headline's method is the jackknife over clusters (CR3) with
Student's t on G* - 1 degrees of freedom, where G* = N^2 / sum n^2 is the number of equal clusters
that the unequal ones are worth (Kish 1965; jackknife: MacKinnon, Nielsen and Webb 2023,
https://doi.org/10.1016/j.jeconom.2022.04.001). It needs no model of the statistic, so it serves
corpus metrics and means of several of them. ``rejections`` checks it at given cluster sizes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from . import closed_forms, resampling

Array = NDArray[np.float64]
# Below so many effective clusters a table says so: the level still holds, but the interval leans on
# a handful of clusters and Student's quantile is 15 % above the normal one.
FEW = 10
RESAMPLES = 499  # of each simulated data set


def effective(sizes: Array | NDArray[np.intp]) -> float:
    """G* = (sum n)^2 / sum n^2: G for equal sizes, near 1 where one cluster holds nearly all."""
    return float(sizes.sum() ** 2 / (sizes**2).sum())


def correlation(se: float, se_of_items: float, items: int, worth: float) -> float | None:
    """Intraclass correlation that explains how much larger a clustered standard error is.

    From the design effect 1 + (N / G* - 1) icc (Kish 1965). Rough with few clusters; may be
    negative. None where nothing varies or where the clusters are single items.
    """
    crowd = items / worth
    if not se_of_items > 0 or crowd <= 1:
        return None
    return ((se / se_of_items) ** 2 - 1) / (crowd - 1)


def samples(sizes: NDArray[np.intp], icc: float, simulations: int, rng: np.random.Generator,
            ) -> Array:
    """Normal values of mean 0, variance 1 and this correlation within clusters:
    (simulations, N)."""
    shared = np.repeat(rng.standard_normal((simulations, len(sizes))), sizes, axis=1)
    own = rng.standard_normal((simulations, int(sizes.sum())))
    values: Array = np.sqrt(icc) * shared + np.sqrt(1 - icc) * own
    return values


def rejections(sizes: NDArray[np.intp], icc: float, alpha: float, simulations: int,
               rng: np.random.Generator) -> dict[str, float]:
    """How often each method rejects a true null at ``alpha``, for a mean over clustered segments.

    ``sizes``: segments of each of at least two clusters; ``icc``: intraclass correlation of their
    differences. Intervals of the same methods cover in the remaining cases.
    """
    values, items, groups = samples(sizes, icc, simulations, rng), sizes.sum(), len(sizes)
    totals = np.add.reduceat(values, np.r_[0, sizes.cumsum()[:-1]], axis=1)
    mean = totals.sum(1) / items
    left_out = (totals.sum(1, keepdims=True) - totals) / (items - sizes)
    weights = np.concatenate(list(resampling.bootstrap_weights(groups, RESAMPLES, rng)))
    low, high = resampling.percentile_interval(
        ((totals @ weights.T) / (weights @ sizes)).T, groups, alpha)
    coins = np.concatenate(list(resampling.swap_weights(groups, RESAMPLES, rng)))
    swaps = resampling.two_sided_p(((1 - 2 * coins) @ totals.T) / items, mean)

    def student(se: Array, df: float) -> Array:
        return np.abs(mean) > stats.t.ppf(1 - alpha / 2, df) * se

    return {name: float(np.mean(rejected)) for name, rejected in (
        ("sentences", student(values.std(1, ddof=1) / np.sqrt(items), items - 1)),
        ("bootstrap", (low > 0) | (high < 0)),
        ("jackknife", student(closed_forms.jackknife_se(left_out), effective(sizes) - 1)),
        ("swaps", swaps <= alpha))}
