"""Score reasoning items with one system, through lm-eval.

in     params systems.<name>      weights, dtype
       data/download/items/<task>.jsonl, stages/tasks/<suite>/<task>.yaml
out    items.jsonl   one row per task item: hashes, prediction, gold, score
       meta.json     what produced it: weights, prompts, metric and chance level of each task
paper  15 reasoning sets, not named in what could be read. Ours at desk: BIG-bench tasks that the
       untuned model solves above chance, zero-shot, by likelihood.

Which metric counts (accuracy, or accuracy by length-normalised likelihood) is fixed per task in
params.yaml before any system is compared.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import tempfile
from pathlib import Path
from statistics import fmean
from typing import Any

from .common import jsonl, params
from .common.command import offline, run_stage
from .common.errors import UserError
from .model import provenance
from .model.system import load

TASKS, ITEMS = Path(__file__).parent / "tasks", Path("data/download/items")


def choose_items(file: Path, limit: int) -> set[int]:
    """Positions of the ``limit`` rows that come first when ordered by a hash of their question."""
    order = sorted(enumerate(jsonl.read(file)), key=lambda pair: hashlib.sha256(
        pair[1]["question"].encode()).hexdigest())
    return {position for position, _ in order[:limit]}


def item_row(task: str, metric: str, version: str, sample: dict[str, Any]) -> dict[str, Any]:
    """The canonical row of one lm-eval sample."""
    doc = sample["doc"]
    scores = [float(response[0]) for response in sample["filtered_resps"]]
    if metric == "acc_norm":  # as lm-eval: log-likelihood per character of the choice
        scores = [score / len(choice) for score, choice in
                  zip(scores, doc["choices"], strict=True)]
    return {"task": task, "version": version, "filter": sample["filter"], "metric": metric,
            "doc_id": doc["id"], "doc_hash": sample["doc_hash"][:16],
            "prompt_hash": sample["prompt_hash"][:16], "target_hash": sample["target_hash"][:16],
            "cluster": str(doc["id"]), "sample": 0, "score": float(sample[metric]),
            "pred": max(range(len(scores)), key=scores.__getitem__), "gold": doc["gold"],
            "n_choices": len(doc["choices"])}


def evaluate(network: Any, tokenizer: Any, folder: Path, tasks: dict[str, str], limit: int,
             batch: int, seed: int) -> list[dict[str, Any]]:
    """Run lm-eval on ``tasks`` {name: metric}, defined in ``folder``; return its rows."""
    with tempfile.TemporaryDirectory() as cache:
        os.environ["HF_DATASETS_CACHE"] = cache  # no state in the home folder
        from lm_eval import simple_evaluate
        from lm_eval.models.huggingface import HFLM
        from lm_eval.tasks import TaskManager

        chosen = {task: sorted(choose_items(ITEMS / f"{task}.jsonl", limit))
                  for task in tasks}
        outcome = simple_evaluate(
            model=HFLM(pretrained=network, tokenizer=tokenizer, batch_size=batch,
                       device=str(network.device)),
            tasks=list(tasks), samples=chosen, bootstrap_iters=0, log_samples=True,
            task_manager=TaskManager(include_path=str(folder), include_defaults=False),
            random_seed=seed, numpy_random_seed=seed, torch_random_seed=seed,
            fewshot_random_seed=seed)
    rows = [item_row(task, tasks[task], str(outcome["versions"][task]), sample)
            for task in tasks for sample in outcome["samples"][task]]
    for task, ids in chosen.items():
        if (found := sum(row["task"] == task for row in rows)) != len(ids):
            raise UserError(f"lm-eval returned {found} items of {task}, {len(ids)} were asked for")
    return sorted(rows, key=lambda row: (row["task"], row["doc_id"]))


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
    rows = evaluate(network, tokenizer,
                    TASKS / params.get("suite"), tasks, limit, params.suite("eval_reason.batch"),
                    params.get("seed"))
    with jsonl.writer(args.out / "items.jsonl") as write:
        for row in rows:
            write(row)
    by_task = {task: [row for row in rows if row["task"] == task] for task in tasks}
    jsonl.write_json(args.out / "meta.json", {
        "system": args.system, "scale": params.get("scale"), "suite": params.get("suite"),
        "limit": limit,
        "signature": provenance.signature(
            Path(system["weights"]), tokenizer, [row["prompt_hash"] for row in rows],
            params.get("seed"), system["dtype"], "log-likelihood of each choice"),
        "tasks": {task: {"version": mine[0]["version"], "metric": tasks[task], "n": len(mine),
                         "n_total": sum(1 for _ in jsonl.read(ITEMS / f"{task}.jsonl")),
                         "chance": fmean(1 / row["n_choices"] for row in mine),
                         "multilingual": False} for task, mine in by_task.items()}})


if __name__ == "__main__":
    run_stage(main)
