"""From published rows to the one data model behind all tables and figures.

in   a folder of rows (see ``rows.published``), nothing else
out  {"meta", "headline", "tables", "curves"}

Which test stands behind which verdict: ``closed_forms``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..rows import pairing, published, segments
from ..rows.results import Results
from . import closed_forms, endpoints
from . import tables as layout
from .reasoning import compare as reasoning
from .translation.analyse import analyse

Row = dict[str, Any]
Table = dict[str, Any]
SHORT = ("baseline", "system", "delta", "ci", "p", "p_holm", "p_ni", "bound", "mde", "verdict",
         "unit", "kind", "survives", "at_resolution")


def short(row: Row) -> Row:
    """The part of a row that the headline repeats."""
    return {key: row[key] for key in SHORT if key in row}


def key(contrast: list[str]) -> str:
    """Name of a contrast in files. It is never taken apart: a system's name may hold a hyphen."""
    return "-".join(contrast)


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


def translated(results: dict[str, Results], copied: Results, settings: Row,
               ) -> tuple[list[Table], list[Row], Row, Row]:
    """Tables, rows of the pairing table, headlines by contrast, and signatures by metric."""
    first = next(iter(results.values()))
    data = segments.corpus(list(results.values()), copied, settings["metrics"])
    pairing.check_primary(settings["primary_metric"], [metric.name for metric in data.metrics])
    tables, compared = analyse(data, first.meta["languages"], settings)
    headlines = {name: translation_headline(found, data.directions)
                 for name, found in compared.items()}
    paired = [row for contrast in settings["contrasts"] for row in pairing.matched(
        key(contrast), results[contrast[0]], results[contrast[1]], ("ref_hash",), "direction")]
    return tables, paired, headlines, {metric.label: metric.signature for metric in data.metrics}


def reasoned(results: dict[str, Results], settings: Row,
             ) -> tuple[list[Table], list[Row], Row, Row]:
    """Tables, rows of the pairing table, headlines and margin curves by contrast."""
    tables, paired, headlines, curves = [], [], {}, {}
    for contrast in settings["contrasts"]:
        if not all(name in results for name in contrast):
            continue  # not every system is asked to reason
        a, b = (results[name] for name in contrast)
        found = reasoning.compare(a, b, settings)
        tables += found.tables
        headlines[key(contrast)] = found.headline
        curves[key(contrast)] = found.curve
        paired += pairing.matched(key(contrast), a, b, ("doc_hash", "target_hash"), "task")
    return tables, paired, headlines, curves


def confirm(first: Row, second: Row) -> None:
    """Set ``stands`` on every row of a contrast's headline: the weaker of its own verdict and that
    of the same row of the contrast that has to confirm it. A loss of the second where the first
    rose leaves the sign open: inconclusive."""
    for name in first.keys() & second.keys():
        mine, theirs = first[name], second[name]
        if isinstance(mine, dict) and isinstance(theirs, dict):
            confirm(mine, theirs)
    if "verdict" in first and "verdict" in second:
        opposite = second["verdict"] == "worse" and first["delta"] is not None \
            and first["delta"] > 0
        first["stands"] = closed_forms.weaker([
            first["verdict"], "inconclusive" if opposite else second["verdict"]])


def model(rows: Path) -> Row:
    """Everything the report needs, from a folder of published rows.

    Raises ``UserError`` where they do not pair or are not what ``publish`` writes.
    """
    # `evidence`: what the numbers can and cannot show, in a sentence or two.
    settings, about = (json.loads((rows / name).read_text("utf-8"))
                       for name in ("settings.json", "about.json"))
    contrasts = published.contrasts(settings)
    every = {**settings, "contrasts": contrasts}
    translations, copied = published.translations(rows, contrasts)
    answers = published.answers(rows, contrasts)
    tables, paired, mt, signatures = translated(translations, copied, every)
    more, more_paired, reason, curves = reasoned(answers, every)
    meta, evidence = next(iter(translations.values())).meta, about["evidence"]
    if meta.get("limit"):
        evidence += f" Translation: {meta['limit']} sentences a direction ({meta['test_set']})."
    facts = {"scale": meta["scale"], "suite": meta.get("suite"), "evidence": evidence.strip(),
             **endpoints.statement(settings, *endpoints.keys(translations, answers)),
             "signatures": signatures, "contrasts": [key(contrast) for contrast in contrasts],
             "confirm": settings["confirm"] and key(settings["confirm"]),
             "level": layout.level(settings["alpha"]),
             **{name: settings[name] for name in (
                 "alpha", "seed", "resamples", "primary_metric", "margin_macro_pp",
                 "margin_task_pp")}}
    headlines = {}
    for contrast in contrasts:
        found = {"system": contrast[0], "baseline": contrast[1], "translation": mt[key(contrast)]}
        if key(contrast) in reason:
            found["reasoning"] = reason[key(contrast)]
        headlines[key(contrast)] = found
    for system, baseline in contrasts if settings["confirm"] else ():
        second = [settings["confirm"][0], baseline]
        if system == contrasts[0][0] and second in contrasts:
            confirm(headlines[key([system, baseline])], headlines[key(second)])
    stated = [{"what": what, "value": str(value)} for what, value in (
        ("scale", meta["scale"]), ("suite", meta.get("suite")),
        ("endpoints, SHA-256", facts["endpoints_sha256"]),
        ("endpoints, SHA-256 committed before", facts["endpoints_committed"] or "none"),
        *((f"significance.{name}", json.dumps(value)) for name, value in sorted(settings.items())),
        *signatures.items(), *sorted(about["versions"].items()))]
    return {"meta": facts, "headline": headlines,
            "tables": [*tables, *more, layout.pairing(paired + more_paired),
                       layout.provenance(stated)], "curves": {"margin": curves}}
