"""What needs no translation skill: copying, fluency without meaning, and what a gain owes to them.

Shuffled references are those of other sentences: what a system's style, language and length earn
without meaning, mean of 20 seeded orders. People's thresholds were measured on systems that
translate, so they say nothing of a system at or below a floor.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ...rows.lexical import Array
from ...rows.pairing import SHUFFLED
from ...rows.results import COPY
from ...rows.segments import Corpus, Metric
from .estimates import Group, Row, Scored, estimate, minus, sizes

# Curves of mt-thresholds by metric. chrF++ is not in the paper; chrF's is not lent to it.
CURVES = {"chrf": "chrf", "xcomet": "xcometxxl", "xcomet-xl": "xcometxl", "comet22": "comet22",
          "cometkiwi22": "cometkiwi22", "xcomet-xxl": "xcometxxl", "wmt22-comet-da": "comet22",
          "wmt22-cometkiwi-da": "cometkiwi22"}
SPBLEU = {"tok:flores101": "spbleu101", "tok:flores200": "spbleu200"}  # by tokenizer
SATURATED = 0.99  # share of the curve's ceiling above which it says nothing more


def shuffled(data: Corpus, metric: Metric) -> Array | None:
    """Scores (systems, directions, orders) against shuffled references; None for neural metrics."""
    sums = data.shuffled_sums.get(metric.name)
    return None if sums is None else metric.score(sums)


def curve(metric: Metric) -> str | None:
    """The published curve for this very metric, or None. spBLEU has one by tokenizer."""
    if metric.name in ("spbleu", "spbleu200"):
        return next((found for tokenizer, found in SPBLEU.items()
                     if tokenizer in metric.signature.split("|")), None)
    return CURVES.get(metric.name)


def human_agreement(metric: Metric, delta: float) -> float | str | None:
    """Percent of cases in which people prefer the system that a difference this large favours.

    Kocmi et al. 2024 (https://aclanthology.org/2024.acl-long.110), package ``mt-thresholds``;
    fitted on systems close in quality. "saturated" within 1 % of the fitted curve's ceiling,
    where it cannot tell a large difference from a larger one. None for a metric it lacks.
    """
    import mt_thresholds

    name = curve(metric)
    if name is None:
        return None
    found = mt_thresholds.accuracy(abs(delta), name)
    return "saturated" if found >= SATURATED * mt_thresholds.accuracy(math.inf, name) else found


def beside(data: Corpus, metric: Metric, scores: Scored, row: Group, pair: tuple[int, int],
           alpha: float) -> Row:
    """Floors of a row of the translation table; all None for a metric that has none.

    ``above_copy``: the lower end of the interval over documents lies above copying.
    ``above_shuffled``: the score lies above each of the 20 shuffled ones (p <= 1/21).
    ``survives``: the part of the difference, if it is a gain, that shuffling keeps.
    """
    chance = shuffled(data, metric)
    if chance is None:
        return dict.fromkeys((COPY, SHUFFLED, "survives", "above_copy", "above_shuffled"))
    system, baseline = pair
    over_copy = estimate(minus(scores, system, len(data.systems) - 1), sizes(data), row.directions)
    ci = over_copy.interval(alpha)
    level = scores.whole[:, row.directions].mean(-1)
    orders = chance[:, row.directions].mean(1)
    delta = float(level[system] - level[baseline])
    kept = float((orders[system] - orders[baseline]).mean())
    return {COPY: float(level[-1]), SHUFFLED: float(orders[system].mean()),
            "survives": kept / delta if delta > 0 else None,
            "above_copy": ci is not None and ci[0] > 0,
            "above_shuffled": bool(level[system] > orders[system].max())}


def kind(verdict: str, survives: float | None, share: float) -> str | None:
    """What a row's gain is: "fluency" in the language where most of it survives shuffling."""
    if verdict != "better" or survives is None:
        return None
    return "fluency" if survives > share else "translation"


def floors(data: Corpus, metric: Metric, scores: Scored, rows: Sequence[Group], system: str,
           alpha: float) -> list[Row]:
    """Scores of all systems beside what needs no skill, and what ``system`` adds to it."""
    chance: Any = shuffled(data, metric)
    here, copied = data.systems.index(system), len(data.systems) - 1
    table = []
    for row in rows:
        level = scores.whole[:, row.directions].mean(-1)
        by_chance = chance[:, row.directions].mean((1, 2))
        over_copy = estimate(minus(scores, here, copied), sizes(data), row.directions)
        table.append({
            "direction": row.name, COPY: float(level[copied]), SHUFFLED: float(by_chance[here]),
            **{name: float(level[s]) for s, name in enumerate(data.systems[:-1])},
            **{f"shuffled_{name}": float(by_chance[s])
               for s, name in enumerate(data.systems[:-1])},
            "delta": over_copy.delta, "ci": over_copy.interval(alpha),
            "delta_shuffled": float(level[here] - by_chance[here])})
    return table
