"""Compare systems on one test set by corpus metrics, documents as the unit.

in   a ``Corpus`` (see ``rows.segments``) and the significance settings
out  rows of the translation table, raw and unrounded; scores are 0-100

The headline interval, p, detectable difference and verdict come from leaving out one document at a
time (``estimates``), with Student's t on the effective number of documents (``clusters``). Beside
them stand what readers expect, paired bootstrap and approximate randomisation over sentence ids,
each id with all its translations and all systems at once; and, as a check of the documents' p that
needs no standard error, the same randomisation of whole documents. Corpus metrics are recomputed
from summed statistics every time. The score of a group of directions is the mean of their corpus
scores.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy import stats

from ...rows import seeded
from ...rows.lexical import Array
from ...rows.results import FLAGS
from ...rows.segments import Corpus, Metric
from .. import closed_forms, clusters, resampling, tables
from ..resampling import collect
from . import floors, off_target
from .estimates import Estimate, Group, Index, Row, Scored, estimate, minus, pool, sizes
from .tables import place

Settings = dict[str, Any]


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
              ) -> dict[str, Array]:
    """Per row: scores of all systems in every resample of sentence ids, (resamples, systems)."""
    found: dict[str, Array] = {}
    for members, kept, _, key in by_units(data, rows, False):
        table = data.statistics[metric.name][:, :, kept]
        draws = collect(resampling.bootstrap_weights(
            len(kept), settings["resamples"],
            seeded.generator(settings["seed"], "bootstrap", key)), scorer(table, metric.score))
        found |= {row.name: draws[..., row.directions].mean(-1) for row in members}
    return found


def randomisation_p(data: Corpus, metric: Metric, rows: Sequence[Group], pair: tuple[int, int],
                    settings: Settings, by_document: bool) -> dict[str, float]:
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


def compare(data: Corpus, metric: Metric, scores: Scored, rows: Sequence[Group], system: str,
            baseline: str, settings: Settings, draws: dict[str, Array]) -> list[Row]:
    """The translation table of a contrast and metric.

    ``scores``: of all systems, from ``estimates.scored``; ``draws``: from ``bootstrap``.
    """
    pair = (data.systems.index(system), data.systems.index(baseline))
    alpha, margin = settings["alpha"], settings["equivalence"].get(metric.name)
    difference, counts = minus(scores, *pair), sizes(data)
    by_sentence = randomisation_p(data, metric, rows, pair, settings, False)
    clustered = len(np.unique(data.documents)) < len(data.ids)
    by_document = randomisation_p(data, metric, rows, pair, settings, True) if clustered else {}
    table = []
    for row in rows:
        found = estimate(difference, counts, row.directions)
        level = scores.whole[:, row.directions].mean(-1)
        floor = floors.beside(data, metric, scores, row, pair, alpha)
        at_floor = floor["above_copy"] is False or floor["above_shuffled"] is False
        same = bool(np.array_equal(*data.statistics[metric.name][list(pair)][:, row.directions]))
        sampled = draws[row.name][:, pair[0]] - draws[row.name][:, pair[1]]
        table.append({
            "direction": row.name, "baseline": float(level[pair[1]]),
            "system": float(level[pair[0]]), **units(data, counts, row, found, sampled),
            **tested(found, same, None if at_floor else margin, alpha),
            **by_draws(sampled, by_sentence[row.name], by_document.get(row.name),
                       int(data.present[row.directions].any(0).sum()), settings),
            "agreement": None if at_floor else floors.human_agreement(metric, found.delta), **floor,
            **off_target.rates(data, row, pair, settings["off_target_false_alarm"]),
            **flags(data, row, pair),
            "verdict": untested(found, counts, row, same)})
    for family in (table[:len(data.directions)], table[len(data.directions):]):
        # Directions and groups of them are families of their own.
        for one, p in zip(family, closed_forms.holm([one["p"] for one in family]), strict=True):
            one["p_holm"] = p
            one["verdict"] = closed_forms.verdict(one["delta"], p, one["p_ni"], one["p_tost"],
                                                  alpha, one["verdict"])
            one["kind"] = floors.kind(one["verdict"], one["survives"], settings["fluency_share"])
    return table


def units(data: Corpus, counts: Array, row: Group, found: Estimate, sampled: Array) -> Row:
    """What the row rests on. ``sampled``: differences in resamples of sentences."""
    of_each = counts[row.directions].sum(0)
    ids, documents = int(data.present[row.directions].any(0).sum()), int((of_each > 0).sum())
    worth = clusters.effective(of_each)
    clustered = documents < ids
    return {"n": int(of_each.sum()), "ids": ids, "documents": documents,
            "unit": "documents" if clustered else "sentences", "effective_documents": worth,
            "icc": clusters.correlation(found.se, float(sampled.std()), ids, worth)
            if clustered and found.df else None}


def tested(found: Estimate, same: bool, margin: float | None, alpha: float) -> Row:
    """The headline's numbers, all of one t. ``same``: the outputs are identical."""
    delta, se, df = found
    return {"delta": delta, "se": se if df else None, "df": df or None,
            "ci": [0.0, 0.0] if same else found.interval(alpha),
            "p": 1.0 if same else closed_forms.two_sided_p(*found),
            "bound": closed_forms.lower_bound(*found, alpha / 2),
            "mde": closed_forms.detectable(se, alpha, df) if se > 0 else None,
            "p_ni": margin and closed_forms.noninferior_p(*found, margin),
            "p_tost": margin and closed_forms.tost_p(*found, margin)}


def by_draws(sampled: Array, by_sentence: float, by_document: float | None, ids: int,
             settings: Settings) -> Row:
    """What stands beside: bootstrap and swaps of sentences, swaps of documents."""
    low, high = resampling.percentile_interval(sampled, ids, settings["alpha"])
    p_values = {"p_documents": by_document, "p_sentences": by_sentence}
    return {"ci_sentences": [float(low), float(high)] if np.isfinite(low) else None, **p_values,
            "at_resolution": [key for key, p in p_values.items() if p is not None
                              and resampling.at_resolution(p, settings["ar_trials"])]}


def untested(found: Estimate, counts: Array, row: Group, same: bool) -> str:
    """Why a row is not tested; empty if it is."""
    if same:
        return "identical outputs"
    if (counts[row.directions] > 0).sum(-1).min() < 2:
        return "one document only"
    if not found.df:
        return "documents worth fewer than two of equal size"
    return "" if found.se > 0 else "the difference does not vary between documents"


def flags(data: Corpus, row: Group, pair: tuple[int, int]) -> Row:
    """Percent of flagged outputs of both systems; the mean over the row's directions."""
    there = data.present[row.directions].sum(-1)
    return {f"{flag}_{side}": 100 * float((data.flags[flag][s, row.directions].sum(-1)
                                           / there).mean())
            for flag in FLAGS for side, s in zip(("system", "baseline"), pair, strict=True)}


def agreement(by_metric: dict[str, list[Row]]) -> None:
    """Set ``agree`` on every row: do the metrics that have it tell the same story, with the same
    unit?"""
    by_name: dict[str, list[Row]] = {}
    for table in by_metric.values():
        for row in table:
            by_name.setdefault(row["direction"], []).append(row)
    for rows in by_name.values():
        signs = {row["delta"] > 0 for row in rows if row["delta"]}
        words = {row["verdict"] for row in rows}
        for row in rows:
            row["agree"] = None if len(rows) < 2 else "no" if len(signs) > 1 else \
                "yes" if len(words) == 1 else "partly"


def notes(metric: Metric, rows: Sequence[Row], settings: Settings) -> list[str]:
    """What a reader of the translation table has to know."""
    margin, alpha = settings["equivalence"].get(metric.name), settings["alpha"]
    worth = [row["effective_documents"] for row in rows]
    unit = "documents" if any(row["unit"] == "documents" for row in rows) else "sentences"
    said = [f"{metric.label}: {metric.signature}.", *metric.notes,
            f"Unit: {unit}. Interval, p, MDE and verdict leave out one of them at a time, in all "
            "directions at once (jackknife), with Student's t on the effective number less one."]
    if unit == "documents" and min(worth) < clusters.FEW:
        said.append(f"Few documents: their unequal sizes are worth {min(worth):.1f} equal ones "
                    f"where they are fewest (below {clusters.FEW}). The table of levels says what "
                    "each method is worth here.")
    fluent = [place(row["direction"]) for row in rows if row["kind"] == "fluency"]
    if fluent:
        said.append("Fluency in the language, not translation: more than "
                    f"{100 * settings['fluency_share']:g} % of the gain survives shuffled "
                    f"references for {', '.join(fluent)}.")
    if unit == "documents" and (narrow := [
            place(row["direction"]) for row in rows if row["ci"] and row["ci_sentences"]
            and row["ci"][1] - row["ci"][0] < row["ci_sentences"][1] - row["ci_sentences"][0]]):
        said.append("The interval by document is narrower than that by sentence, which happens by "
                    "chance where documents are few: read the wider one for "
                    f"{', '.join(narrow)}.")
    if unit == "documents" and (lost := [
            place(row["direction"]) for row in rows if row["verdict"].split(" (")[0] not in (
                "better", "worse") and row["p_sentences"] <= alpha]):
        said.append("Sentences as the unit would have called a difference that documents do not "
                    f"bear out: {', '.join(lost)} (p by sentence not corrected).")
    said.append(f"{settings['resamples']} resamples and {settings['ar_trials']} swaps; the same "
                f"draw serves every row. At p = {alpha} the Monte Carlo error "
                f"({tables.level(alpha)}) is {monte_carlo_error(settings['ar_trials'], alpha):.4f}"
                "; ≤: no draw reached the observed difference.")
    said.append("Groups are means of their directions' corpus scores. Directions and groups are "
                "separate Holm families.")
    said.append(f"Margin for maintained and equivalent: {margin} {metric.label}." if margin else
                f"No margin is set for {metric.label}, so nothing is called maintained or "
                "equivalent.")
    if floors.curve(metric) is None:
        said.append(f"Human agreement: no curve is published for {metric.label} as signed here; "
                    "that of a neighbouring metric or tokenizer is not used in its place.")
    if below := [place(row["direction"]) for row in rows
                 if row["above_copy"] is False or row["above_shuffled"] is False]:
        said.append("At a floor, where neither margins nor human agreement apply (not shown to be "
                    "above the copied source, or not above every one of the shuffled scores): "
                    f"{', '.join(below)}.")
    return said


def monte_carlo_error(trials: int, alpha: float) -> float:
    """Half-width of the 1 - alpha interval of a p of alpha estimated from ``trials`` draws."""
    return float(stats.norm.ppf(1 - alpha / 2)) * math.sqrt(alpha * (1 - alpha) / trials)
