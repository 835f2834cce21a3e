"""Choose the reasoning tasks: on which can the base show harm?

    python -m stages.experiments.screen

in     params suites.<suite>.eval_reason.screen {share, items, candidates, discordance}, without
       candidates every set of suites.<suite>.download.items; the system ``base``
       data/download/items/<task>.jsonl   the share set aside, which is never tested
out    reports/<scale>/<suite>/screen/items.jsonl.gz   the base's answers, without the items' text
       .../screen.json   per task: accuracy by both metrics, the better one is its metric from here
       on, the best guess that ignores the question, p, passes; what the margin of accuracy is worth
       in log-probability, and the power of both endpoints at their margins
       data/screen/<task>-<key>.jsonl     one finished task each, so that a broken run goes on

Every candidate's metric, accuracy or accuracy by log-likelihood per character, is the one that the
base does better by on these items (acc where equal). What passes is then written into params.yaml
(tasks, margin_logprob) and committed before any tuned system is scored.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from statistics import fmean
from typing import Any

from tqdm import tqdm

from ..common import hashes, jsonl, params
from ..common.command import offline, run_stage
from ..decoding import items as decoding
from ..model.system import load
from ..model.weights import revision
from ..rows.published import write_rows
from ..statistics.reasoning.screening import margin_logprob, power_at_margin, screen
from ..tasks import items, stock

Row = dict[str, Any]
ITEMS, SCRATCH = Path("data/download/items"), Path("data/screen")
METRICS = ("acc", "acc_norm")  # as far as a task has them


def better(by_metric: dict[str, list[Row]]) -> list[Row]:
    """The rows of the metric by which more items are solved, the first one where equal."""
    return max(by_metric.values(), key=lambda rows: sum(row["score"] for row in rows))


def candidates(suite: Row) -> dict[str, str]:
    """{set: the stock task that asks it}, as the screen lists them or as they are downloaded."""
    listed: dict[str, str] | None = suite["eval_reason"]["screen"].get("candidates")
    return listed or {name: about.get("stock", name)
                      for name, about in suite["download"]["items"]["sets"].items()}


def answers(candidates: dict[str, str], share: float, limit: int, batch: int, seed: int,
            system: dict[str, Any], device: str) -> dict[str, dict[str, list[Row]]]:
    """The base's rows of each candidate {task: form of its items}, by metric."""
    network, tokenizer = load(system, device)
    weights, found = revision(Path(system["weights"])), {}
    for task, form in tqdm(candidates.items(), desc="tasks"):
        file = ITEMS / f"{task}.jsonl"
        definition, positions = stock.task(form, file, task), items.screening(file, share, limit)
        asked = re.sub(r" at 0x[0-9a-f]+", "", str(definition))  # functions, but not where they lie
        key = hashes.of_json([weights, system["dtype"], hashes.file_sha256(file), asked,
                              positions])[:16]
        kept = SCRATCH / f"{task}-{key}.jsonl"
        if not kept.is_file():
            [(version, samples)] = decoding.answer(
                network, tokenizer, {task: definition}, {task: positions}, batch, seed).values()
            with jsonl.writer(kept) as write:
                for metric in METRICS:
                    if metric in samples[0]:
                        for row in decoding.item_rows(task, metric, version, samples):
                            write(row)
        rows = list(jsonl.read(kept))
        found[task] = {metric: [row for row in rows if row["metric"] == metric]
                       for metric in dict.fromkeys(row["metric"] for row in rows)}
    return found


def summary(by_metric: dict[str, dict[str, list[Row]]], tested: dict[str, int], settings: Row,
            ) -> Row:
    """What the screening says: every candidate, what passes, margin and power."""
    chosen = {task: better(rows) for task, rows in by_metric.items()}
    table = {one.task: {
        **{f"accuracy_{metric}": 100 * fmean(row["score"] for row in rows)
           for metric, rows in by_metric[one.task].items()},
        "metric": chosen[one.task][0]["metric"], **one._asdict(), "tested": tested[one.task]}
        for one in screen(chosen, settings["alpha"])}
    passing = {task: chosen[task] for task, row in table.items() if row["passes"]}
    points = settings["margin_macro_pp"]
    found: Row = {"candidates": table, "margin_logprob": None, "power": []}
    if passing:
        nats = found["margin_logprob"] = margin_logprob(passing, points)
        found["power"] = [power._asdict() for power in power_at_margin(
            passing, tested, settings["discordance"], points, nats, settings["seed"],
            settings["alpha"])]
    return found


def main(argv: list[str] | None = None) -> None:
    argparse.ArgumentParser(description=__doc__.split("\n")[0]).parse_args(argv)
    offline(params.scaled("offline"))
    import torch

    torch.set_num_threads(params.get("machine.threads"))
    share, limit = params.suite("eval_reason.screen.share"), params.suite("eval_reason.items")
    screened = params.suite("eval_reason.screen.items")
    settings = {"alpha": params.get("significance.alpha"), "seed": params.get("seed"),
                "margin_macro_pp": params.get("significance.margin_macro_pp"),
                "discordance": params.suite("eval_reason.screen.discordance")}
    by_metric = answers(candidates(params.get("suites")[params.get("suite")]), share, screened,
                        params.suite("eval_reason.batch"), settings["seed"],
                        params.system("base"), params.get("machine.device"))
    tested = {task: len(items.tested(ITEMS / f"{task}.jsonl", share, limit)) for task in by_metric}
    out = Path("reports") / params.get("scale") / params.get("suite") / "screen"
    write_rows(out / "items.jsonl.gz", [row for rows in by_metric.values() for row in better(rows)])
    jsonl.write_json(out / "screen.json", {
        "share": share, "items": screened, **settings, **summary(by_metric, tested, settings)})


if __name__ == "__main__":
    run_stage(main)
