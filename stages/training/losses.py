"""Batches of examples and the losses over their answers.

An example is a chat as token ids with labels, -100 where no loss is taken: on the prompt and on
padding. Losses are sums over the answer tokens, so that a step can be divided by the tokens of all
its batches, on all processes.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from ..launch import processes, workers

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from transformers import PreTrainedModel

Example = dict[str, list[int]]
Loss = Callable[["torch.nn.Module", dict[str, "Tensor"]], "Tensor"]


def hash_of(examples: list[Example]) -> str:
    """SHA-256 of the token ids and labels of all examples, in their order."""
    digest = hashlib.sha256()
    for example in examples:
        for key in ("input_ids", "labels"):
            digest.update(array("q", [len(example[key]), *example[key]]).tobytes())
    return digest.hexdigest()


def collate(examples: list[Example], pad: int) -> dict[str, Tensor]:
    """Right-pad a batch to its longest example: (batch, length) ids, mask and labels."""
    import torch

    # No example at all: a process that has none left takes part with a text that nothing counts.
    examples = examples or [{"input_ids": [pad, pad], "labels": [-100, -100]}]
    longest = max(len(example["input_ids"]) for example in examples)

    def padded(key: str, fill: int) -> torch.Tensor:
        return torch.tensor([example[key] + [fill] * (longest - len(example[key]))
                             for example in examples])

    lengths = torch.tensor([[len(example["input_ids"])] for example in examples])
    return {"input_ids": padded("input_ids", pad), "labels": padded("labels", -100),
            "attention_mask": (torch.arange(longest)[None] < lengths).long()}


def answer_logits(model: torch.nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Logits (positions, vocabulary) in float32 and the tokens they predict, -100 for no answer.

    The head is computed only from the earliest answer position of the batch on, in a pack
    (``packing.collate``) only where an answer is predicted: the same loss as over all positions,
    without a (batch, length, vocabulary) tensor for prompts.
    """
    labels = batch["labels"]
    if "position_ids" in batch:
        at = (labels[0, 1:] != -100).nonzero()[:, 0]
        logits = model(**{key: value for key, value in batch.items() if key != "labels"},
                       use_cache=False, logits_to_keep=at).logits
        return logits[0].float(), labels[0, at + 1]
    first = max(1, int((labels != -100).int().argmax(dim=1).min()))
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
    """Token-weighted mean loss over held-out examples, without gradients, batches side by side."""
    import torch

    def summed(rows: dict[str, Tensor]) -> float:
        with torch.inference_mode():
            return float(target_loss(model, rows))

    parts = list(batches(model, examples, pad, batch))
    # A model that is spread over processes is computed by all of them together, batch by batch.
    found = (dict(workers.mapped(summed, parts, model.device)) if processes.count() == 1
             else dict(enumerate(map(summed, parts))))
    tokens = sum(int((rows["labels"] != -100).sum()) for rows in parts)
    return sum(found[place] for place in range(len(parts))) / tokens


def mean_loss(model: PreTrainedModel, examples: list[Example], pad: int, batch: int) -> Tensor:
    """``dev_loss`` as a tensor, with the graph of all its batches."""
    parts = [(target_loss(model, rows), (rows["labels"] != -100).sum())
             for rows in batches(model, examples, pad, batch)]
    losses, tokens = zip(*parts, strict=True)
    return sum(losses) / sum(tokens)
