"""Paired tests of every contrast: the one data model behind all tables and figures.

in     data/eval_mt/<system>/{segments.jsonl,meta.json}
       data/eval_reason/<system>/{items.jsonl,meta.json}
       params.yaml: significance   contrasts, margins, resamples: fixed before results
       params.yaml: suites.<suite> metrics, margin of equivalence, what the suite can show
out    significance.json           the data model
       metrics.json                the few numbers by which experiments are compared
paper  claims "+15 spBLEU" and "reasoning comparable" and tests neither: all of this is ours

Runs alone on any two folders of result files in the same form. Which test stands behind which
verdict: `stages/statistics/closed_forms.py`.
"""

from __future__ import annotations

import argparse
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .common import hashes, jsonl, params
from .common.command import run_stage
from .common.errors import BAD_CONFIG, UserError
from .statistics import answers, pairing, segment_statistics, translations
from .statistics import tables as layout
from .statistics.pairing import Results

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


def translation(folder: Path, settings: Row) -> tuple[list[Table], list[Row], Row, Row]:
    """Tables, rows of the pairing table, headlines by contrast, and signatures by metric."""
    results = load_translations(folder, settings["contrasts"])
    first = next(iter(results.values()))
    data = segment_statistics.corpus(list(results.values()), settings["metrics"], settings["seed"])
    if settings["primary_metric"] not in (metric.name for metric in data.metrics):
        raise UserError(f"params.yaml: primary_metric {settings['primary_metric']!r} is not among "
                        f"the metrics {', '.join(metric.name for metric in data.metrics)}. "
                        "Choose one of them", BAD_CONFIG)
    rows = translations.groups(data.directions, first.meta["languages"])
    draws = {(metric.name, whole): translations.bootstrap(
        data, metric, rows, settings, whole) for metric in data.metrics for whole in (False, True)}
    tables, paired, headlines = [], [], {}
    for contrast in settings["contrasts"]:
        system, baseline = contrast
        compared = {metric.name: translations.compare(
            data, metric, rows, system, baseline, settings, draws[metric.name, False],
            draws[metric.name, True]) for metric in data.metrics}
        translations.agreement(compared)
        tables += [layout.translation(
            compared[metric.name], system, baseline, metric.name, metric.label, settings["alpha"],
            translations.notes(data, metric, compared[metric.name], settings))
            for metric in data.metrics]
        headlines[key(contrast)] = translation_headline(compared, data.directions)
        paired += pairing.matched(key(contrast), results[system], results[baseline], ("ref_hash",),
                                  "direction")
    for metric in data.metrics:
        if metric.name in data.shuffled:
            floors = translations.floors(data, metric, rows, first.system, settings,
                                         draws[metric.name, False])
            tables.append(layout.floors(floors, metric.name, metric.label, list(results),
                                        first.system, settings["alpha"]))
    return tables, paired, headlines, {metric.label: metric.signature for metric in data.metrics}


def reasoning(folder: Path, settings: Row) -> tuple[list[Table], list[Row], Row, Row]:
    """Tables, rows of the pairing table, headlines and margin curves by contrast."""
    tables, paired, headlines, curves = [], [], {}, {}
    for contrast in settings["contrasts"]:
        system, baseline = contrast
        if not all((folder / name).is_dir() for name in contrast):
            continue  # not every system is asked to reason
        a, b = (pairing.answers(folder / name) for name in contrast)
        pairing.pair_answers(a, b)
        tasks = answers.compare_tasks(a, b, settings)
        whole = answers.aggregate(tasks, settings)
        notes = answers.notes(tasks, settings)
        tables += [layout.reasoning([task.row for task in tasks], system, baseline,
                                    settings["alpha"], notes["tasks"]),
                   layout.aggregate(whole, system, baseline, settings["alpha"],
                                    notes["aggregate"])]
        headlines[key(contrast)] = {
            "macro": short(whole[0]), "tasks": {t.row["task"]: short(t.row) for t in tasks},
            "harmed": sum(t.row["verdict"] == "worse" for t in tasks)}
        curves[key(contrast)] = {"system": system, "baseline": baseline,
                                 **answers.margin_curve(tasks, settings)}
        paired += pairing.matched(key(contrast), a, b, ("doc_hash", "target_hash"), "task")
    return tables, paired, headlines, curves


def model(translations: Path, answers: Path, settings: Row, evidence: str = "") -> Row:
    """Everything the report needs, from two folders of result files.

    ``evidence``: what the numbers can and cannot show, in a sentence or two.
    """
    pairing.check_contrasts(settings["contrasts"])
    tables, paired, translated, signatures = translation(translations, settings)
    more, more_paired, reasoned, curves = reasoning(answers, settings)
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
                 "translation": translated[key(contrast)]}
        if key(contrast) in reasoned:
            found["reasoning"] = reasoned[key(contrast)]
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


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.
                                     RawDescriptionHelpFormatter)
    parser.add_argument("translations", type=Path,
                        help="folder with a folder of segments.jsonl and meta.json per system")
    parser.add_argument("answers", type=Path,
                        help="folder with a folder of items.jsonl and meta.json per system; "
                             "contrasts that it lacks are left out")
    parser.add_argument("out", type=Path, help="the JSON file to write")
    parser.add_argument("metrics", type=Path, nargs="?", help="a second, short JSON file")
    args = parser.parse_args(argv)
    settings = {**params.get("significance"), "metrics": params.suite("metrics"),
                "primary_metric": params.suite("primary_metric"),
                "equivalence": params.suite("equivalence")}
    found = model(args.translations, args.answers, settings, params.suite("evidence"))
    jsonl.write_json(args.out, found)
    if args.metrics:
        jsonl.write_json(args.metrics, layout.metrics(found))


def command() -> None:
    """The entry point of an installed package, ``llamax2-significance``."""
    run_stage(main)


if __name__ == "__main__":
    command()
