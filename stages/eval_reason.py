"""Score reasoning items with one system, through lm-eval.

in     params systems.<name>      weights, dtype
       data/download/items/<task>.jsonl
out    items.jsonl   one row per task item: hashes, score, prediction and gold, the log-likelihood
                     (nats) and length of every choice, what guesses would have hit
       meta.json     what produced it: weights, prompts, and of each task its metric, its chance
                     level and whether it enters the verdict
paper  15 reasoning sets, not named in what could be read. Ours at desk: BIG-bench tasks that the
       untuned model solves above the best guess, zero-shot, by likelihood.

Which tasks carry the verdict, and which metric counts in each (accuracy, or accuracy by
length-normalised likelihood), was fixed in params.yaml by `stages.experiments.screen`, on items
that are never tested here. No system turn and no chat template: the prompts are lm-eval's own.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from statistics import fmean
from typing import Any

from .common import jsonl, params
from .common.command import offline, run_stage
from .decoding.items import Row, answer, item_rows
from .model import provenance
from .model.system import load
from .tasks import items, stock

ITEMS = Path("data/download/items")


def evaluate(network: Any, tokenizer: Any, tasks: dict[str, Row], screen: float, limit: int,
             batch: int, seed: int) -> dict[str, list[Row]]:
    """The rows of ``tasks`` {name: {metric, stock?, items?}}: of each, ``items`` items that test,
    else ``limit``."""
    files = {task: ITEMS / f"{task}.jsonl" for task in tasks}
    found = answer(
        network, tokenizer,
        {task: stock.task(about.get("stock", "question"), files[task], task)
         for task, about in tasks.items()},
        {task: items.tested(files[task], screen, about.get("items", limit))
         for task, about in tasks.items()}, batch, seed)
    return {task: item_rows(task, tasks[task]["metric"], version, samples)
            for task, (version, samples) in found.items()}


def chance(rows: list[Row]) -> float:
    """What guessing blindly earns: 1/k, or without choices the share of the most usual answer."""
    if "n_choices" in rows[0]:
        return fmean(1 / row["n_choices"] for row in rows)
    most = max(Counter(row["target_hash"] for row in rows).values())
    return most / len(rows) if most > 1 else 0


def about_task(task: str, about: Row, rows: list[Row]) -> Row:
    """What meta.json says of a task."""
    return {"version": rows[0]["version"], "metric": about["metric"], "carries": about["carries"],
            "n": len(rows), "n_total": sum(1 for _ in jsonl.read(ITEMS / f"{task}.jsonl")),
            "chance": chance(rows),
            "multilingual": about.get("multilingual", False)}


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("system", help="a key of systems in params.yaml")
    parser.add_argument("out", type=Path, help="output folder")
    args = parser.parse_args(argv)
    system = params.system(args.system)
    offline(params.scaled("offline"))
    import torch

    torch.set_num_threads(params.get("machine.threads"))
    tasks, limit = params.suite("eval_reason.tasks"), params.suite("eval_reason.items")
    network, tokenizer = load(system, params.get("machine.device"))
    by_task = evaluate(network, tokenizer, tasks, params.suite("eval_reason.screen.share"), limit,
                       params.suite("eval_reason.batch"), params.get("seed"))
    rows = [row for task in sorted(by_task) for row in by_task[task]]
    with jsonl.writer(args.out / "items.jsonl") as write:
        for row in rows:
            write(row)
    jsonl.write_json(args.out / "meta.json", {
        "system": args.system, "scale": params.get("scale"), "suite": params.get("suite"),
        "limit": limit,
        "signature": provenance.signature(
            Path(system["weights"]), tokenizer, [row["prompt_hash"] for row in rows],
            params.get("seed"), system["dtype"], "log-likelihood of each choice",
            system["derive"]),
        "tasks": {task: about_task(task, about, by_task[task]) for task, about in tasks.items()}})


if __name__ == "__main__":
    run_stage(main)
