"""Paired tests of every contrast: the one data model behind all tables and figures.

in     data/eval_mt/<system>/{segments.jsonl,meta.json}
       data/eval_reason/<system>/{items.jsonl,meta.json}
       params.yaml: significance       endpoints, margins and families, fixed before results
out    reports/significance.json   the data model
       reports/metrics.json        the few numbers by which experiments are compared
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

from .common import jsonl, params
from .common.command import run_stage
from .common.errors import BAD_CONFIG, UserError
from .statistics import answers, pairing, segment_statistics, translations
from .statistics import tables as layout

Row = dict[str, Any]
EVIDENCE = {
    "tiny": "Scale tiny: random weights and a handful of sentences. It proves that the pipeline "
            "runs; no number here is evidence about the method.",
    "desk": "Scale desk: a small model, interface strings and small benchmarks, all real. Evidence "
            "about the method at this size, not about the models of the paper."}


def short(row: Row) -> Row:
    """The part of a row that the headline repeats."""
    keys = ("baseline", "system", "delta", "ci", "bound_pp", "p_holm", "p_ni", "verdict")
    return {key: row[key] for key in keys if key in row}


def translation(folder: Path, settings: Row) -> tuple[list[Row], list[Row], Row, Row]:
    """Tables, rows of the pairing table, headline and signatures of the translation side."""
    names = list(dict.fromkeys(name for pair in settings["contrasts"] for name in pair))
    results = {name: pairing.translations(folder / name) for name in names}
    for name in names[1:]:
        pairing.pair_translations(results[names[0]], results[name])
    data = segment_statistics.corpus(list(results.values()), settings["metrics"], settings["seed"])
    rows = translations.groups(data.directions, results[names[0]].meta["languages"])
    draws = {(metric.name, whole): translations.bootstrap(
        data, metric, rows, settings, whole) for metric in data.metrics for whole in (False, True)}
    tables, paired = [], []
    headline: Row = {}
    for system, baseline in settings["contrasts"]:
        contrast = f"{system}-{baseline}"
        compared = {metric.name: translations.compare(
            data, metric, rows, system, baseline, settings, draws[metric.name, False],
            draws[metric.name, True]) for metric in data.metrics}
        translations.agreement(compared)
        for metric in data.metrics:
            tables.append(layout.translation(
                compared[metric.name], contrast, system, baseline, metric.name, metric.label,
                translations.notes(data, metric, compared[metric.name], settings)))
        headline[contrast] = {"into_eng": {}, "out_of_eng": {}, "directions": {}}
        for metric_name, found in compared.items():
            for row in found:
                place = headline[contrast] if row["direction"] in headline[contrast] else \
                    headline[contrast]["directions"]
                if row["direction"] in (*headline[contrast], *data.directions):
                    place.setdefault(row["direction"], {})[metric_name] = short(row)
        paired += pairing.matched(contrast, results[system], results[baseline], ("ref_hash",),
                               "direction")
    first = settings["contrasts"][0][0]
    for metric in data.metrics:
        if metric.name in data.shuffled:
            tables.append(layout.floors(translations.floors(
                data, metric, rows, first, settings, draws[metric.name, False]), metric.name,
                metric.label, names, first))
    return tables, paired, headline, {metric.label: metric.signature for metric in data.metrics}


def reasoning(folder: Path, settings: Row) -> tuple[list[Row], list[Row], Row, Row]:
    """Tables, rows of the pairing table, headline and margin curves of the reasoning side."""
    tables, paired, headline, curves = [], [], {}, {}
    lenient = settings.get("allow_prompt_mismatch", False)
    for system, baseline in settings["contrasts"]:
        if not all((folder / name).is_dir() for name in (system, baseline)):
            continue  # not every system is asked to reason
        contrast = f"{system}-{baseline}"
        a, b = (pairing.answers(folder / name) for name in (system, baseline))
        pairing.pair_answers(a, b, lenient)
        tasks = answers.compare_tasks(a, b, settings)
        whole = answers.aggregate(tasks, settings)
        notes = answers.notes(tasks, settings)
        tables += [layout.reasoning([task.row for task in tasks], contrast, system, baseline,
                                    notes["tasks"]),
                   layout.aggregate(whole, contrast, system, baseline, notes["aggregate"])]
        headline[contrast] = {
            "macro": short(whole[0]), "tasks": {t.row["task"]: short(t.row) for t in tasks},
            "harmed": sum(t.row["verdict"] == "worse" for t in tasks)}
        curves[contrast] = answers.margin_curve(tasks, settings)
        paired += pairing.matched(contrast, a, b, ("doc_hash", "target_hash"), "task")
    return tables, paired, headline, curves


def model(translations: Path, answers: Path, settings: Row) -> Row:
    """Everything the report needs, from two folders of result files."""
    if not settings["contrasts"]:
        raise UserError("params.yaml: significance.contrasts is empty", BAD_CONFIG)
    tables, paired, translated, signatures = translation(translations, settings)
    more, more_paired, reasoned, curves = reasoning(answers, settings)
    first = settings["contrasts"][0][0]
    meta = json.loads((translations / first / "meta.json").read_text(encoding="utf-8"))
    scale = str(meta["scale"])
    evidence = EVIDENCE.get(scale, f"Scale {scale}.")
    if meta["limit"]:
        evidence += f" Translation: {meta['limit']} sentences a direction ({meta['test_set']})."
    facts = {"scale": scale, "evidence": evidence, "prereg_sha256": pairing.sha256(settings),
             "alpha": settings["alpha"], "seed": settings["seed"],
             "resamples": settings["resamples"], "signatures": signatures}
    rows = [{"what": what, "value": str(value)} for what, value in (
        ("scale", scale), ("pre-registered endpoints, SHA-256", facts["prereg_sha256"]),
        *((f"significance.{key}", json.dumps(value)) for key, value in sorted(settings.items())),
        *signatures.items(), *((name, version(name)) for name in (
            "numpy", "scipy", "sacrebleu", "mt-thresholds", "sentencepiece")))]
    return {"meta": facts, "headline": {"translation": translated, "reasoning": reasoned},
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
    settings = params.get("significance")
    found = model(args.translations, args.answers, settings)
    jsonl.write_json(args.out, found)
    if args.metrics:
        jsonl.write_json(args.metrics, layout.metrics(found, settings))


if __name__ == "__main__":
    run_stage(main)
