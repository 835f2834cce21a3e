"""What one (difference, standard error, degrees of freedom) decides: tests, interval and verdict.

p, interval, bound and verdict of a mean come from the same three numbers, so they cannot
contradict each other, and a verdict can be simulated (``power``). Differences and margins are in
one unit, whichever it is; every one-sided test is at half of alpha, so that a bound is an end of
the two-sided interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from .. import closed_forms
from ..resampling import Array

Part = tuple[float, float, float]


def tests(part: Part, margin: float | None) -> dict[str, float | None]:
    """``p`` (t, two-sided), ``p_ni`` and ``p_tost`` (one-sided; None without a margin)."""
    found = {"p": closed_forms.two_sided_p(*part), "p_ni": None, "p_tost": None}
    if margin is not None:
        found |= {"p_ni": closed_forms.noninferior_p(*part, margin),
                  "p_tost": closed_forms.tost_p(*part, margin)}
    return found


def even(parts: Sequence[Part]) -> Part:
    """The mean of independent parts, each with the same weight."""
    return closed_forms.combine([1 / len(parts)] * len(parts), parts)


def verdict(part: Part, margin: float | None, alpha: float) -> str:
    """The verdict of a mean that stands alone (no correction for a family)."""
    found = tests(part, margin)
    return closed_forms.verdict(part[0], found["p"], found["p_ni"], found["p_tost"], alpha)


def sampled(differences: Sequence[float]) -> Part:
    """The mean over tasks that are themselves a sample: t over their differences, K - 1 df.

    What one task loses or gains differs from task to task, and that spread stands in the standard
    error beside the spread of items. The SE is nan below two tasks.
    """
    values = np.array(differences)
    if len(values) < 2:
        return float(values.mean()), float("nan"), 0.0
    return (float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values))),
            len(values) - 1.0)


def turns(names: Sequence[str], parts: Sequence[Part], margin: float | None, alpha: float) -> str:
    """Which task's absence would change the verdict of the mean, and into what."""
    if len(parts) < 2:
        return "n/a (one task)"
    whole = verdict(even(parts), margin, alpha)
    without = [verdict(even([*parts[:n], *parts[n + 1:]]), margin, alpha)
               for n in range(len(parts))]
    return "; ".join(f"without {name}: {other}" for name, other in zip(names, without, strict=True)
                     if other != whole) or "none"


def even_many(delta: Array, se: Array, df: Array) -> tuple[Array, Array, Array]:
    """``even`` for many sets at once: delta and se (sets, tasks), df the same or
    (tasks,); each (sets,).

    The SE and df are nan where nothing varies: such a set decides nothing.
    """
    squares = (se / delta.shape[1]) ** 2
    total = squares.sum(1)
    total[total == 0] = np.nan
    return delta.mean(1), np.sqrt(total), total**2 / (squares**2 / df).sum(1)


def verdicts(delta: Array, se: Array, df: Array, margin: float, alpha: float) -> NDArray[np.str_]:
    """``verdict`` for many means at once, all (sets,); inconclusive where the SE is nan."""
    p = 2 * stats.t.sf(np.abs(delta) / se, df)
    below, above = (stats.t.sf((side * delta + margin) / se, df) for side in (1, -1))
    return np.select(
        [(p <= alpha) & (delta > 0), (p <= alpha) & (delta < 0),
         np.maximum(below, above) <= alpha / 2, below <= alpha / 2],
        ["better", "worse", "equivalent", "maintained"], "inconclusive")


def as_row(part: Part, margin: float | None, alpha: float, scale: float) -> dict[str, Any]:
    """Interval, bound (its lower end), standard error, tests and detectable difference, in
    printed units."""
    ci = closed_forms.interval(*part, alpha)
    return {"ci": None if ci is None else [scale * end for end in ci],
            "bound": None if ci is None else scale * ci[0],
            "se": scale * part[1] if part[2] else None, **tests(part, margin),
            "mde": scale * closed_forms.detectable(part[1], alpha) if part[2] else None}
