"""Result files as the eval stages write them, invented: for the statistics alone."""

import hashlib
import json
import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from stages.common import jsonl
from stages.rows import published
from stages.statistics import analysis

Row = dict[str, Any]
SETTINGS: Row = {
    "contrasts": [["xplus", "base"]], "confirm": None, "alpha": 0.05, "seed": 1, "resamples": 500,
    "ar_trials": 499, "simulations": 50, "losses_pp": [0, 1, 2, 3],
    "off_target_false_alarm": 0.05, "fluency_share": 0.5,
    "margin_macro_pp": 2.0, "margin_task_pp": 3.0, "margin_curve_pp": [1, 2, 3],
    "margin_logprob": 0.05, "endpoints_sha256": None,
    "metrics": ["chrf++"], "primary_metric": "chrf++", "equivalence": {"chrf++": 0.54}}
SUITE = ("metrics", "primary_metric", "equivalence", "margin_logprob", "endpoints_sha256")
LANGUAGES = {"swh_Latn": {"resource": "low"}, "spa_Latn": {"resource": "high"}}
SIGNATURE = {"model": "m", "revision": "r", "tokenizer": "t" * 16, "template": "c" * 16,
             "prompt": "p" * 16, "seed": 1, "versions": {}}
WORDS = ["the", "dog", "sees", "a", "big", "red", "house", "near", "the", "cold", "river", "and",
         "buys", "fresh", "bread", "today"]


def sha16(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def sentence(number: int) -> str:
    return " ".join(random.Random(number).choices(WORDS, k=9))


def segments(lossiness: float, seed: int, directions: Iterable[str] = ("swh_Latn-eng_Latn",),
             count: int = 40, per_document: int = 1) -> list[Row]:
    """Outputs that lack each reference word with probability ``lossiness``."""
    rows = []
    for direction in directions:
        for n in range(count):
            rng, ref = random.Random(f"{seed} {direction} {n}"), sentence(n)
            hyp = " ".join(word for word in ref.split() if rng.random() >= lossiness)
            rows.append({
                "id": f"t:{n:03}", "cluster": f"d{n // per_document}", "direction": direction,
                "src": f"chanzo {n}", "ref": ref, "hyp": hyp, "empty": not hyp, "copy": False,
                "truncated": False, "off_target": {"top1": False, "no_other_p50": False},
                "ref_off_target": {"top1": False, "no_other_p50": False},
                "ref_hash": sha16(ref)})
    return rows


def items(scores: Iterable[float], task: str = "physics", clusters: Iterable[Any] | None = None,
          sample: int = 0) -> list[Row]:
    """Items of one task with the given scores."""
    scores = list(scores)
    return [{"task": task, "version": "1.0", "filter": "none", "metric": "acc", "doc_id": n,
             "doc_hash": sha16(f"{task} {n}"), "prompt_hash": sha16(f"prompt {task} {n}"),
             "target_hash": sha16(f"target {task} {n}"), "cluster": str(cluster),
             "sample": sample, "score": float(score)}
            for n, (score, cluster) in enumerate(zip(
                scores, clusters or range(len(scores)), strict=True))]


def write(folder: Path, file: str, rows: list[Row], **meta: Any) -> Path:
    with jsonl.writer(folder / file) as put:
        for row in rows:
            put(row)
    tasks = {row["task"]: {"version": "1.0", "metric": "acc", "chance": 0.25, "n": 1,
                           "n_total": None, "multilingual": False, "carries": True}
             for row in rows if "task" in row}
    content = {"system": folder.name, "scale": "desk", "suite": "invented", "limit": None,
               "test_set": "invented", "languages": LANGUAGES, "signature": SIGNATURE,
               "tasks": tasks} | meta
    (folder / "meta.json").write_text(json.dumps(content))
    return folder


def run(root: Path, base: list[Row], xplus: list[Row], *answers: list[Row],
        names: tuple[str, str] = ("base", "xplus")) -> tuple[Path, Path]:
    """Folders of translations and answers of base and xplus; ``answers``: items of both."""
    for name, rows in zip(names, (base, xplus), strict=True):
        write(root / "mt" / name, "segments.jsonl", rows)
    for name, rows in zip(names, answers, strict=False):
        write(root / "reason" / name, "items.jsonl", rows)
    return root / "mt", root / "reason"


def analysed(translations: Path, answers: Path, settings: Row) -> Row:
    """The data model of two folders of result files, by way of published rows."""
    rows = translations.parent / "rows"
    published.publish(translations, answers, settings, "Invented files: no evidence.", rows)
    return analysis.model(rows)


def params(folder: Path, settings: Row, **more: Any) -> Path:
    """A params.yaml (JSON is YAML) with these significance settings; return the file."""
    suite = {key: settings[key] for key in SUITE}
    file = folder / "params.yaml"
    file.write_text(json.dumps({
        "scale": "desk", "suite": "invented", "layers": {"bottom": 1, "top": 1, "skip": []},
        "scales": {"desk": {"model": {"name": "a model", "depth": 2}, "limits": {}}},
        "suites": {"invented": {**suite, "evidence": "Invented files: no evidence.",
                                "limits": {"Texts": "Invented."}, "examples": 4}},
        "significance": {key: value for key, value in settings.items() if key not in suite},
        **more}))
    return file


def change(file: Path, edit: Callable[[list[Row]], Any]) -> None:
    """Rewrite a file of rows after ``edit`` has changed the list in place."""
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    edit(rows)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
