"""Everything that is said about arms, from published rows and result files alone.

in   reports/<run>/rows/{base, copy_source, settings.json}
     reports/<run>/arms/{arms.json, base.json, <arm>/<seed>/{result.json, rows}}
out  {"meta", "points", "tables", "alarms"}: see ``model``
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from scipy import stats

from ...rows import results
from ...rows.results import COPY, Results
from .. import closed_forms
from . import compare, dose, runs, tables
from .runs import BASE, Endpoint, Run

Row = dict[str, Any]
REFERENCE = "reference"
INTERPOLATED = "systems.xplus.derive"
PREDICTORS = {"gradient": "size of the gradient", "nuclear": "its nuclear norm",
              "influence": "influence of the layer", "nearest": "distance from the nearer end"}
WORTH = {"dev": "dev gain", "logprob": "log-probability", "drift": "drift"}


def load(file: Path) -> Any:
    return json.loads(file.read_text("utf-8"))


def finished(folder: Path) -> dict[Run, Row]:
    """result.json of every arm and seed, in the order of the plan; stale ones are left out."""
    return {(row["arm"], row["seed"]): load(folder / row["arm"] / str(row["seed"]) / "result.json")
            for row in load(folder / "arms.json") if row["state"] == "done"}


def endpoints(rows: Path, folder: Path, done: dict[Run, Row], metric: str) -> list[Endpoint]:
    """Translation, reasoning and log-probability of all runs that went through the whole test."""
    whole = [run for run, about in done.items() if not about["screen"]]
    places = {run: folder / run[0] / str(run[1]) for run in whole}
    base = results.published_translations(rows / BASE[0])
    found = [runs.translation(base, {run: results.published_translations(place)
                                     for run, place in places.items()},
                              results.published_copies(rows / COPY, base), metric)]
    answers: dict[Run, Results] = {run: results.published_answers(place)
                                   for run, place in places.items()}
    return found + runs.reasoning(results.published_answers(rows / BASE[0]), answers)


def gain(quick: Row, base: Row) -> float:
    """Dev gain over the base, points."""
    return fmean(quick["dev"].values()) - fmean(base["dev"].values())


def quick_row(done: dict[Run, Row], arm: str, base: Row) -> Row:
    """Means over an arm's seeds of what every run has: dev gain, log-probability, drift."""
    mine = [about["quick"] for (name, _), about in done.items() if name == arm]
    drift = fmean(one["drift"] for one in mine)
    found: Row = {"arm": arm, "seeds": len(mine), "dev": fmean(gain(one, base) for one in mine),
                  "logprob": None, "drift": drift, "eta": None}
    if base["logprob"]:
        found["logprob"] = fmean(fmean(one["logprob"].values()) for one in mine) - fmean(
            base["logprob"].values())
    if drift > 0:
        found["eta"] = found["dev"] / math.sqrt(drift)
    return found


def point(found: Sequence[Endpoint], arm: str, alpha: float) -> Row:
    """An arm against the base: by endpoint the difference and its interval; with one run the
    interval is that of the items alone, and says so."""
    row: Row = {}
    for key, endpoint in zip(("gain", "reasoning", "nats"), found, strict=False):
        one = compare.difference(endpoint, arm)
        several = len(endpoint.seeds(arm)) > 1
        row |= {key: one.both[0], "covers": "items and runs" if several else "items",
                f"{key}_ci": one.interval(alpha) if several and one.both[1] > 0
                else closed_forms.interval(*one.items, alpha)}
    return row


def against(found: Sequence[Endpoint], arms: Sequence[str], settings: Row) -> list[Row]:
    """Every arm against the reference: max-T over those of many seeds, the others as points."""
    rows = []
    for endpoint in found:
        if len(endpoint.seeds(REFERENCE)) == 0:
            continue
        others = [arm for arm in arms if arm != REFERENCE]
        many = [arm for arm in others if min(len(endpoint.seeds(arm)), len(
            endpoint.seeds(REFERENCE))) >= compare.MANY]
        tested = {row["arm"]: row for row in compare.simultaneous(
            endpoint, many, REFERENCE, settings["alpha"], settings["resamples"],
            settings["seed"])}
        rows += [tested.get(arm) or compare.beside(endpoint, arm, REFERENCE, settings["alpha"])
                 for arm in others]
    return rows


def spreads(found: Sequence[Endpoint], arms: Sequence[str]) -> list[Row]:
    """How far the runs of an arm lie apart, beside what its items leave open."""
    rows = []
    for arm in arms:
        for endpoint in found:
            values = endpoint.values()[endpoint.places(arm)] - endpoint.values()[0]
            if len(values) > 1:
                _, se, df = compare.difference(endpoint, arm).items
                rows.append({"arm": arm, "endpoint": endpoint.name, "unit": endpoint.unit,
                             "seeds": len(values), "mean": float(values.mean()),
                             "sd": float(values.std(ddof=1)), "low": float(values.min()),
                             "high": float(values.max()),
                             "se_items": se if df else None})
    return rows


def scan(done: dict[Run, Row], base: Row) -> tuple[list[Row], list[Row]]:
    """Arms that tune one layer alone, and how cheap predictors rank the layers beside them."""
    rows = []
    for (arm, _), about in done.items():
        layers = [layer for stage in about["training"].values() for layer in stage["layers"]]
        if len(layers) != 1:
            continue
        [stage] = [stage for stage in about["training"].values() if stage["layers"]]
        pull = {int(one["layer"]): one for one in stage["sensitivity"]}
        if layers[0] not in pull:
            continue
        loss = stage["dev_loss"]
        rows.append({"arm": arm, "layer": layers[0], **quick_row({(arm, 0): about}, arm, base),
                     "gradient": pull[layers[0]]["gradient_l2"],
                     "nuclear": pull[layers[0]]["gradient_nuclear"],
                     "influence": base["influence"][layers[0]],
                     "nearest": min(layers[0], len(pull) - 1 - layers[0]),
                     "loss": loss["before"] - loss["after"]})
    return rows, [ranked(rows, key, label, worth) for worth in ("dev", "logprob", "drift")
                  for key, label in PREDICTORS.items()
                  if len(rows) > 2 and all(row[worth] is not None for row in rows)]


def ranked(rows: Sequence[Row], key: str, label: str, worth: str) -> Row:
    """Spearman's correlation of a predictor with what the layers gained, lost or moved."""
    known, done = ([row[name] for row in rows] for name in (key, worth))
    rho = p = None
    if len(set(known)) > 1 and len(set(done)) > 1:
        rho, p = map(float, stats.spearmanr(known, done))
    return {"predictor": label, "worth": WORTH[worth], "layers": len(rows), "rho": rho, "p": p}


def alarms(done: dict[Run, Row], points: Sequence[Row], single: Sequence[Row], base: Row,
           ) -> list[Row]:
    """The paper's signs of forgetting, as named checks: what was found, or that nothing was."""
    trades = [row["arm"] for row in points if row.get("gain_ci") and row["gain_ci"][0] > 0 and any(
        row.get(f"{key}_ci") and row[f"{key}_ci"][1] < 0 for key in ("reasoning", "nats"))]
    hurting = [f"layer {row['layer']}" for row in single if row["dev"] < 0]
    worse = [f"{arm}-{seed}, {stage}" for (arm, seed), about in done.items()
             for stage, one in about["training"].items()
             if one["layers"] and one["dev_loss"]["after"] > one["dev_loss"]["before"]]
    return [{"check": "reasoning down while translation is up", "asked": len(points),
             "found": trades},
            {"check": "a layer that hurts when tuned alone", "asked": len(single),
             "found": hurting},
            {"check": "a stage that makes the held-out loss worse", "asked": len(done),
             "found": worse}]


def model(run: Path) -> Row:
    """The data model of the report's section on arms, of reports/<scale>/<suite>.

    ``points``: every arm that went through the whole test, with translation gain, change of
    reasoning, intervals and drift. Raises UserError where rows do not pair with the base's.
    """
    folder, rows = run / "arms", run / "rows"
    settings, planned, done = load(rows / "settings.json"), load(folder / "arms.json"), finished(
        folder)
    base = load(folder / "base.json") if (folder / "base.json").is_file() else None
    found = endpoints(rows, folder, done, settings["primary_metric"])
    arms = list(dict.fromkeys(arm for arm, _ in done))
    whole = [arm for arm in arms if found[0].seeds(arm)]
    quick = [quick_row(done, arm, base) for arm in arms] if base else []
    by_arm = {row["arm"]: row for row in quick}
    points = [{**by_arm[arm], **point(found, arm, settings["alpha"])} for arm in whole]
    single, ranks = scan(done, base) if base else ([], [])
    answers = results.published_answers(rows / BASE[0])
    doses = [share for row in planned for share in row["flip"]]
    steps = [{"arm": row["arm"], "share": at, "loss": None, "delta": row["reasoning"],
              "ci": row["reasoning_ci"], "p": None,
              "verdict": "below 0" if row["reasoning_ci"] and row["reasoning_ci"][1] < 0
              else "not told from 0"} for row in points if "reasoning" in row
             for at in [share_of(done, row["arm"])] if at is not None]
    smallest = dose.detected(answers, settings)
    return {"meta": {"alpha": settings["alpha"], "margin_macro_pp": settings["margin_macro_pp"],
                     "planned": len(planned), "smallest_pp": smallest,
                     "done": sum(row["state"] in tables.DONE for row in planned)},
            "points": points,
            "bands": {endpoint.name: compare.band(endpoint, REFERENCE, settings["alpha"])
                      for endpoint in found if endpoint.seeds(REFERENCE)},
            "tables": tables.every(
                points, against(found, whole, settings), spreads(found, whole),
                dose.response(answers, doses, settings) + steps, smallest, quick, single, ranks,
                planned, settings["alpha"]),
            "alarms": alarms(done, points, single, base or {})}


def share_of(done: dict[Run, Row], arm: str) -> float | None:
    """The share of the way from the base that an interpolated arm goes; None for others."""
    for (name, _), about in done.items():
        if name == arm:
            derive = about["set"].get(INTERPOLATED) or {}
            share: float | None = derive.get("interpolate")
            return share
    return None
