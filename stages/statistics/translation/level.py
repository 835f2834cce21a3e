"""Which methods keep their level at the documents of this very test set."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ...rows import seeded
from ...rows.segments import Corpus
from .. import clusters
from .estimates import Group, Row, sizes

CORRELATIONS = (0.0, 0.05, 0.1, 0.2)
CONFIDENCE = 0.99  # of all rows of the table together


def fewest(data: Corpus, rows: Sequence[Group]) -> NDArray[np.intp] | None:
    """Sentences per document of that row whose documents are worth the fewest, but at least two.

    Ids are counted, not translations of them. None if no row has so many.
    """
    found = [of_each[of_each > 0].astype(int) for row in rows for of_each in sizes(
        data, data.present[row.directions].any(0, keepdims=True))]
    tested = [of_each for of_each in found if clusters.effective(of_each) >= 2]
    return min(tested, key=clusters.effective, default=None)


def levels(data: Corpus, rows: Sequence[Group], alpha: float, simulations: int, seed: int,
           ) -> tuple[list[Row], list[str]]:
    """The table's rows and notes; none where no method has two documents to work with."""
    of_each = fewest(data, rows)
    if of_each is None:
        return [], ["Fewer than two effective documents: nothing is tested."]
    z = stats.norm.ppf(1 - (1 - CONFIDENCE) / 2 / len(CORRELATIONS))
    band = z * np.sqrt(alpha * (1 - alpha) / simulations)
    found = []
    for icc in CORRELATIONS:
        rng = seeded.generator(seed, "level", *map(str, of_each), str(icc))
        shares = clusters.rejections(of_each, icc, alpha, simulations, rng)
        excess = shares["jackknife"] - alpha
        found.append({"icc": icc, **{name: 100 * share for name, share in shares.items()},
                      "coverage": 100 * (1 - shares["jackknife"]),
                      "holds": "too often" if excess > band else
                      "conservative" if excess < -band else "holds"})
    notes = [f"{simulations} simulated sets an intraclass correlation; {len(of_each)} documents of "
             f"{of_each.min()} to {of_each.max()} segments, worth {clusters.effective(of_each):.1f}"
             f" of equal size. Shares within ±{100 * band:.1f} points of {100 * alpha:g} % are "
             f"what a true level gives in {100 * CONFIDENCE:g} % of such tables."]
    if any(row["holds"] == "too often" for row in found):
        notes.append("No method holds at these documents: read every interval as too narrow and "
                     "every p as too small.")
    return found, notes
