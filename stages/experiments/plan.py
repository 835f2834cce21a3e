"""What a run costs, before anything is spent: `python -m stages.experiments.plan`.

in     params scales.<scale>.plan   sizes, rates and the machine; scales.<scale>.model, layers;
       suites.<suite>.eval_mt        languages and pivots, from which the directions follow;
       suites.<suite>.download.judges   the neural metrics, each a row of its own
out    a table a stage: disk, core hours, GPU hours, memory; the same for arms of the training

Formulas, for parameters of a layer P and of the head H, depth L, b bytes a parameter:
  training   FLOP a token = 2 (L P + H) forward, 2 (crossed P + H) for activations back to the
             lowest trained layer, 2 x trained for weights (Kaplan et al. 2020, arXiv 2001.08361,
             2.1, cut at the frozen layers); without recomputing
  memory     b a parameter; a float32 gradient and two moments, 12, a trained one, and a float32
             master, 4, where b = 2 (ZeRO, arXiv 1910.02054, 3.1); without activations
  scoring    FLOP = 2 x encoder parameters x tokens a pair, all passes together
  decoding   answer tokens / rate of the server; a cache of 2 x L x key heads x width x b a token
  data       pairs / rate of a core; disk for the share of the pairs that a stage keeps
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ..common import params
from ..common.command import run_stage
from ..common.errors import BAD_CONFIG, UserError
from ..decoding.translation import routes

GIB = 2 ** 30
# Parameters of the published metrics, embeddings included, so the work is an upper bound (XCOMET:
# Guerreiro et al. 2024, arXiv 2310.10482; the others on XLM-R and InfoXLM large: Rei et al. 2022,
# aclanthology.org/2022.wmt-1.52 and 2022.wmt-1.60).
JUDGES = {"xcomet-xl": 3.5e9, "xcomet-xxl": 10.7e9, "wmt22-comet-da": 0.58e9,
          "wmt22-cometkiwi-da": 0.57e9}
Block = dict[str, Any]


class Cost(NamedTuple):
    """Disk and memory in bytes; ``flop`` runs on the GPUs, or where there are none on the cores."""

    stage: str
    disk: float = 0.0
    memory: float = 0.0
    flop: float = 0.0
    core_hours: float = 0.0
    gpu_hours: float = 0.0  # beside what ``flop`` takes


def layer_size(shape: Block) -> int:
    """Parameters of one decoder layer: attention and gated feed-forward matrices."""
    attention = 2 * (shape["heads"] + shape["kv_heads"]) * shape["head_dim"]
    return int(shape["hidden"] * (attention + 3 * shape["intermediate"]))


def training(stage: str, plan: Block, depth: int, layers: Sequence[int], adapter: int = 0,
             words: bool = False) -> Cost:
    """Train ``layers`` on all pairs. ``adapter``: parameters trained in their place (LoRA);
    ``words``: embeddings and head are trained too."""
    shape, layer = plan["shape"], layer_size(plan["shape"])
    head = shape["vocab"] * shape["hidden"]
    embeddings = head * (1 if shape["tied"] else 2)
    trained = adapter or len(layers) * layer + words * embeddings
    crossed = depth - min(layers, default=depth)
    flop = (2 * (depth * layer + head) + 2 * (crossed * layer + head)
            + 2 * (adapter or len(layers) * layer + words * head))
    return Cost(stage, 4 * trained, flop=flop * plan["train_tokens"] if layers else 0.0,
                memory=plan["bytes"] * (depth * layer + embeddings)
                + (16 if plan["bytes"] == 2 else 12) * trained)


def stages(plan: Block, depth: int, bottom: Sequence[int], top: Sequence[int]) -> list[Cost]:
    """The cost of every stage, in the order of the pipeline."""
    shape, raw = plan["shape"], plan["raw_pairs"] * plan["pair_bytes"]
    weights = training("", plan, depth, ()).memory
    kept, filters, judge, mt = plan["kept_share"], plan["filter"], plan["judge"], plan["eval_mt"]
    judges = plan.get("judges", {"judge": judge["parameters"]})
    judged = mt["systems"] * mt["directions"] * mt["segments"]
    cache = 2 * depth * shape["kv_heads"] * shape["head_dim"] * plan["bytes"] * mt["cached_tokens"]
    reason = plan["eval_reason"]["systems"] * plan["eval_reason"]["tokens"]
    return [
        Cost("download", weights + raw + 4 * (filters["parameters"] + sum(judges.values()))),
        *(Cost(name, raw * kept[name], plan["data_memory_gib"] * GIB, core_hours=plan["raw_pairs"]
               / plan["pairs_per_core_second"][name] / 3600)
          for name in ("format", "dedup", "langid")),
        Cost("qe", raw * kept["qe"], 4 * filters["parameters"],
             2 * filters["parameters"] * filters["tokens"] * plan["raw_pairs"] * kept["langid"]),
        training("train_s1", plan, depth, bottom), training("train_s2", plan, depth, top),
        Cost("eval_mt", judged * plan["pair_bytes"], weights + cache,
             gpu_hours=judged * mt["answer_tokens"] / mt["tokens_per_second"] / 3600),
        *(Cost(f"eval_mt, {name}", 0.0, 4 * size, 2 * size * judge["tokens"] * judged)
          for name, size in judges.items()),
        Cost("eval_reason", 0.0, weights, 2 * weights / plan["bytes"] * reason)]


def translated(plan: Block, suite: Block, languages: Sequence[str], lines: int | None) -> Block:
    """``plan.eval_mt`` with the directions of the suite, and its segments where it counts them."""
    chosen = suite["languages"] or languages
    count = len(routes(chosen, suite["pivots"]))
    return {**plan["eval_mt"], "directions": count,
            "segments": suite["segments"] or lines or plan["eval_mt"]["segments"]}


def arms(plan: Block, depth: int, bottom: Sequence[int], top: Sequence[int]) -> list[Cost]:
    """The training of the paper's other questions: one stage, layer 20 alone, full, LoRA."""
    shape, everything = plan["shape"], range(depth)
    below = min(top, default=depth) - 1  # 20 of Qwen3-8B's 36
    sides = (4 * shape["hidden"] + 2 * (shape["heads"] + shape["kv_heads"]) * shape["head_dim"]
             + 3 * (shape["hidden"] + shape["intermediate"]))  # of a layer's seven matrices
    return [training("both ends in one stage", plan, depth, [*bottom, *top]),
            training(f"layer {below} alone", plan, depth, [below]),
            training("all parameters", plan, depth, everything, words=True),
            training(f"LoRA, rank {plan['lora_rank']}", plan, depth, everything,
                     depth * plan["lora_rank"] * sides)]


def hours(cost: Cost, machine: Block) -> tuple[float, float]:
    """Core hours and GPU hours of a stage on the described machine."""
    computed = cost.flop / (machine["flops"] * machine["use"]) / 3600 + cost.gpu_hours
    return (cost.core_hours, computed) if machine["gpus"] else (cost.core_hours + computed, 0.0)


def refuse(costs: list[Cost], machine: Block) -> None:
    """Raise UserError where disk or memory of the described machine cannot hold the run."""
    if (disk := sum(cost.disk for cost in costs) / GIB) > machine["disk_gib"]:
        raise UserError(f"the run writes {disk:,.2f} GiB, the disk has {machine['disk_gib']:,}. "
                        "Use a larger one, fewer pairs or a smaller judge", BAD_CONFIG)
    for cost in costs:
        on_gpu = machine["gpus"] and (cost.flop or cost.gpu_hours)
        room = machine["gpus"] * machine["gpu_gib"] if on_gpu else machine["memory_gib"]
        if (need := cost.memory / GIB) > room:
            raise UserError(f"{cost.stage} needs {need:,.2f} GiB of {'GPU ' if on_gpu else ''}"
                            f"memory, the machine has {room:,}. Use more or larger ones, or train "
                            "fewer layers", BAD_CONFIG)


def main() -> None:
    from rich.console import Console
    from rich.table import Table

    plan, layers, depth = params.scaled("plan"), params.get("layers"), params.scaled("model.depth")
    machine, bottom = plan["machine"], range(layers["bottom"])
    top = [layer for layer in range(depth - layers["top"], depth) if layer not in layers["skip"]]
    test = params.suite("format.test") or {}
    judges = params.suite("download")["judges"].get("metrics", [])
    lines = None if test.get("documents") else test.get("lines")
    mt = translated(plan, params.suite("eval_mt"), list(params.scaled("format.languages")), lines)
    plan = {**plan, "judges": {name: JUDGES[name] for name in judges}, "eval_mt": mt}
    found, others = stages(plan, depth, bottom, top), arms(plan, depth, bottom, top)
    for title, costs in ((params.scaled("model.name"), found), ("other trainings", others)):
        table = Table("", "disk GiB", "memory GiB", "core hours", "GPU hours", "price", title=title)
        for cost in costs:
            core, gpu = hours(cost, machine)
            table.add_row(cost.stage, *(f"{value:,.2f}" for value in (
                cost.disk / GIB, cost.memory / GIB, core, gpu, gpu * machine["gpu_hour_price"])))
        Console().print(table)
    refuse(found, machine)


if __name__ == "__main__":
    run_stage(main)
