"""From rows to the one data model behind all tables and figures.

Which test stands behind which verdict: ``closed_forms``.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..common import hashes
from ..common.errors import BAD_CONFIG, UserError
from ..rows import pairing, segments
from ..rows.pairing import Results
from . import tables as layout
from .reasoning import compare as reasoning
from .reasoning import tables as reasoning_tables
from .translation import compare as translation
from .translation import tables as translation_tables

Row = dict[str, Any]
Table = dict[str, Any]


def short(row: Row) -> Row:
    """The part of a row that the headline repeats."""
    keys = ("baseline", "system", "delta", "ci", "bound_pp", "p_holm", "p_ni", "verdict")
    return {key: row[key] for key in keys if key in row}


def key(contrast: list[str]) -> str:
    """Name of a contrast in files. It is never taken apart: a system's name may hold a hyphen."""
    return "-".join(contrast)


def load_translations(folder: Path, contrasts: list[list[str]]) -> dict[str, Results]:
    """Every system's segments, in the order of the contrasts, or a refusal if they do not pair."""
    names = list(dict.fromkeys(name for pair in contrasts for name in pair))
    results = {name: pairing.translations(folder / name) for name in names}
    for name in names[1:]:  # all are resampled together
        pairing.same_sentences(results[names[0]], results[name])
    for system, baseline in contrasts:
        pairing.pair_translations(results[system], results[baseline])
    return results


def translation_headline(compared: dict[str, list[Row]], directions: list[str]) -> Row:
    """Rows by direction and metric; a group without a direction is left out."""
    found: Row = {"directions": {}}
    for metric, rows in compared.items():
        for row in rows:
            name = row["direction"]
            if name in directions:
                found["directions"].setdefault(name, {})[metric] = short(row)
            elif name in ("into_eng", "out_of_eng"):
                found.setdefault(name, {})[metric] = short(row)
    return found


def translated(folder: Path, settings: Row) -> tuple[list[Table], list[Row], Row, Row]:
    """Tables, rows of the pairing table, headlines by contrast, and signatures by metric."""
    results = load_translations(folder, settings["contrasts"])
    first = next(iter(results.values()))
    data = segments.corpus(list(results.values()), settings["metrics"], settings["seed"])
    if settings["primary_metric"] not in (metric.name for metric in data.metrics):
        raise UserError(f"params.yaml: primary_metric {settings['primary_metric']!r} is not among "
                        f"the metrics {', '.join(metric.name for metric in data.metrics)}. "
                        "Choose one of them", BAD_CONFIG)
    rows = translation.groups(data.directions, first.meta["languages"])
    draws = {(metric.name, whole): translation.bootstrap(
        data, metric, rows, settings, whole) for metric in data.metrics for whole in (False, True)}
    tables, paired, headlines = [], [], {}
    for contrast in settings["contrasts"]:
        system, baseline = contrast
        compared = {metric.name: translation.compare(
            data, metric, rows, system, baseline, settings, draws[metric.name, False],
            draws[metric.name, True]) for metric in data.metrics}
        translation.agreement(compared)
        tables += [translation_tables.translation(
            compared[metric.name], system, baseline, metric.name, metric.label, settings["alpha"],
            translation.notes(data, metric, compared[metric.name], settings))
            for metric in data.metrics]
        headlines[key(contrast)] = translation_headline(compared, data.directions)
        paired += pairing.matched(key(contrast), results[system], results[baseline], ("ref_hash",),
                                  "direction")
    for metric in data.metrics:
        if metric.name in data.shuffled:
            floors = translation.floors(data, metric, rows, first.system, settings,
                                         draws[metric.name, False])
            tables.append(translation_tables.floors(
                floors, metric.name, metric.label, list(results), first.system,
                settings["alpha"]))
    return tables, paired, headlines, {metric.label: metric.signature for metric in data.metrics}


def reasoned(folder: Path, settings: Row) -> tuple[list[Table], list[Row], Row, Row]:
    """Tables, rows of the pairing table, headlines and margin curves by contrast."""
    tables, paired, headlines, curves = [], [], {}, {}
    for contrast in settings["contrasts"]:
        system, baseline = contrast
        if not all((folder / name).is_dir() for name in contrast):
            continue  # not every system is asked to reason
        a, b = (pairing.answers(folder / name) for name in contrast)
        pairing.pair_answers(a, b)
        tasks = reasoning.compare_tasks(a, b, settings)
        whole = reasoning.aggregate(tasks, settings)
        notes = reasoning.notes(tasks, settings)
        tables += [reasoning_tables.reasoning([task.row for task in tasks], system, baseline,
                                    settings["alpha"], notes["tasks"]),
                   reasoning_tables.aggregate(whole, system, baseline, settings["alpha"],
                                    notes["aggregate"])]
        headlines[key(contrast)] = {
            "macro": short(whole[0]), "tasks": {t.row["task"]: short(t.row) for t in tasks},
            "harmed": sum(t.row["verdict"] == "worse" for t in tasks)}
        curves[key(contrast)] = {"system": system, "baseline": baseline,
                                 **reasoning.margin_curve(tasks, settings)}
        paired += pairing.matched(key(contrast), a, b, ("doc_hash", "target_hash"), "task")
    return tables, paired, headlines, curves


def model(translations: Path, answers: Path, settings: Row, evidence: str = "") -> Row:
    """Everything the report needs, from two folders of result files.

    ``evidence``: what the numbers can and cannot show, in a sentence or two.
    """
    pairing.check_contrasts(settings["contrasts"])
    tables, paired, mt, signatures = translated(translations, settings)
    more, more_paired, reason, curves = reasoned(answers, settings)
    # Read and checked above.
    meta = json.loads((translations / settings["contrasts"][0][0] / "meta.json").read_text("utf-8"))
    if meta.get("limit"):
        evidence += f" Translation: {meta['limit']} sentences a direction ({meta['test_set']})."
    facts = {"scale": meta["scale"], "suite": meta.get("suite"), "evidence": evidence.strip(),
             "prereg_sha256": hashes.of_json(settings), "signatures": signatures,
             "contrasts": [key(contrast) for contrast in settings["contrasts"]],
             "level": layout.level(settings["alpha"]),
             **{name: settings[name] for name in (
                 "alpha", "seed", "resamples", "primary_metric", "margin_macro_pp",
                 "margin_task_pp")}}
    headlines = {}
    for contrast in settings["contrasts"]:
        found = {"system": contrast[0], "baseline": contrast[1],
                 "translation": mt[key(contrast)]}
        if key(contrast) in reason:
            found["reasoning"] = reason[key(contrast)]
        headlines[key(contrast)] = found
    rows = [{"what": what, "value": str(value)} for what, value in (
        ("scale", meta["scale"]), ("suite", meta.get("suite")),
        ("pre-registered endpoints, SHA-256", facts["prereg_sha256"]),
        *((f"significance.{name}", json.dumps(value)) for name, value in sorted(settings.items())),
        *signatures.items(), *((name, version(name)) for name in (
            "numpy", "scipy", "sacrebleu", "mt-thresholds", "sentencepiece")))]
    return {"meta": facts, "headline": headlines,
            "tables": [*tables, *more, layout.pairing(paired + more_paired),
                       layout.provenance(rows)], "curves": {"margin": curves}}
