"""What the pipeline left behind, read for the report: counts, training logs, answers, run cost.

in     data/{format/corpus,dedup,langid,qe/score,qe/select}/stats.json, data/qe/score/auc.json
       data/train_s*/{config.json,loss.csv}, data/eval_mt/*/{segments.jsonl,meta.json}
       data/eval_reason/*/meta.json, data/runtime/*.json, run.lock
out    tables in the model of `render`, and plain numbers for `figures`

Every file is optional: a stage that has not run leaves its part out.
"""

from __future__ import annotations

import csv
import hashlib
import json
import random
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..common import jsonl
from ..common.errors import UserError
from ..common.languages import PIVOT, TABLE
from . import render
from .render import Table, of_rows

STEPS = {"format": "data/format/corpus", "dedup": "data/dedup", "langid": "data/langid",
         "qe score": "data/qe/score", "qe select": "data/qe/select"}
SYSTEMS = {"base": "base", "base_prompted": "base, best prompt", "s1": "stage 1 only",
           "xplus": "xplus", "xplus_rounded": "xplus, rounded"}
FUNNEL = ("seen", "kept", "dropped", "by_lang", "train", "test")  # shown in tables of all steps
OTHERS = 4  # columns of a confusion table beyond its rows
FLAGS = {"empty": "no answer", "copy": "copies the source", "off_target": "wrong language",
         "truncated": "cut off"}
EXTRAS = {  # what else a data stage counted: title, what it shows, what it cannot
    "recall": ("Planted near-duplicates", "The share of planted edits that each method finds.",
               "Recall on edits that people really make; the planted ones are ours."),
    "confusion": ("Languages claimed and found", "Rows: the language a text claims; columns: the "
                  "language found.", "Which of the two is right; the text has no gold labels."),
    "rule": ("Language rule in use", "The rule each language is filtered by.",
             "Why; the next table does."),
    "rules": ("Language rules compared", "How often each rule rejects text in the language and "
              "accepts text in another, on held-out text of known language.",
              "The same rates on noisier text."),
    "by_kind": ("Quality estimation by kind of damage", "AUC: the chance that an intact pair "
                "scores above a damaged one; 0.5 is guessing.",
                "Agreement with human judgement; the damage is synthetic.")}


def load(path: Path) -> Any:
    """The JSON of a file, or None if the stage that writes it has not run."""
    try:
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    except ValueError as error:
        raise UserError(f"{path}: not JSON ({error}). Delete it and run `dvc repro`") from error


def language(code: str) -> str:
    """English name of a known code, else the code."""
    return TABLE[code].name if code in TABLE else code


def system(name: str) -> str:
    """A system's name in words."""
    return SYSTEMS.get(name, name)


def arrow(direction: str) -> str:
    """swh_Latn-eng_Latn as Swahili → English; other text as it is."""
    codes = direction.split("-")
    return " → ".join(map(language, codes)) if set(codes) <= set(TABLE) else direction


def reasons(dropped: dict[str, int]) -> str:
    """Counted reasons as text, the most frequent first."""
    ordered = sorted(dropped.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{reason.replace('_', ' ')} {count:,}" for reason, count in ordered if count)


def matrix(counts: dict[str, dict[str, int]]) -> list[dict[str, Any]]:
    """Counts by row and column: the rows' own names first, then a few more columns, then others."""
    totals: Counter[str] = sum(map(Counter, counts.values()), Counter())
    shown = [*counts, *[name for name, _ in totals.most_common() if name not in counts][:OTHERS]]
    return [{"": language(name), **{language(column): cell.get(column, 0) for column in shown},
             "others": sum(n for column, n in cell.items() if column not in shown)}
            for name, cell in counts.items()]


def rows_of(counts: dict[str, Any] | list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Counts in any of three forms as rows: a list of rows, a matrix, or values by name."""
    if isinstance(counts, list):
        return [{name: language(cell) if isinstance(cell, str) else cell
                 for name, cell in row.items()} for row in counts]
    if all(isinstance(cell, dict) for cell in counts.values()):
        return matrix(counts)
    return [{"": language(name), "value": language(cell) if isinstance(cell, str) else cell}
            for name, cell in counts.items()]


def extras(step: str, stats: dict[str, Any]) -> tuple[list[Table], str]:
    """What a stage counted beyond seen, kept and dropped: tables, and one line of single values."""
    more = {key: value for key, value in stats.items() if key not in FUNNEL and value}
    tables, single = [], []
    for key, value in more.items():
        words = key.replace("_", " ")
        if isinstance(value, dict | list):
            title, says, cannot = EXTRAS.get(key, (words.capitalize(), "", ""))
            tables.append(of_rows(f"data_{step.replace(' ', '_')}_{key}", f"{title} ({step})", says,
                                  cannot, rows_of(value)))
        else:
            single.append(f"{words} {render.number(value, 3)}" if isinstance(value, float)
                          else f"{words} {value}")
    return tables, f"{step}: {', '.join(single).rstrip('.')}." if single else ""


def data_tables(root: Path) -> tuple[list[Table], list[tuple[str, int, int]]]:
    """The funnel as tables and as (step, seen, kept), then each stage's own tables.

    The figures are of the training text; the test text is a row of the tables alone.
    """
    stats = {step: found for step, folder in STEPS.items()
             if (found := load(root / folder / "stats.json"))}
    steps = [(step, s["seen"], s["kept"]) for step, s in stats.items()]
    overlap = overlaps(load(root / "data/format/suite/stats.json"))
    if not stats:
        return overlap, []
    auc = load(root / "data/qe/score/auc.json") or {}
    more = [extras(step, s) for step, s in [*stats.items(), ("qe", auc)]]
    if test := stats.get("format", {}).get("test"):
        others = {step: s for step, s in stats.items() if step != "format"}
        stats = {"format": stats["format"], "format, test text": test, **others}
    funnel = of_rows(
        "data_funnel", "Pairs kept and dropped", "How many pairs entered and left each step, and "
        "why the others were dropped.", "Whether a dropped pair was bad: rules and scores are "
        "proxies.", [{"step": step, "seen": s["seen"], "kept": s["kept"],
                      "kept, %": 100 * s["kept"] / (s["seen"] or 1),
                      "dropped, by reason": reasons(s["dropped"])} for step, s in stats.items()])
    funnel["notes"] = [note for _, note in more if note]
    languages = sorted({lang for s in stats.values() for lang in s.get("by_lang", {})})
    by_lang = of_rows(
        "data_by_language", "Pairs kept, by language", "How many pairs of each language each step "
        "left.", "How good they are.", [{"language": language(lang), **{
            step: s["by_lang"].get(lang, {}).get("kept", 0) for step, s in stats.items()
            if "by_lang" in s}} for lang in languages])
    if per_lang := auc.get("by_lang"):
        by_lang["columns"].append({"key": "auc", "label": "AUC of the quality estimate",
                                   "kind": "float"})
        for lang, row in zip(languages, by_lang["rows"], strict=True):
            row["auc"] = per_lang.get(lang)
    tables = [funnel, by_lang, *overlap, *(table for found, _ in more for table in found)]
    return [table for table in tables if table["rows"]], steps


def overlaps(stats: dict[str, Any] | None) -> list[Table]:
    """How many lines of the suite's text resemble a side of a training pair."""
    if not stats or "seen_in_training" not in stats:
        return []
    near = stats["seen_in_training"]
    rows = [{"text": language(lang), "lines": counts["kept"],
             "like a source, %": 100 * near.get(f"{lang}, {PIVOT} side", 0) / counts["kept"],
             "like a translation, %": 100 * near.get(f"{lang}, {lang} side", 0) / counts["kept"]}
            for lang, counts in stats["by_lang"].items() if counts["kept"]]
    return [of_rows("data_overlap", "Test lines seen in training", "The share of the suite's lines "
                    "whose English, or whose text in the language, is a near-copy of a side of a "
                    "training pair. They are flagged, none is removed.",
                    "Whether the model saw them before it was tuned.", rows)]


def spans(numbers: list[int]) -> str:
    """[0, 1, 2, 5] as 0–2, 5."""
    starts = [n for n in numbers if n - 1 not in numbers]
    ends = [n for n in numbers if n + 1 not in numbers]
    return ", ".join(f"{a}–{b}" if a != b else f"{a}" for a, b in zip(starts, ends, strict=True))


def training(root: Path) -> dict[str, Any]:
    """Resolved configuration, loss curve and held-out losses of both training stages."""
    configs = {stage: found for stage in ("train_s1", "train_s2")
               if (found := load(root / "data" / stage / "config.json"))}
    curves, held_out, rows = {}, {}, []
    for stage, config in configs.items():
        name = stage.replace("train_s", "stage ")
        if (log := root / "data" / stage / "loss.csv").is_file():
            with open(log, encoding="utf-8", newline="") as file:
                curves[name] = [(int(r["step"]), float(r["loss"])) for r in csv.DictReader(file)]
        dev = config.get("dev_loss") or []
        if isinstance(dev, dict):
            dev = [{"step": 0, "loss": dev["before"]},
                   {"step": config["steps"], "loss": dev["after"]}]
        held_out[name] = [(point["step"], point["loss"]) for point in dev]
        rows.append({
            "stage": name, "layers": spans(config["layers"]), "of": config["depth"],
            "trained parameters": config["trained_parameters"],
            "share, %": 100 * config["trained_parameters"] / config["total_parameters"],
            "pairs": config["pairs"], "tokens": config["tokens"], "steps": config["steps"],
            "learning rate": f"{config['lr']:g}",
            "held-out loss before": dev[0]["loss"] if dev else None,
            "after": dev[-1]["loss"] if dev else None})
    table = of_rows("training", "Training", "What each stage trained, on how much, and the loss "
                    "on held-out pairs before and after.",
                    "Translation quality: a lower loss need not mean better translations.", rows)
    return {"configs": configs, "curves": curves, "held_out": held_out, "table": table}


def flagged(row: dict[str, Any], rule: str | None) -> list[str]:
    """What is wrong with an answer, in words; its language by the rule that its direction has."""
    wrong = {**row, "off_target": row.get("off_target", {}).get(rule)}
    return [says for flag, says in FLAGS.items() if wrong.get(flag)]


def examples(root: Path, metas: dict[str, Any], seed: int, first: str, count: int,
             rules: dict[str, str]) -> dict[str, list[Any]]:
    """By direction: ``count`` segments chosen by a seed, each with every system's answer.
    ``rules``: {direction: the rule of language ID that is right about its references}.

    The answers of the system ``first`` are marked.
    """
    answers = {name: {(row["direction"], row["id"]): row for row in jsonl.read(
        root / "data/eval_mt" / name / "segments.jsonl")} for name in metas}
    found: dict[str, list[Any]] = {}
    keys = sorted({key for rows in answers.values() for key in rows})
    for direction in sorted({key[0] for key in keys}):
        mine = [key for key in keys if key[0] == direction]
        for key in sorted(random.Random(f"{seed}:{direction}").sample(
                mine, min(count, len(mine)))):
            rows = {name: by_key[key] for name, by_key in answers.items() if key in by_key}
            source, target = (code.replace("_", "-") for code in direction.split("-"))
            one = next(iter(rows.values()))
            given = [{"who": who, "text": text, "lang": lang, "shown": False, "flags": []}
                     for who, text, lang in (("Source", one["src"], source),
                                             ("Reference", one["ref"], target))]
            found.setdefault(arrow(direction), []).append([*given, *(
                {"who": system(name), "text": row["hyp"], "lang": target, "shown": name == first,
                 "flags": flagged(row, rules.get(direction))}
                for name, row in rows.items())])
    return found


def known_first(names: Iterable[str]) -> list[str]:
    """Known systems in the order of their table, then the others as they come."""
    names = list(names)
    return [*(name for name in SYSTEMS if name in names),
            *(name for name in names if name not in SYSTEMS)]


def metas(folder: Path) -> dict[str, Any]:
    """meta.json of every evaluated system, known systems first; that of neural metrics, which
    score what systems said, is none of them."""
    found = {path.parent.name: load(path) for path in sorted(folder.glob("*/meta.json"))}
    found = {name: meta for name, meta in found.items() if "signature" in meta}
    return {name: found[name] for name in known_first(found)}


def signatures(found: dict[str, dict[str, Any]]) -> Table:
    """One row a system and evaluation: what produced its scores."""
    rows = []
    for kind, systems in found.items():
        for system, meta in systems.items():
            signature = dict(meta["signature"])
            versions = signature.pop("versions", {})
            rows.append({"evaluation": kind, "system": system,
                         **{key: str(value) for key, value in signature.items()},
                         "versions": " ".join(f"{k} {v}" for k, v in sorted(versions.items()))})
    return of_rows("signatures", "Signatures of the evaluations", "What produced each score: "
                   "weights, tokenizer, prompts, decoding and versions, hashed where a name "
                   "could hide a change.", "That another machine type gives the same bits.", rows)


def run_identity(lock: Path) -> tuple[str | None, list[str]]:
    """SHA-256 of a run's lock file and its stage names in order, or (None, [])."""
    from ruamel.yaml import YAML

    if not lock.is_file():
        return None, []
    content = lock.read_bytes()
    return hashlib.sha256(content).hexdigest(), list(YAML(typ="safe").load(content)["stages"])


def cost(root: Path, stages: list[str], kept_in: Path) -> Table | None:
    """Seconds and peak memory of every stage's last run, kept in the file ``kept_in``.

    Merged with what that file already holds: a stage that DVC took from its cache keeps the cost
    of the run that made it.
    """
    kept = {row["stage"]: row for row in load(kept_in) or []}
    for path in sorted((root / "data/runtime").glob("*.json")):
        row = load(path)
        kept[row["stage"]] = row
    order = {stage: place for place, stage in enumerate(stages)}
    rows = [kept[stage] for stage in sorted(kept, key=lambda s: (order.get(s, len(order)), s))
            if not order or stage in order]
    if not rows:
        return None
    jsonl.write_json(kept_in, rows)
    total = {"stage": "total", "seconds": sum(float(row["seconds"]) for row in rows),
             "peak_mib": max(row["peak_mib"] for row in rows)}
    shown = [{"stage": row["stage"], "seconds": float(row["seconds"]),
              "peak memory, MiB": row["peak_mib"],
              **({"machine": row["machine"]} if "machine" in row else {})}
             for row in [*rows, total]]
    return of_rows("runtime", "Run cost", "Wall seconds and peak memory of each stage when it "
                   "last ran; the total adds the seconds and takes the highest peak.",
                   "The time on another machine, or on a busy one.", shown)
