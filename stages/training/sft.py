"""Layer-selective supervised fine-tuning: train some layers, leave every other tensor alone.

Both training stages are this one function with another list of layers (paper: two stages, one
epoch, cosine schedule with warmup). Gradients, optimiser state and the saved file exist for the
chosen layers only; autograd stops at the lowest of them.
"""

from __future__ import annotations

import csv
import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..common import jsonl
from ..common.errors import BAD_CONFIG, UserError
from ..model import prompts
from ..model.layers import depth_of, layer_path, names_in
from ..model.weights import CONFIG, DELTA_WEIGHTS, load, revision

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, Trainer

Example = dict[str, list[int]]


def freeze_except(model: PreTrainedModel, layers: list[int]) -> list[str]:
    """Let only the parameters of ``layers`` train; return their names.

    Raises UserError where a layer has no parameter, so that nothing is left untrained unnoticed.
    """
    every, path = [name for name, _ in model.named_parameters()], layer_path(model)
    names = names_in(layers, every, path)
    if missing := [layer for layer in layers if not names_in([layer], every, path)]:
        raise UserError(f"{model.config.model_type}: layers {missing} have no parameters: "
                        f"{path} has {depth_of(model)} layers", BAD_CONFIG)
    chosen = set(names)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in chosen)
    return names


def collate(examples: list[Example], pad: int) -> dict[str, torch.Tensor]:
    """Right-pad a batch to its longest example: (batch, length) ids, mask and labels."""
    import torch

    longest = max(len(example["input_ids"]) for example in examples)

    def padded(key: str, fill: int) -> torch.Tensor:
        return torch.tensor([example[key] + [fill] * (longest - len(example[key]))
                             for example in examples])

    lengths = torch.tensor([[len(example["input_ids"])] for example in examples])
    return {"input_ids": padded("input_ids", pad), "labels": padded("labels", -100),
            "attention_mask": (torch.arange(longest)[None] < lengths).long()}


def target_loss(model: torch.nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Summed cross entropy (nats) of the answer tokens.

    The head is computed only from the earliest answer position of the batch on: the same loss as
    over all positions, without a (batch, length, vocabulary) tensor for prompts.
    """
    import torch.nn.functional as F

    labels = batch["labels"]
    first = int((labels != -100).int().argmax(dim=1).min())
    keep = labels.shape[1] - first + 1  # one position earlier predicts the first answer token
    logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"],
                   use_cache=False, logits_to_keep=keep).logits
    return F.cross_entropy(logits[:, :-1].flatten(0, 1).float(), labels[:, first:].flatten(),
                           reduction="sum")


def dev_loss(model: PreTrainedModel, examples: list[Example], pad: int, batch: int) -> float:
    """Token-weighted mean loss over held-out examples, without gradients."""
    import torch

    total = tokens = 0.0
    ordered = sorted(examples, key=lambda example: len(example["input_ids"]))
    with torch.inference_mode():
        for start in range(0, len(ordered), batch):
            rows = {key: value.to(model.device) for key, value in
                    collate(ordered[start:start + batch], pad).items()}
            total += float(target_loss(model, rows))
            tokens += int((rows["labels"] != -100).sum())
    return total / tokens


def trainer(model: PreTrainedModel, examples: list[Example], pad: int, settings: dict[str, Any],
            lr: float, seed: int, scratch: Path) -> Trainer:
    """A transformers Trainer with our loss, on the device that holds ``model``.

    Settings are those of ``scales.<scale>.train``.
    """
    import transformers
    from datasets import Dataset
    from transformers.trainer_callback import ProgressCallback

    class SftTrainer(transformers.Trainer):
        def compute_loss(self, model, inputs, return_outputs=False,  # type: ignore[override]
                         num_items_in_batch=None):
            # The mean over the whole optimiser step, however many batches it accumulates.
            loss = target_loss(model, inputs) / num_items_in_batch
            return (loss, None) if return_outputs else loss

    class Bar(ProgressCallback):
        def on_log(self, args, state, control, logs=None, **kwargs):
            # In the bar; transformers would print a line a step.
            if self.training_bar and logs and "loss" in logs:
                self.training_bar.set_postfix(loss=f"{logs['loss']:.3f}")

    arguments = transformers.TrainingArguments(
        output_dir=str(scratch), num_train_epochs=settings["epochs"],
        learning_rate=lr, lr_scheduler_type=settings["schedule"],
        warmup_ratio=settings["warmup"], weight_decay=settings["weight_decay"],
        max_grad_norm=settings["clip"], per_device_train_batch_size=settings["batch"],
        gradient_accumulation_steps=settings["accumulation"], group_by_length=True,
        length_column_name="length", optim="adamw_torch", seed=seed, data_seed=seed,
        use_cpu=model.device.type == "cpu", save_strategy="no", report_to="none",
        logging_steps=1, remove_unused_columns=False, dataloader_pin_memory=False)
    rows = [{**example, "length": len(example["input_ids"])} for example in examples]
    run = SftTrainer(model=model, args=arguments, train_dataset=Dataset.from_list(rows),
                     data_collator=lambda batch: collate(batch, pad))
    run.remove_callback(ProgressCallback)
    run.add_callback(Bar)
    return run


def train(parent: Path, pairs: Path, dev: Path, out: Path, layers: list[int], depth: int,
          settings: dict[str, Any], lr: float, system: str | None, seed: int,
          machine: dict[str, Any]) -> None:
    """Tune ``layers`` of the model at ``parent`` on ``pairs``; write what changed to ``out``.

    ``depth`` is the number of layers that the choice was made for; a model of another depth
    raises UserError. ``machine`` says where to compute: ``device`` (cpu or cuda) and ``threads``.
    It belongs to the machine and not to the recipe, so no file repeats it.
    ``out`` gets layers.safetensors (the trained tensors, nothing else), config.json (resolved
    settings, parent and its hash, counts, held-out loss before and after) and loss.csv.
    """
    import tempfile

    import torch
    from safetensors.torch import save_file
    from transformers import set_seed

    torch.set_num_threads(machine["threads"])
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # deterministic sums on CUDA
    set_seed(seed)
    torch.use_deterministic_algorithms(True)
    model, tokenizer = load(parent)
    if (real := depth_of(model)) != depth:
        raise UserError(f"params.yaml: model.depth is {depth}, but {parent} has {real} layers. "
                        f"Write {real}", BAD_CONFIG)
    names = freeze_except(model, layers)
    model.to(machine["device"])
    pad = tokenizer.pad_token_id or 0  # any token will do: the mask and the labels hide it
    examples = [prompts.example(tokenizer, row, system) for row in jsonl.read(pairs)]
    if not examples:
        raise UserError(f"{pairs} is empty: every pair was filtered out. Look at the stats.json "
                        "of format, dedup, langid and qe")
    held_out = dev_examples(tokenizer, dev, system, settings["dev_pairs"])
    before = dev_loss(model, held_out, pad, settings["batch"])

    log: list[dict[str, Any]] = []
    if names:  # no layers, no training: the ablation that leaves this stage out
        model.train()
        with tempfile.TemporaryDirectory() as scratch:
            run = trainer(model, examples, pad, settings, lr, seed, Path(scratch))
            run.train()
        model.eval()
        log = [entry for entry in run.state.log_history if "loss" in entry]
    state = model.state_dict()
    out.mkdir(parents=True, exist_ok=True)
    save_file({name: state[name].cpu().contiguous() for name in names}, out / DELTA_WEIGHTS)
    with jsonl.open_atomic(out / "loss.csv") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["step", "loss", "lr"])
        table.writerows([e["step"], e["loss"], e["learning_rate"]] for e in log)
    jsonl.write_json(out / CONFIG, {
        "parent": str(parent), "parent_sha256": revision(parent), "layers": layers,
        "depth": depth, "pairs": len(examples), "steps": len(log),
        "tokens": sum(len(example["input_ids"]) for example in examples),
        "target_tokens": sum(sum(label != -100 for label in e["labels"]) for e in examples),
        "trained_parameters": sum(state[name].numel() for name in names),
        "total_parameters": sum(p.numel() for p in model.parameters()),
        "dev_loss": {"before": before, "after": dev_loss(model, held_out, pad,
                                                         settings["batch"])},
        "dev_pairs": len(held_out), "settings": settings, "lr": lr, "seed": seed,
        "versions": {"python": platform.python_version(), "torch": torch.__version__}})


def dev_examples(tokenizer: Any, dev: Path, system: str | None, limit: int) -> list[Example]:
    """Both directions of up to ``limit`` held-out dev rows a language, as training examples."""
    taken: dict[str, int] = {}
    examples = []
    for row in jsonl.read(dev):
        lang = row["tgt_lang"]
        if row["split"] == "dev" and taken.get(lang, 0) < limit:
            taken[lang] = taken.get(lang, 0) + 1
            back = {"src": row["tgt"], "tgt": row["src"],
                    "src_lang": row["tgt_lang"], "tgt_lang": row["src_lang"]}
            examples += [prompts.example(tokenizer, row, system),
                         prompts.example(tokenizer, back, system)]
    return examples
