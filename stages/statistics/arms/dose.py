"""A loss of known size: right answers of the base made wrong, and whether the test sees it.

No run is needed. Of every task that carries, a fixed share of the base's right answers is flipped,
those whose hashed ids come first, so a larger dose contains a smaller one. The flipped base is then
compared with the base by the test of the macro mean.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...common.hashes import text16
from ...rows.results import Results
from .. import closed_forms
from ..reasoning import decision
from ..reasoning.tasks import Row, Settings, by_item, by_task, clustered

GRID = [n / 1000 for n in range(1, 201)]  # shares tried for the smallest loss that is detected


def order(rows: Sequence[Row]) -> list[Row]:
    """The right answers among ``rows``, in the order in which they are flipped."""
    right = [row for row in rows if row["score"] == 1]
    return sorted(right, key=lambda row: text16(f"flip {row['task']} {row['doc_hash']} "
                                                f"{row['sample']}"))


def part(base: Results, share: float) -> decision.Part | None:
    """(change of the macro mean, SE, df) in shares after flipping; None where no task carries."""
    parts = []
    for task, rows in by_task(base).items():
        if not base.meta["tasks"][task]["carries"]:
            continue
        right = order(rows)
        wrong = {id(row) for row in right[:round(share * len(right))]}
        before = by_item(rows, lambda row: row["score"])
        after = by_item(rows, lambda row, wrong=wrong: (  # type: ignore[misc]
            0.0 if id(row) in wrong else row["score"]))
        scores = clustered(rows, [after, before])
        lost = int((scores.items[:, 0] < scores.items[:, 1]).sum())
        single = len(scores.sizes) == len(scores.items) and bool(
            np.isin(scores.items, (0, 1)).all())
        parts.append(closed_forms.sparse_mean(0, lost, len(scores.items)) if single
                     else scores.difference())
    return decision.even(parts) if parts else None


def response(base: Results, doses: Sequence[float], settings: Settings) -> list[Row]:
    """A row a dose: the true loss in points, what the test estimates, and its verdict."""
    rows = []
    for dose in doses:
        if (found := part(base, dose)) is None:
            return []
        margin = settings["margin_macro_pp"] / 100
        about = decision.as_row(found, margin, settings["alpha"], 100)
        rows.append({"arm": f"flipped {100 * dose:g} %", "share": dose,
                     "loss": 100 * true_loss(base, dose), "delta": 100 * found[0],
                     "ci": about["ci"], "p": about["p"],
                     "verdict": decision.verdict(found, margin, settings["alpha"])})
    return rows


def true_loss(base: Results, share: float) -> float:
    """Mean over tasks that carry, of flipped answers as a share of all: what was really lost."""
    losses = [round(share * len(order(rows))) / len(rows)
              for task, rows in by_task(base).items() if base.meta["tasks"][task]["carries"]]
    return float(np.mean(losses))


def detected(base: Results, settings: Settings) -> float | None:
    """The smallest loss of the macro mean, in points, that the test calls worse; None if none of
    up to a fifth of the right answers. A pure loss: no other answer changes, so a real system,
    whose answers change both ways, has to lose more."""
    for share in GRID:
        found = part(base, share)
        if found is not None and decision.verdict(
                found, settings["margin_macro_pp"] / 100, settings["alpha"]) == "worse":
            return 100 * true_loss(base, share)
    return None
