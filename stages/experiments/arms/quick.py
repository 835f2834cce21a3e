"""A system's quick scores, on nothing that is ever tested: dev, log-probability and drift.

    python -m stages.experiments.arms.quick SYSTEM OUT.json

in     params systems.{SYSTEM, base}, arm_scores, suites.<suite>.{eval_mt, eval_reason, metrics}
       data/format/corpus/test.jsonl (dev split), data/download/{model, spm, items}
out    {"dev": {direction: score}, "logprob": {task: nats}, "accuracy": {task: share},
       "drift": nats a token, "drift_tokens"}; of the base also "influence": a number a layer

Dev: the first segments of every direction, by the suite's primary metric. Log-probability of the
right choice (accuracy where a task has no choices): the screening share of each task's items.
Drift: KL(base || system) on the text of those items, which no stage trains on. Tasks were chosen
because the base does well on these items, so they compare systems with each other: beside the base
every system looks a little worse here than it is. Influence: 1 - cos(what enters a layer, what
leaves it), mean over the same tokens; a layer that changes little is called dispensable
(ShortGPT, arXiv 2403.03853).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import log_softmax

from ...common import jsonl, params
from ...common.command import offline, run_stage
from ...common.hashes import text16
from ...decoding import greedy, translation
from ...decoding.drift import drift
from ...decoding.items import answer, item_rows
from ...model import provenance
from ...model.layer_names import layer_path
from ...model.system import load
from ...rows import extraction
from ...rows.segments import LEXICAL
from ...tasks import items, stock

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Row = dict[str, Any]
DATA = Path("data")
BATCH = 16  # documents at a time


def dev_scores(network: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, system: Row,
               metric: str) -> dict[str, float]:
    """{direction: corpus score} on the first dev segments that may be scored."""
    dev, settings = list(jsonl.read(DATA / "format/corpus/test.jsonl")), params.suite("eval_mt")
    kind = extraction.lexical_metrics([metric], {
        "spbleu": provenance.spbleu(DATA / "download/spm", settings["spbleu_label"])})[metric]
    stop, found = greedy.newline_tokens(tokenizer), {}
    count = params.get("arm_scores.segments")
    for language, into, name in translation.directions(params.scaled("format.languages")):
        pool, scored = translation.dev(dev, language)  # a tiny corpus has the pool alone
        rows = [translation.turned(row, into) for row in (scored or pool)[:count]]
        shown = [translation.turned(row, into) for row in
                 translation.examples(pool, system["shots"], system["draw"])]
        answers, _ = translation.ask(network, tokenizer, rows, shown, system["system"], settings,
                                     stop, name)
        references, mine = kind.ready([[row["tgt"] for row in rows], [hyp for hyp, _ in answers]])
        total = np.sum(kind.statistics(mine, references), axis=0, dtype=float)
        found[name] = round(float(LEXICAL[metric][1](total)), 6)
    return found


def screened(share: float) -> dict[str, tuple[Path, Row, list[int]]]:
    """{task, or part or language of one: (file of its items, settings, rows of the screening
    share)}."""
    found, limit = {}, params.get("arm_scores.items")
    for task, about in params.suite("eval_reason.tasks").items():
        for part, asked in stock.parts(task, about).items():
            file = DATA / "download/items" / f"{part}.jsonl"
            found[part] = file, {**about, "stock": asked}, items.screening(file, share, limit)
    return {task: one for task, one in found.items() if one[2]}


def gold(row: Row) -> float:
    """log P(right choice) among the choices of the item, in nats."""
    return float(log_softmax(row["loglik"])[row["gold"]])


def answered(network: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, share: float) -> Row:
    """Mean log-probability of the right choice, and accuracy, on the screening items."""
    tasks = screened(share)
    asked = answer(network, tokenizer, {
        task: stock.task(about["stock"], file, task, about.get("shots"), about.get("tokens"))
        for task, (file, about, _) in tasks.items()},
        {task: rows for task, (_, _, rows) in tasks.items()}, params.suite("eval_reason.batch"),
        params.get("seed"), {task: about["filter"] for task, (_, about, _) in tasks.items()
                             if "filter" in about})
    rows = {task: item_rows(task, tasks[task][1]["metric"], version, samples)
            for task, (version, samples) in asked.items()}
    return {"accuracy": {task: round(fmean(row["score"] for row in mine), 6)
                         for task, mine in rows.items()},
            "logprob": {task: round(fmean(map(gold, mine)), 6)
                        for task, mine in rows.items() if "loglik" in mine[0]}}


def documents(tokenizer: PreTrainedTokenizerBase, share: float) -> list[list[int]]:
    """The text of screening items, in an order hashed from it, as token ids."""
    texts = []
    for file, _, chosen in screened(share).values():
        rows = list(jsonl.read(file))
        texts += [" ".join(value for key, value in rows[place].items()
                           if key != "id" and isinstance(value, str)) for place in chosen]
    longest, count = params.get("arm_scores.tokens"), params.get("arm_scores.documents")
    ids = [tokenizer(text, add_special_tokens=False)["input_ids"][:longest]
           for text in sorted(texts, key=text16)[:count]]
    return [document for document in ids if len(document) > 1]


def influence(network: PreTrainedModel, documents: list[list[int]]) -> list[float]:
    """1 - the cosine of what enters a layer and what leaves it, mean over all tokens, layer by
    layer from the embedding."""
    import torch

    layers = list(network.get_submodule(layer_path(network)).children())
    moved, tokens = [0.0] * len(layers), sum(map(len, documents))

    def measure(place: int) -> Any:
        def hook(_: Any, given: Any, named: Any, left: Any) -> None:
            before = given[0] if given else named["hidden_states"]
            after = left[0] if isinstance(left, tuple) else left
            moved[place] += float((1 - torch.cosine_similarity(
                before.float(), after.float(), dim=-1)).sum())
        return hook

    hooks = [layer.register_forward_hook(measure(place), with_kwargs=True)
             for place, layer in enumerate(layers)]
    with torch.inference_mode():
        for document in documents:
            network.get_decoder()(input_ids=torch.tensor([document], device=network.device),
                                  use_cache=False)
    for one in hooks:
        one.remove()
    return [round(total / tokens, 6) for total in moved]


def quick(name: str) -> Row:
    """All quick scores of a described system."""
    share, device = params.suite("eval_reason.screen.share"), params.get("machine.device")
    system = params.system(name)
    network, tokenizer = load(system, device)
    found = {"metric": params.suite("primary_metric"),
             "segments": params.get("arm_scores.segments"),
             "dev": dev_scores(network, tokenizer, system, params.suite("primary_metric")),
             **answered(network, tokenizer, share)}
    texts, base = documents(tokenizer, share), params.system("base")
    if name == "base":
        found["influence"] = influence(network, texts)
    moved = drift(load(base, device)[0], network, texts, BATCH)
    tokens = sum(count for _, count in moved)
    return found | {"drift": round(sum(total for total, _ in moved) / tokens, 8),
                    "drift_tokens": tokens}


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("system", help="a key of systems in params.yaml")
    parser.add_argument("out", type=Path, help="the JSON file to write")
    args = parser.parse_args(argv)
    offline(params.scaled("offline"))
    import torch

    torch.set_num_threads(params.get("machine.threads"))
    found = quick(args.system)
    jsonl.write_json(args.out, found)
    print(f"{args.system}: {json.dumps(found)}")


if __name__ == "__main__":
    run_stage(main)
