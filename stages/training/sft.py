"""Layer-selective supervised fine-tuning: train some layers, leave every other tensor alone.

Both training stages are this one function with another list of layers (paper: two stages, one
epoch, cosine schedule with warmup). Gradients, optimiser state and the saved file exist for the
chosen layers only; autograd stops at the lowest of them. The controls (everything, LoRA, another
order, part of the pairs, wrong targets, replay, a penalty) are settings of the same function.
"""

from __future__ import annotations

import csv
import os
import sys
import tempfile
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..common import jsonl
from ..common.errors import BAD_CONFIG, UserError
from ..common.hashes import of_json
from ..launch import processes
from ..model.layer_names import depth_of
from ..model.weights import CONFIG, DELTA_WEIGHTS, chain, changed, load, revision
from . import checkpoints, pairs, replay, sensitivity, trainable
from .losses import Example, Loss, anchored_loss, dev_loss, hash_of, mean_loss, target_loss

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def train(parent: Path, pairs_file: Path, dev: Path, out: Path, layers: list[int], depth: int,
          settings: dict[str, Any], system: str | None, machine: dict[str, Any]) -> None:
    """Tune ``layers`` of the model at ``parent`` on pairs; write what changed to ``out``.

    ``depth`` is the number of layers that the choice was made for; a model of another depth
    raises UserError. ``settings`` are those of params.yaml, of both stages and of this one, of
    the recipe and of the scale: ``train``, ``train_s1`` or ``train_s2``. Their ``engine``, if there
    is one, says how a large model computes: ``precision`` (the name of a torch type; what trains
    keeps float32 masters), ``pack_tokens`` of a batch (0: padded batches) and ``loss_chunk``
    positions of the head at a time (0: all). ``machine`` says where to
    compute, ``device`` (cpu or cuda) and ``threads``, what processes hold (``launch``), and after
    how many steps or minutes a checkpoint is kept, ``save_steps`` and ``save_minutes`` (0: never).
    It belongs to the machine and not to the recipe, so no file repeats it.
    ``out`` gets layers.safetensors (the trained tensors, nothing else), config.json (resolved
    settings, parent and its hash, counts, held-out loss before and after), loss.csv and
    sensitivity.csv (gradient norms of every layer before training). Without layers nothing is
    trained, and the system is its parent.

    On SIGTERM a checkpoint is kept and UserError raised with the code 75. A training of the same
    inputs and settings that was cut off goes on from its newest whole checkpoint, to the same bits.
    """
    import torch
    from safetensors.torch import save_file
    from transformers import set_seed

    torch.set_num_threads(machine["threads"])
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # deterministic sums on CUDA
    set_seed(settings["seed"])
    torch.use_deterministic_algorithms(True)
    if machine["device"] == "cuda":
        torch.cuda.set_device(processes.local_rank())
    engine = settings.get("engine", {})
    if refusal := impossible_engine(engine, settings, machine):
        raise UserError(f"params.yaml: {refusal}", BAD_CONFIG)
    model, tokenizer = load(parent, engine.get("precision", "float32"))
    if (real := depth_of(model)) != depth:
        raise UserError(f"params.yaml: model.depth is {depth}, but {parent} has {real} layers. "
                        f"Write {real}", BAD_CONFIG)
    model.to(machine["device"])
    total, pad = model.num_parameters(), tokenizer.pad_token_id or 0  # masked: any token will do
    rows = pairs.chosen(pairs_file, settings["pairs"], settings["shuffle_targets"],
                        settings["seed"])
    block = settings.get("think_block", "prompt")
    examples = pairs.examples(tokenizer, rows, system, block)
    held_out = pairs.examples(tokenizer, pairs.held_out(dev, settings["dev_pairs"]), system, block)
    before = after = dev_loss(model, held_out, pad, settings["batch"])
    pull: list[tuple[float, float]] = []
    if layers and settings["check_pairs"]:
        some = sorted(held_out, key=lambda example: of_json(example["input_ids"]))
        pull = sensitivity.norms(model, lambda: mean_loss(
            model, some[:settings["check_pairs"]], pad, settings["batch"]))
    names = trainable.choose(model, layers, settings["method"], settings["lora"])
    log: list[dict[str, Any]] = []
    store = checkpoints.Store(out.parent / "checkpoints" / of_json({
        "parent": revision(parent), "layers": layers, "settings": settings, "system": system,
        "examples": hash_of(examples), "versions": versions(),
        "processes": processes.count()})[:16])
    if names:
        log = tune(model, tokenizer, parent, examples, pad, settings, system, store, machine)
        after = dev_loss(model, held_out, pad, settings["batch"])
    else:
        print(f"{out}: no layer is tuned in this stage", file=sys.stderr)
    tensors = trainable.trained(model, names, settings["lora"])
    if not processes.first():
        return
    out.mkdir(parents=True, exist_ok=True)
    save_file(tensors, out / DELTA_WEIGHTS)
    write_csv(out / "loss.csv", ["step", "loss", "lr"],
              [[e["step"], e["loss"], e["learning_rate"]] for e in log])
    write_csv(out / "sensitivity.csv", ["layer", "tuned", "gradient_l2", "gradient_nuclear"],
              [[layer, int(layer in layers), *norms] for layer, norms in enumerate(pull)])
    jsonl.write_json(out / CONFIG, {
        "parent": str(parent), "parent_sha256": revision(parent), "layers": layers,
        "depth": depth, "pairs": len(rows), "steps": len(log),
        "tokens": sum(len(example["input_ids"]) for example in examples),
        "target_tokens": sum(sum(label != -100 for label in e["labels"]) for e in examples),
        "trained_parameters": sum(tensor.numel() for tensor in tensors.values()),
        "total_parameters": total, "dev_loss": {"before": before, "after": after},
        "dev_pairs": len(held_out), "settings": settings, "lr": settings["lr"],
        "seed": settings["seed"],
        "versions": versions()})
    store.clear()


def versions() -> dict[str, str]:
    """What decides the last bits of a training beside its inputs and settings."""
    import torch

    return {"python": "{}.{}".format(*sys.version_info), "torch": torch.__version__}


def impossible_engine(engine: dict[str, Any], settings: dict[str, Any], machine: dict[str, Any],
                      ) -> str | None:
    """Why a training cannot compute as its ``engine`` says, or None."""
    if unknown := sorted(set(engine) - {"precision", "pack_tokens", "loss_chunk"}):
        return f"train.engine: {unknown} is not precision, pack_tokens or loss_chunk"
    if engine and settings["kl"]:
        return "train.kl is computed on padded batches in float32: leave out train.engine"
    if engine.get("loss_chunk") and not engine.get("pack_tokens"):
        return "train.engine: loss_chunk needs packs: set pack_tokens too"
    if engine.get("loss_chunk") and settings["method"] == "full":
        return "train.engine: loss_chunk is for a frozen head, and train.method full tunes it: " \
               "write loss_chunk: 0"
    if engine.get("precision", "float32") != "float32" and machine["launch"] == "ddp":
        return "machine.launch: ddp keeps no float32 masters of bfloat16: write fsdp2"
    return None


def tune(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, parent: Path,
         examples: list[Example], pad: int, settings: dict[str, Any], system: str | None,
         store: checkpoints.Store, machine: dict[str, Any]) -> list[dict[str, Any]]:
    """Train what requires a gradient, from the newest checkpoint on; return a log entry a step.
    Replay and penalty look back at the base model that ``parent`` rests on."""
    from . import loop, packing

    loss: Loss = target_loss
    engine = settings.get("engine", {})
    first, *deltas = chain(parent)
    if settings["replay"] or settings["kl"]:
        base = load(first)[0].to(model.device)  # type: ignore[arg-type]
        longest = max(len(example["input_ids"]) for example in examples)
        examples = examples + replay.written(base, tokenizer, system, round(
            settings["replay"] * len(examples)), longest, batch=64)
        if settings["kl"]:
            loss = partial(anchored_loss, base=base, weight=settings["kl"])
    if engine.get("loss_chunk"):
        loss = partial(packing.chunked_loss, chunk=engine["loss_chunk"])
    if engine:
        trainable.keep_masters(model, changed(first, deltas))
    model.train()
    saving = loop.Saving(machine["save_steps"], machine["save_minutes"])
    with (tempfile.TemporaryDirectory() as scratch, saving,
          packing.isolated(model) if engine.get("pack_tokens") else nullcontext()):
        run = loop.trainer(model, examples, pad, settings, Path(scratch), loss, store,
                           spread=machine["launch"] == "fsdp2")
        run.add_callback(saving)
        if (newest := store.newest()):
            print(f"going on from {newest}", file=sys.stderr)
        run.train(resume_from_checkpoint=str(newest) if newest else None)
    saving.refuse_half(run.state.global_step, run.state.max_steps)
    model.eval()
    return [entry for entry in run.state.log_history if "loss" in entry]


def write_csv(file: Path, head: list[str], rows: list[list[Any]]) -> None:
    """Write a table atomically."""
    with jsonl.open_atomic(file) as open_file:
        table = csv.writer(open_file, lineterminator="\n")
        table.writerow(head)
        table.writerows(rows)
