"""What a metric says of pairs of systems, beside what people said of the same systems.

in     a dict a pair: {"better", "worse", "human": {"z", "p_below"}, "by": {metric: {"delta", "se",
       "df"}}}; ``better`` ranks above ``worse`` among people, delta is its score minus the other's
out    the same pairs with the tests of every metric, and one row of counts a metric

People separate a pair where the published test of their judgements is significant ("p_below" is a
number). A metric separates it where p, corrected for the number of pairs (Holm), is at most alpha.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from .. import closed_forms

Row = dict[str, Any]
ORDERS = {1: "same order", 0: "no order", -1: "opposite order"}


def tested(pairs: list[Row], alpha: float) -> list[Row]:
    """The pairs with "ci", "p", "p_holm" and "says" of every metric.

    "says" is the order that the metric gives (same, opposite or no order) and whether it is
    significant. Where nothing varies there is no p, and nothing is significant.
    """
    found = [{**pair, "by": {metric: {
        **row, "ci": closed_forms.interval(row["delta"], row["se"], row["df"], alpha),
        "p": closed_forms.two_sided_p(row["delta"], row["se"], row["df"])}
        for metric, row in pair["by"].items()}} for pair in pairs]
    for metric in found[0]["by"] if found else ():
        rows = [pair["by"][metric] for pair in found]
        for row, p in zip(rows, closed_forms.holm([row["p"] for row in rows]), strict=True):
            separated = p is not None and p <= alpha
            order = (row["delta"] > 0) - (row["delta"] < 0)
            row |= {"p_holm": p, "says": f"{ORDERS[order]}, "
                    + ("significant" if separated else "not significant")}
    return found


def counts(pairs: list[Row]) -> list[Row]:
    """One row a metric, of ``tested`` pairs: how often it agrees with people.

    "separated" and "together" count the pairs that people do and do not separate by what the
    metric says of them, "same_order" all pairs that it orders as people do.
    """
    found = []
    for metric in sorted(pairs[0]["by"] if pairs else ()):
        of = {apart: Counter(pair["by"][metric]["says"] for pair in pairs
                             if (pair["human"]["p_below"] is not None) == apart)
              for apart in (True, False)}
        found.append({"metric": metric, "pairs": len(pairs),
                      "same_order": sum(pair["by"][metric]["delta"] > 0 for pair in pairs),
                      "separated": {"pairs": of[True].total(), **words(of[True])},
                      "together": {"pairs": of[False].total(), **words(of[False])}})
    return found


def words(found: Counter[str]) -> dict[str, int]:
    """Counts of what a metric can say; "no order" only where it occurs."""
    return {says: found[says] for order in ORDERS.values()
            for says in (f"{order}, significant", f"{order}, not significant")
            if found[says] or order != "no order"}


def judged(pairs: list[Row], alpha: float) -> Row:
    """{"pairs", "agreement"}: everything that follows from deltas, their errors and the ranking."""
    found = tested(pairs, alpha)
    return {"pairs": found, "agreement": counts(found)}
