"""Tests of paired differences in closed form, the Holm correction, and verdicts.

Scores are shares between 0 and 1, margins positive shares, differences system minus baseline.
Which test stands behind which verdict (all calibrated in the tests):

  row                     better / worse                  maintained, equivalent
  one task, 0/1 scores,   exact McNemar                   score test of Tango, one- and two-sided
    one sample, no clusters
  any other task          sign flips of cluster totals    t on the clustered standard error
  mean over tasks         t on the summed standard        the same t
                            errors
  gold log-probability    t on the clustered standard     the same t
                            errors
  tasks as a sample       t over the tasks' differences   the same t
  corpus metric           t on the jackknife over         the same t
                            documents, G* - 1 df

alpha is two-sided; every one-sided test and bound behind a verdict is held to alpha / 2.
Resampling (swaps, flips, bootstrap intervals) is in ``resampling``, few clusters in ``clusters``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

Array = NDArray[np.float64]
POWER = 0.8
SMALLEST = float(np.finfo(float).tiny)  # no p-value is 0
VERDICTS = ("worse", "n/a", "cannot show harm", "inconclusive", "maintained", "equivalent",
            "better")  # the least favourable first


def mcnemar_p(gained: int, lost: int) -> float:
    """Exact two-sided McNemar test: 2 P(X <= min(b, c)), X ~ Binomial(b + c, 1/2), at most 1.

    ``gained``: items that only the system solves; ``lost``: only the baseline. Independent items
    with 0/1 scores only. Conservative when few items differ: see ``mcnemar_size``.
    """
    return min(1.0, 2 * float(stats.binom.cdf(min(gained, lost), gained + lost, 0.5)))


def mcnemar_mid_p(gained: int, lost: int) -> float:
    """McNemar's mid-p: half of the observed outcome's probability counts (Fagerland et al. 2013,
    https://doi.org/10.1186/1471-2288-13-91). Close to its nominal size, without its guarantee."""
    point = float(stats.binom.pmf(min(gained, lost), gained + lost, 0.5))
    return 1.0 if gained == lost else mcnemar_p(gained, lost) - point


def mcnemar_size(discordant: int, alpha: float) -> float:
    """How often the exact test rejects two equal systems that differ on ``discordant`` items."""
    gained = np.arange(discordant + 1)
    rejected = 2 * stats.binom.cdf(np.minimum(gained, gained[::-1]), discordant, 0.5) <= alpha
    return float(stats.binom.pmf(gained[rejected], discordant, 0.5).sum())


def cluster_mean(totals: Array, sizes: Array) -> tuple[float, float, int]:
    """Mean over items, its clustered standard error and degrees of freedom (clusters - 1).

    ``totals``: sum of differences per cluster; ``sizes``: its items. With D the mean and N items
    in G clusters, SE^2 = G/(G-1) * sum (total - D * size)^2 / N^2 (Miller 2024, arXiv 2411.00640,
    with the small-sample factor). With clusters of one item it is sd / sqrt(n). The SE is nan for
    a single cluster.
    """
    groups, items = len(totals), sizes.sum()
    delta = totals.sum() / items
    if groups < 2:
        return float(delta), float("nan"), 0
    residual = totals - delta * sizes
    square = groups / (groups - 1) * float(residual @ residual) / items**2
    return float(delta), float(np.sqrt(square)), groups - 1


def sparse_mean(gained: int, lost: int, items: int) -> tuple[float, float, int]:
    """Difference of two shares and its standard error with half an item added to every cell.

    Agresti and Min 2005 (https://doi.org/10.1002/sim.1781). Where hardly any item differs, the
    plain standard error is too small, or 0, and its t test passes for non-inferior too often.
    """
    total = items + 2
    delta = (gained - lost) / total
    square = ((gained + lost + 1) / total - delta**2) / (total - 1)
    return delta, float(np.sqrt(square)), items - 1


def combine(weights: Sequence[float], parts: Sequence[tuple[float, float, float]],
            ) -> tuple[float, float, float]:
    """Weighted sum of independent (mean, SE, df): its mean, SE and Satterthwaite's df.

    SE^2 = sum w^2 se^2; df = SE^4 / sum (w^4 se^4 / df) (Satterthwaite 1946).
    """
    squares = [(w * se) ** 2 for w, (_, se, _) in zip(weights, parts, strict=True)]
    total = sum(squares)
    spread = sum(s**2 / df for s, (_, _, df) in zip(squares, parts, strict=True) if df)
    return (sum(w * mean for w, (mean, _, _) in zip(weights, parts, strict=True)),
            float(np.sqrt(total)), total**2 / spread if spread else 0.0)


def jackknife_se(left_out: Array, axis: int = -1) -> Array:
    """Standard error of a statistic from its values with each of n units left out.

    SE^2 = (n-1)/n * sum (theta_i - mean theta)^2 (Efron and Tibshirani 1993, ch. 11). For smooth
    statistics such as BLEU and chrF; not for medians. Equals sd / sqrt(n) for a mean.
    """
    n = left_out.shape[axis]
    spread = left_out - left_out.mean(axis=axis, keepdims=True)
    return np.sqrt((n - 1) / n * (spread**2).sum(axis=axis))


def two_sided_p(delta: float, se: float, df: float) -> float | None:
    """Two-sided p of H0: the true difference is 0; t = delta / se. None without a
    standard error."""
    if not (se > 0 and df > 0):
        return None
    return max(2 * float(stats.t.sf(abs(delta) / se, df)), SMALLEST)


def interval(delta: float, se: float, df: float, alpha: float) -> list[float] | None:
    """Student's 1 - alpha interval, [low, high]: what ``two_sided_p`` does not reject at alpha."""
    if not (se > 0 and df > 0):
        return None
    half = float(stats.t.ppf(1 - alpha / 2, df)) * se
    return [float(delta - half), float(delta + half)]


def noninferior_p(delta: float, se: float, df: float, margin: float) -> float | None:
    """One-sided p of H0: the true difference is -margin or worse; t = (delta + margin) / se.

    None without a standard error (nothing varies, or one unit only).
    """
    if not (se > 0 and df > 0):
        return None
    return max(float(stats.t.sf((delta + margin) / se, df)), SMALLEST)


def tost_p(delta: float, se: float, df: float, margin: float) -> float | None:
    """Two one-sided tests of H0: the true difference is at least the margin away from 0
    (Schuirmann 1987): the larger of the two p-values."""
    below = noninferior_p(delta, se, df, margin)
    above = noninferior_p(-delta, se, df, margin)
    return None if below is None or above is None else max(below, above)


def lower_bound(delta: float, se: float, df: float, alpha: float) -> float | None:
    """One-sided 1 - alpha bound: minus the smallest margin at which ``noninferior_p`` <= alpha.

    alpha is one-sided here: give half of that of a two-sided test.
    """
    return float(delta - stats.t.ppf(1 - alpha, df) * se) if se > 0 and df > 0 else None


def tango_p(gained: int, lost: int, items: int, margin: float) -> float:
    """One-sided p of H0: share gained - share lost = -margin, by Tango's score test.

    z = (b - c + n m) / sqrt(n (2 q - m (1 + m))), where q is the share of losses that is most
    likely under H0: the larger root of 2n q^2 - (b + c + (2n - b + c) m) q + c m (1 + m) = 0
    (Tango 1998, https://doi.org/10.1002/(SICI)1097-0258(19980430)17:8<891::AID-SIM780>3.0.CO;2-B).
    Valid for independent items with 0/1 scores, also when none differs. 0 < margin < 1.
    """
    b, c, n, m = gained, lost, items, margin
    half = b + c + (2 * n - b + c) * m
    q = (half + np.sqrt(max(half**2 - 8 * n * c * m * (1 + m), 0.0))) / (4 * n)
    variance = n * (2 * q - m * (1 + m))
    z = (b - c + n * m) / np.sqrt(variance) if variance > 0 else np.inf * np.sign(b - c + n * m)
    return max(float(stats.norm.sf(z)), SMALLEST)


def tango_bound(gained: int, lost: int, items: int, alpha: float) -> float:
    """One-sided 1 - alpha bound: the difference at which ``tango_p`` is alpha (one-sided)."""
    def excess(margin: float) -> float:
        return _signed_tango(gained, lost, items, margin) - alpha

    return -float(optimize.brentq(excess, -1 + 1e-9, 1 - 1e-9, xtol=1e-12))


def _signed_tango(gained: int, lost: int, items: int, margin: float) -> float:
    """``tango_p`` for margins of either sign: H0 with -margin is H0 with roles exchanged."""
    if margin >= 0:
        return tango_p(gained, lost, items, max(margin, 1e-12))
    return 1 - tango_p(lost, gained, items, -margin)


def detectable(se: float, alpha: float, df: float = np.inf) -> float:
    """Smallest true difference found with 80 % power: (t_{1-alpha/2} + t_{0.8}) * SE.

    Student's quantiles with ``df`` degrees of freedom, the normal ones without.
    """
    return float((stats.t.ppf(1 - alpha / 2, df) + stats.t.ppf(POWER, df)) * se)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down correction (1979): max over j <= i of (m - j + 1) p_(j), at most 1.

    Controls the family-wise error under any dependence. None stays None and is not counted.
    """
    order = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, place) in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * p))
        adjusted[place] = highest
    return adjusted


def interquartile_mean(values: Array) -> Array:
    """Mean of the middle half along the last axis (IQM; Agarwal et al. 2021, arXiv 2108.13264).

    A quarter of the values, rounded down, is cut at each end. The plain mean below 4 values.
    """
    cut = values.shape[-1] // 4
    return np.sort(values, axis=-1)[..., cut:values.shape[-1] - cut].mean(-1)


def correlation(a: Array, b: Array) -> float | None:
    """Pearson's correlation of two systems' item scores; None where one of them is constant."""
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    return float(np.corrcoef(a, b)[0, 1])


def verdict(delta: float, p: float | None, noninferior: float | None, equivalent: float | None,
            alpha: float, why_not: str = "") -> str:
    """The one word for a row. ``p`` is two-sided and corrected, held to alpha; the other two are
    one-sided, held to alpha / 2.

    Read from the top, so that a proven loss wins over "no loss beyond the margin":
    better (gain), worse (loss), equivalent (within the margin on both sides), maintained (on the
    side of harm), inconclusive. n/a with a reason if nothing was tested.
    """
    if p is None or why_not:
        return f"n/a ({why_not or 'not tested'})"
    if p <= alpha and delta != 0:
        return "better" if delta > 0 else "worse"
    if equivalent is not None and equivalent <= alpha / 2:
        return "equivalent"
    if noninferior is not None and noninferior <= alpha / 2:
        return "maintained"
    return "inconclusive"


def weaker(verdicts: Sequence[str]) -> str:
    """The least favourable of several verdicts on one claim, with its reason if it has one.

    A gain need not lie within the margin: what "better" and "equivalent" both show is that nothing
    was lost beyond it, which is "maintained".
    """
    if set(verdicts) == {"better", "equivalent"}:
        return "maintained"
    return min(verdicts, key=lambda word: VERDICTS.index(word.split(" (")[0]))
