"""Rows of the translation tables, and their values with every document left out once.

A document is left out with all its segments in all directions and systems, so the directions of a
group are never taken for independent. Where a test set has no documents, each id is its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...rows.lexical import Array
from ...rows.segments import Corpus, Metric
from .. import closed_forms, clusters

Row = dict[str, Any]
Index = NDArray[np.intp]

ENGLISH = "eng_Latn"
GROUPS = ("into_eng", "out_of_eng", "low_resource", "mid_resource", "high_resource")


class Group(NamedTuple):
    """A row of the table: a direction, or a named set of them."""

    name: str
    directions: list[int]


class Scored(NamedTuple):
    """Corpus scores (..., directions) and the same without each document (..., documents)."""

    whole: Array
    left_out: Array


class Estimate(NamedTuple):
    """A difference in points, its jackknife standard error (nan: none) and degrees of freedom."""

    delta: float
    se: float
    df: float

    def interval(self, alpha: float) -> list[float] | None:
        return closed_forms.interval(*self, alpha)


def groups(directions: Sequence[str], languages: dict[str, Row]) -> list[Group]:
    """A row per direction, into and out of English, and by resources of the other language."""
    members: dict[str, list[int]] = {name: [] for name in GROUPS}
    for d, direction in enumerate(directions):
        source, target = direction.split("-")
        other = source if target == ENGLISH else target
        level = languages.get(other, {}).get("resource")
        for name, belongs in (("into_eng", target == ENGLISH), ("out_of_eng", source == ENGLISH),
                              (f"{level}_resource", True)):
            if belongs and name in members:
                members[name].append(d)
    return [*(Group(direction, [d]) for d, direction in enumerate(directions)),
            *(Group(name, found) for name, found in members.items() if found)]


def pool(table: Array, units: Index) -> Array:
    """Sum statistics (..., ids, columns) over the ids of each unit: (..., units, columns)."""
    order = np.argsort(units, kind="stable")
    starts = np.flatnonzero(np.diff(units[order], prepend=-1))
    return np.add.reduceat(table[..., order, :], starts, axis=-2)


def scored(metric: Metric, statistics: Array, documents: Index) -> Scored:
    """Scores of statistics (..., directions, ids, columns)."""
    pooled = pool(statistics, documents)
    whole = pooled.sum(-2)
    return Scored(metric.score(whole), metric.score(whole[..., None, :] - pooled))


def sizes(data: Corpus, present: Array | None = None) -> Array:
    """Segments of every direction and document: (directions, documents). All, or those marked."""
    marked = data.present if present is None else present
    return pool(marked[..., None].astype(float), data.documents)[..., 0]


def estimate(difference: Scored, counts: Array, directions: list[int]) -> Estimate:
    """The mean over directions, left out by document. ``counts``: see ``sizes``.

    Without a standard error where a direction has one document only, or where the documents are
    worth fewer than two of equal size.
    """
    of_each = counts[directions].sum(0)
    there = of_each > 0
    delta = float(difference.whole[directions].mean())
    if (counts[directions] > 0).sum(-1).min() < 2 or clusters.effective(of_each) < 2:
        return Estimate(delta, float("nan"), 0.0)
    se = closed_forms.jackknife_se(difference.left_out[directions][:, there].mean(0))
    return Estimate(delta, float(se), clusters.effective(of_each) - 1)


def minus(scores: Scored, system: int, baseline: int) -> Scored:
    """One system's scores minus another's; ``scores`` has the systems first."""
    return Scored(*(values[system] - values[baseline] for values in scores))
