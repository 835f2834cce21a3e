"""Score reasoning items with one system, through lm-eval.

in     a model folder (base, or a training stage's output)
       data/download/items/<task>.jsonl, stages/tasks/<task>.yaml
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
from .common.command import run_stage
from .common.errors import UserError
from .model import provenance, weights

TASKS, ITEMS = Path("stages/tasks"), Path("data/download/items")


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


def evaluate(folder: Path, tasks: dict[str, str], limit: int, batch: int, seed: int,
             ) -> tuple[list[dict[str, Any]], Any]:
    """Run lm-eval on ``tasks`` {name: metric}; return its rows and the tokenizer."""
    os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    with tempfile.TemporaryDirectory() as cache:
        os.environ["HF_DATASETS_CACHE"] = cache  # no state in the home folder
        from lm_eval import simple_evaluate
        from lm_eval.models.huggingface import HFLM
        from lm_eval.tasks import TaskManager

        network, tokenizer = weights.load(folder)
        chosen = {task: sorted(choose_items(ITEMS / f"{task}.jsonl", limit))
                  for task in tasks}
        outcome = simple_evaluate(
            model=HFLM(pretrained=network, tokenizer=tokenizer, batch_size=batch, device="cpu"),
            tasks=list(tasks), samples=chosen, bootstrap_iters=0, log_samples=True,
            task_manager=TaskManager(include_path=str(TASKS), include_defaults=False),
            random_seed=seed, numpy_random_seed=seed, torch_random_seed=seed,
            fewshot_random_seed=seed)
    rows = [item_row(task, tasks[task], str(outcome["versions"][task]), sample)
            for task in tasks for sample in outcome["samples"][task]]
    for task, ids in chosen.items():
        if (found := sum(row["task"] == task for row in rows)) != len(ids):
            raise UserError(f"lm-eval returned {found} items of {task}, {len(ids)} were asked for")
    return sorted(rows, key=lambda row: (row["task"], row["doc_id"])), tokenizer


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", type=Path, help="folder of the base model or a training stage")
    parser.add_argument("out", type=Path, help="output folder; its name is the system's name")
    args = parser.parse_args(argv)
    import torch

    torch.set_num_threads(params.scaled("eval_reason.threads"))
    tasks, limit = params.scaled("eval_reason.tasks"), params.scaled("eval_reason.items")
    rows, tokenizer = evaluate(args.model, tasks, limit, params.scaled("eval_reason.batch"),
                               params.get("seed"))
    with jsonl.writer(args.out / "items.jsonl") as write:
        for row in rows:
            write(row)
    by_task = {task: [row for row in rows if row["task"] == task] for task in tasks}
    jsonl.write_json(args.out / "meta.json", {
        "system": args.out.name, "scale": params.get("scale"), "limit": limit,
        "signature": provenance.signature(args.model, tokenizer,
                                          [row["prompt_hash"] for row in rows],
                                          params.get("seed"), "log-likelihood of each choice"),
        "tasks": {task: {"version": mine[0]["version"], "metric": tasks[task], "n": len(mine),
                         "n_total": sum(1 for _ in jsonl.read(ITEMS / f"{task}.jsonl")),
                         "chance": fmean(1 / row["n_choices"] for row in mine),
                         "multilingual": False} for task, mine in by_task.items()}})


if __name__ == "__main__":
    run_stage(main)
