"""Compare systems on one test set: corpus metrics, resampled over sentence ids.

in   a ``Corpus`` (see ``rows.segments``) and the significance settings
out  rows of the translation and floor tables, raw and unrounded; scores are 0-100

An id stands for one sentence in all its translations, so an id is drawn with all directions and
all systems at once. Corpus metrics are recomputed from summed statistics in every resample. The
score of a group of directions is the mean of their corpus scores.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ...rows import lexical, seeded
from ...rows.lexical import Array
from ...rows.pairing import COPY, FLAGS, SHUFFLED
from ...rows.segments import Corpus, Metric
from .. import closed_forms, resampling, tables
from ..resampling import collect

Row = dict[str, Any]
Settings = dict[str, Any]
Index = NDArray[np.intp]

ENGLISH = "eng_Latn"
GROUPS = ("into_eng", "out_of_eng", "low_resource", "mid_resource", "high_resource")
THRESHOLDS = {"chrf++": "chrf", "spbleu": "spbleu101", "xcomet": "xcometxxl",
              "xcomet-xl": "xcometxl", "comet22": "comet22", "cometkiwi22": "cometkiwi22"}
SATURATED = 0.99  # share of the curve's ceiling above which it says nothing more


class Group(NamedTuple):
    """A row of the table: a direction, or a named set of them."""

    name: str
    directions: list[int]


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
    pooled = np.zeros((*table.shape[:-2], int(units.max()) + 1, table.shape[-1]))
    np.add.at(np.moveaxis(pooled, -2, 0), units, np.moveaxis(table, -2, 0))
    return pooled


def scorer(table: Array, score: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """Weights (rows, units) to scores (rows, ...), for statistics (..., units, columns)."""
    shape = (*table.shape[:-2], table.shape[-1])
    flat = np.moveaxis(table, -2, 0).reshape(table.shape[-2], -1)
    return lambda weights: score((weights @ flat).reshape(len(weights), *shape))


def by_units(data: Corpus, rows: Sequence[Group], by_document: bool,
             ) -> list[tuple[list[Group], Index, Index, str]]:
    """Rows that resample the same ids together: rows, ids kept, unit of each id, key of the draw.

    The key names the ids and nothing else, so a further direction, system or metric changes no
    draw. Where all directions have the same ids, that is one draw for the whole table.
    """
    found: dict[bytes, list[Group]] = {}
    for row in rows:
        found.setdefault(data.present[row.directions].any(0).tobytes(), []).append(row)
    out = []
    for members in found.values():
        kept = np.flatnonzero(data.present[members[0].directions].any(0))
        key = hashlib.sha256("\0".join(data.ids[i] for i in kept).encode()).hexdigest()
        names = data.documents[kept] if by_document else np.arange(len(kept))
        _, units = np.unique(names, return_inverse=True)
        out.append((members, kept, units, f"{'documents' if by_document else 'ids'} {key}"))
    return out


def bootstrap(data: Corpus, metric: Metric, rows: Sequence[Group], settings: Settings,
              by_document: bool = False) -> dict[str, tuple[Array, int]]:
    """Per row: scores of all systems in every resample, (resamples, systems), and its units."""
    found: dict[str, tuple[Array, int]] = {}
    for members, kept, units, key in by_units(data, rows, by_document):
        table = pool(data.statistics[metric.name][:, :, kept], units)
        count = table.shape[2]
        draws = collect(resampling.bootstrap_weights(
            count, settings["resamples"], seeded.generator(settings["seed"], "bootstrap", key)),
            scorer(table, metric.score))
        found |= {row.name: (draws[..., row.directions].mean(-1), count) for row in members}
    return {row.name: found[row.name] for row in rows}


def randomisation_p(data: Corpus, metric: Metric, rows: Sequence[Group], pair: tuple[int, int],
                    settings: Settings, by_document: bool = False) -> dict[str, float]:
    """Approximate randomisation (Noreen 1989; Riezler and Maxwell 2005), two-sided, per row.

    Every unit's two systems change places with probability 1/2, in all directions at once.
    """
    found = {}
    system, baseline = pair
    for members, kept, units, key in by_units(data, rows, by_document):
        table = pool(data.statistics[metric.name][:, :, kept], units)
        a, b = table[system], table[baseline]
        totals = np.stack([a.sum(-2), b.sum(-2)])
        moved = scorer(b - a, lambda sums: sums)

        def differences(weights: Array, totals: Array = totals, moved: Any = moved) -> Array:
            change = moved(weights)
            return metric.score(totals[0] + change) - metric.score(totals[1] - change)

        draws = collect(resampling.swap_weights(
            table.shape[2], settings["ar_trials"],
            seeded.generator(settings["seed"], "swaps", key)), differences)
        observed = metric.score(totals[0]) - metric.score(totals[1])
        for row in members:
            found[row.name] = float(resampling.two_sided_p(
                draws[:, row.directions].mean(-1), observed[row.directions].mean()))
    return found


def jackknife(data: Corpus, metric: Metric, row: Group, pair: tuple[int, int]) -> float:
    """Standard error of the difference of a row, ids left out one at a time."""
    kept = data.present[row.directions].any(0)
    table = data.statistics[metric.name][list(pair)][:, row.directions][:, :, kept]
    scores = metric.score(table.sum(-2, keepdims=True) - table).mean(1)
    return float(closed_forms.jackknife_se(scores[0] - scores[1]))


def human_agreement(metric: str, delta: float) -> float | str | None:
    """Percent of cases in which people prefer the system that a difference this large favours.

    Kocmi et al. 2024 (https://aclanthology.org/2024.acl-long.110), package ``mt-thresholds``;
    fitted on systems close in quality. "saturated" within 1 % of the fitted curve's ceiling,
    where it cannot tell a large difference from a larger one. None for a metric it lacks.
    """
    import mt_thresholds

    curve = THRESHOLDS.get(metric)
    if curve is None:
        return None
    found = mt_thresholds.accuracy(abs(delta), curve)
    return "saturated" if found >= SATURATED * mt_thresholds.accuracy(math.inf, curve) else found


def compare(data: Corpus, metric: Metric, rows: Sequence[Group], system: str, baseline: str,
            settings: Settings, draws: dict[str, tuple[Array, int]],
            document_draws: dict[str, tuple[Array, int]]) -> list[Row]:
    """The translation table of a contrast and metric; ``draws`` come from ``bootstrap``."""
    pair = (data.systems.index(system), data.systems.index(baseline))
    alpha = settings["alpha"]
    margin = settings["equivalence"].get(metric.name)
    totals = data.statistics[metric.name].sum(-2)
    scores = metric.score(totals)
    agreed = lexical.chrf_of_pp(totals) if metric.name == "chrf++" else scores
    p_values = randomisation_p(data, metric, rows, pair, settings)
    clustered = len(np.unique(data.documents)) < len(data.ids)
    p_documents = randomisation_p(data, metric, rows, pair, settings, True) if clustered else {}
    table = []
    for row in rows:
        level, change, agreement = (values[:, row.directions].mean(-1) for values in (
            scores, scores, agreed))
        delta = float(change[pair[0]] - change[pair[1]])
        sampled, units = draws[row.name]
        se = jackknife(data, metric, row, pair)
        kept = data.present[row.directions].any(0)
        same = bool(np.array_equal(*data.statistics[metric.name][list(pair)][:, row.directions]))
        found: Row = {
            "direction": row.name, "n": int(data.present[row.directions].sum()), "ids": units,
            "documents": len(np.unique(data.documents[kept])),
            "baseline": float(level[pair[1]]), "system": float(level[pair[0]]), "delta": delta,
            "ci": interval(sampled[:, pair[0]] - sampled[:, pair[1]], units, alpha),
            "se": se, "p": p_values[row.name], "mde": closed_forms.detectable(se, alpha) or None,
            "p_ni": margin and closed_forms.noninferior_p(delta, se, units - 1, margin),
            "p_tost": margin and closed_forms.tost_p(delta, se, units - 1, margin),
            "bound": closed_forms.lower_bound(delta, se, units - 1, alpha), "same": same,
            "agreement": human_agreement(metric.name, float(
                agreement[pair[0]] - agreement[pair[1]])),
            "ci_documents": None, "p_documents": p_documents.get(row.name)}
        if clustered:
            sampled, units = document_draws[row.name]
            found["ci_documents"] = interval(sampled[:, pair[0]] - sampled[:, pair[1]], units,
                                             alpha)
        for flag in FLAGS:
            values = data.flags[flag][:, row.directions].mean(-1)
            found |= {f"{flag}_baseline": float(values[pair[1]]),
                      f"{flag}_system": float(values[pair[0]])}
        table.append(found)
    single = [row for row, group in zip(table, rows, strict=True)
              if group.name in data.directions]
    grouped = [row for row in table if row not in single]
    for family in (single, grouped):  # directions and groups are families of their own
        for found, p in zip(family, closed_forms.holm([row["p"] for row in family]), strict=True):
            found["p_holm"] = p
            found["verdict"] = closed_forms.verdict(
                found["delta"], p, found["p_ni"], found["p_tost"], alpha,
                "identical outputs" if found.pop("same") else "")
    return table


def agreement(by_metric: dict[str, list[Row]]) -> None:
    """Set ``agree`` on every row: do the metrics tell the same story?"""
    for rows in zip(*by_metric.values(), strict=True):
        signs = {row["delta"] > 0 for row in rows if row["delta"]}
        words = {row["verdict"] for row in rows}
        for row in rows:
            row["agree"] = None if len(rows) < 2 else "no" if len(signs) > 1 else \
                "yes" if len(words) == 1 else "partly"


def interval(draws: Array, units: int, alpha: float) -> list[float] | None:
    """A percentile interval as a list, None if there is too little to draw from."""
    low, high = resampling.percentile_interval(draws, units, alpha)
    return [float(low), float(high)] if np.isfinite(low) else None


def floors(data: Corpus, metric: Metric, rows: Sequence[Group], system: str,
           settings: Settings, draws: dict[str, tuple[Array, int]]) -> list[Row]:
    """Scores of all systems beside what needs no skill, and what ``system`` adds to copying."""
    scores = metric.score(data.statistics[metric.name].sum(-2))
    here, copied = data.systems.index(system), len(data.systems) - 1
    table = []
    for row in rows:
        level = scores[:, row.directions].mean(-1)
        chance = data.shuffled[metric.name][:, row.directions].mean(-1)
        sampled, units = draws[row.name]
        table.append({
            "direction": row.name, COPY: float(level[copied]), SHUFFLED: float(chance[here]),
            **{name: float(level[s]) for s, name in enumerate(data.systems[:-1])},
            **{f"shuffled_{name}": float(chance[s])
               for s, name in enumerate(data.systems[:-1])},
            "delta": float(level[here] - level[copied]),
            "ci": interval(sampled[:, here] - sampled[:, copied], units, settings["alpha"]),
            "delta_shuffled": float(level[here] - chance[here])})
    return table


def notes(data: Corpus, metric: Metric, rows: Sequence[Row], settings: Settings) -> list[str]:
    """What a reader of the translation table has to know."""
    margin, alpha = settings["equivalence"].get(metric.name), settings["alpha"]
    said = [f"{metric.label}: {metric.signature}.",
            f"{settings['resamples']} resamples and {settings['ar_trials']} swaps of sentence ids, "
            "each id with all its translations; the same draw serves every row. At p = "
            f"{alpha} the Monte Carlo error ({tables.level(alpha)}) is "
            f"{monte_carlo_error(settings['ar_trials'], alpha):.4f}.",
            "Groups are means of their directions' corpus scores. Directions and groups are "
            "separate Holm families."]
    if margin:
        said.append(f"Margin for maintained and equivalent: {margin} {metric.label}.")
    if metric.name in ("chrf++", "spbleu"):
        said.append("Human agreement is that of " + (
            "the chrF difference" if metric.name == "chrf++" else "spBLEU with the FLORES-101 "
            "tokenizer, also where this run's tokenizer is another") + ".")
    if any(row["p_documents"] is not None for row in rows):
        lost = [row["direction"] for row in rows if row["verdict"] in ("better", "worse")
                and row["p_documents"] > alpha]
        said.append("Sentences are the unit. Drawing whole documents instead, where sentences "
                    "share one, " + (f"p exceeds alpha for {', '.join(lost)}." if lost else
                                     "leaves p of every better or worse row below alpha."))
    return said


def monte_carlo_error(trials: int, alpha: float) -> float:
    """Half-width of the 1 - alpha interval of a p of alpha estimated from ``trials`` draws."""
    return float(stats.norm.ppf(1 - alpha / 2)) * math.sqrt(alpha * (1 - alpha) / trials)
