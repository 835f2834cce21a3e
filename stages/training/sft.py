"""Layer-selective supervised fine-tuning: train some layers, leave every other tensor alone.

Both training stages are this one function with another list of layers (paper: two stages, one
epoch, cosine schedule with warmup). Gradients, optimiser state and the saved file exist for the
chosen layers only; autograd stops at the lowest of them. The controls (everything, LoRA, another
order, part of the pairs, wrong targets, replay, a penalty) are settings of the same function.
"""

from __future__ import annotations

import csv
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..common import jsonl
from ..common.errors import BAD_CONFIG, UserError
from ..common.hashes import of_json
from ..model import prompts
from ..model.layer_names import depth_of
from ..model.weights import CONFIG, DELTA_WEIGHTS, chain, load, revision
from . import pairs, replay, sensitivity, trainable

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, Trainer

Example = dict[str, list[int]]
Loss = Callable[["torch.nn.Module", dict[str, "Tensor"]], "Tensor"]


def collate(examples: list[Example], pad: int) -> dict[str, Tensor]:
    """Right-pad a batch to its longest example: (batch, length) ids, mask and labels."""
    import torch

    longest = max(len(example["input_ids"]) for example in examples)

    def padded(key: str, fill: int) -> torch.Tensor:
        return torch.tensor([example[key] + [fill] * (longest - len(example[key]))
                             for example in examples])

    lengths = torch.tensor([[len(example["input_ids"])] for example in examples])
    return {"input_ids": padded("input_ids", pad), "labels": padded("labels", -100),
            "attention_mask": (torch.arange(longest)[None] < lengths).long()}


def answer_logits(model: torch.nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Logits (positions, vocabulary) in float32 and the tokens they predict, -100 for no answer.

    The head is computed only from the earliest answer position of the batch on: the same loss as
    over all positions, without a (batch, length, vocabulary) tensor for prompts.
    """
    labels = batch["labels"]
    first = int((labels != -100).int().argmax(dim=1).min())
    keep = labels.shape[1] - first + 1  # one position earlier predicts the first answer token
    logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"],
                   use_cache=False, logits_to_keep=keep).logits
    return logits[:, :-1].flatten(0, 1).float(), labels[:, first:].flatten()


def target_loss(model: torch.nn.Module, batch: dict[str, Tensor]) -> Tensor:
    """Summed cross entropy (nats) of the answer tokens."""
    import torch.nn.functional as F

    return F.cross_entropy(*answer_logits(model, batch), reduction="sum")


def anchored_loss(model: torch.nn.Module, batch: dict[str, Tensor], base: torch.nn.Module,
                  weight: float) -> Tensor:
    """``target_loss`` and ``weight`` times KL(base || model), summed over the answer tokens."""
    import torch
    import torch.nn.functional as F

    logits, targets = answer_logits(model, batch)
    with torch.no_grad():
        wanted, _ = answer_logits(base, batch)
    answer = targets != -100
    divergence = F.kl_div(logits[answer].log_softmax(-1), wanted[answer].log_softmax(-1),
                          log_target=True, reduction="sum")
    return F.cross_entropy(logits, targets, reduction="sum") + weight * divergence


def batches(model: PreTrainedModel, examples: list[Example], pad: int, batch: int,
            ) -> Iterator[dict[str, Tensor]]:
    """The examples in batches of similar length, on the device of the model."""
    ordered = sorted(examples, key=lambda example: len(example["input_ids"]))
    for start in range(0, len(ordered), batch):
        yield {key: value.to(model.device)
               for key, value in collate(ordered[start:start + batch], pad).items()}


def dev_loss(model: PreTrainedModel, examples: list[Example], pad: int, batch: int) -> float:
    """Token-weighted mean loss over held-out examples, without gradients."""
    import torch

    total = tokens = 0.0
    with torch.inference_mode():
        for rows in batches(model, examples, pad, batch):
            total += float(target_loss(model, rows))
            tokens += int((rows["labels"] != -100).sum())
    return total / tokens


def mean_loss(model: PreTrainedModel, examples: list[Example], pad: int, batch: int) -> Tensor:
    """``dev_loss`` as a tensor, with the graph of all its batches."""
    parts = [(target_loss(model, rows), (rows["labels"] != -100).sum())
             for rows in batches(model, examples, pad, batch)]
    losses, tokens = zip(*parts, strict=True)
    return sum(losses) / sum(tokens)


def trainer(model: PreTrainedModel, examples: list[Example], pad: int, settings: dict[str, Any],
            scratch: Path, loss: Loss = target_loss) -> Trainer:
    """A transformers Trainer with our loss, on the device that holds ``model``.

    Settings are those of ``train``. ``loss`` sums over the answer tokens of a batch.
    """
    import transformers
    from datasets import Dataset
    from transformers.trainer_callback import ProgressCallback

    class SftTrainer(transformers.Trainer):
        def compute_loss(self, model, inputs, return_outputs=False,  # type: ignore[override]
                         num_items_in_batch=None):
            # The mean over the whole optimiser step, however many batches it accumulates.
            mean = loss(model, inputs) / num_items_in_batch
            return (mean, None) if return_outputs else mean

    class Bar(ProgressCallback):
        def on_log(self, args, state, control, logs=None, **kwargs):
            # In the bar; transformers would print a line a step.
            if self.training_bar and logs and "loss" in logs:
                self.training_bar.set_postfix(loss=f"{logs['loss']:.3f}")

    arguments = transformers.TrainingArguments(
        output_dir=str(scratch), num_train_epochs=settings["epochs"],
        learning_rate=settings["lr"], lr_scheduler_type=settings["schedule"],
        warmup_ratio=settings["warmup"], weight_decay=settings["weight_decay"],
        max_grad_norm=settings["clip"], per_device_train_batch_size=settings["batch"],
        gradient_accumulation_steps=settings["accumulation"], group_by_length=True,
        length_column_name="length", optim="adamw_torch", seed=settings["seed"],
        data_seed=settings["seed"],
        use_cpu=model.device.type == "cpu", save_strategy="no", report_to="none",
        logging_steps=1, remove_unused_columns=False, dataloader_pin_memory=False)
    rows = [{**example, "length": len(example["input_ids"])} for example in examples]
    run = SftTrainer(model=model, args=arguments, train_dataset=Dataset.from_list(rows),
                     data_collator=lambda batch: collate(batch, pad))
    run.remove_callback(ProgressCallback)
    run.add_callback(Bar)
    return run


def train(parent: Path, pairs_file: Path, dev: Path, out: Path, layers: list[int], depth: int,
          settings: dict[str, Any], system: str | None, machine: dict[str, Any]) -> None:
    """Tune ``layers`` of the model at ``parent`` on pairs; write what changed to ``out``.

    ``depth`` is the number of layers that the choice was made for; a model of another depth
    raises UserError. ``settings`` are those of params.yaml, of both stages and of this one, of
    the recipe and of the scale: ``train``, ``train_s1`` or ``train_s2``. ``machine`` says where to
    compute: ``device`` (cpu or cuda) and ``threads``. It belongs to the machine and not to the
    recipe, so no file repeats it.
    ``out`` gets layers.safetensors (the trained tensors, nothing else), config.json (resolved
    settings, parent and its hash, counts, held-out loss before and after), loss.csv and
    sensitivity.csv (gradient norms of every layer before training). Without layers nothing is
    trained, and the system is its parent.
    """
    import torch
    from safetensors.torch import save_file
    from transformers import set_seed

    torch.set_num_threads(machine["threads"])
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # deterministic sums on CUDA
    set_seed(settings["seed"])
    torch.use_deterministic_algorithms(True)
    model, tokenizer = load(parent)
    if (real := depth_of(model)) != depth:
        raise UserError(f"params.yaml: model.depth is {depth}, but {parent} has {real} layers. "
                        f"Write {real}", BAD_CONFIG)
    model.to(machine["device"])
    total, pad = model.num_parameters(), tokenizer.pad_token_id or 0  # masked: any token will do
    rows = pairs.chosen(pairs_file, settings["pairs"], settings["shuffle_targets"],
                        settings["seed"])
    examples = [prompts.example(tokenizer, row, system) for row in rows]
    held_out = [prompts.example(tokenizer, row, system)
                for row in pairs.held_out(dev, settings["dev_pairs"])]
    before = after = dev_loss(model, held_out, pad, settings["batch"])
    pull: list[tuple[float, float]] = []
    if layers and settings["check_pairs"]:
        some = sorted(held_out, key=lambda example: of_json(example["input_ids"]))
        pull = sensitivity.norms(model, lambda: mean_loss(
            model, some[:settings["check_pairs"]], pad, settings["batch"]))
    names = trainable.choose(model, layers, settings["method"], settings["lora"])
    log: list[dict[str, Any]] = []
    if names:
        log = tune(model, tokenizer, parent, examples, pad, settings, system)
        after = dev_loss(model, held_out, pad, settings["batch"])
    else:
        print(f"{out}: no layer is tuned in this stage", file=sys.stderr)
    tensors = trainable.trained(model, names, settings["lora"])
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
        "versions": {"python": platform.python_version(), "torch": torch.__version__}})


def tune(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, parent: Path,
         examples: list[Example], pad: int, settings: dict[str, Any], system: str | None,
         ) -> list[dict[str, Any]]:
    """Train what requires a gradient; return a log entry a step. Replay and penalty look back at
    the base model that ``parent`` rests on."""
    loss: Loss = target_loss
    if settings["replay"] or settings["kl"]:
        base = load(chain(parent)[0])[0].to(model.device)  # type: ignore[arg-type]
        longest = max(len(example["input_ids"]) for example in examples)
        examples = examples + replay.written(base, tokenizer, system, round(
            settings["replay"] * len(examples)), longest, batch=64)
        if settings["kl"]:
            loss = partial(anchored_loss, base=base, weight=settings["kl"])
    model.train()
    with tempfile.TemporaryDirectory() as scratch:
        run = trainer(model, examples, pad, settings, Path(scratch), loss)
        run.train()
    model.eval()
    return [entry for entry in run.state.log_history if "loss" in entry]


def write_csv(file: Path, head: list[str], rows: list[list[Any]]) -> None:
    """Write a table atomically."""
    with jsonl.open_atomic(file) as open_file:
        table = csv.writer(open_file, lineterminator="\n")
        table.writerow(head)
        table.writerows(rows)
