"""Several examples in one row without padding, and a head that never holds all its logits.

A pack is one row of all tokens of its examples. Positions start again at each example, and no
token sees another example: on CUDA through attention of variable lengths (torch's own kernel), on
other devices through the block mask that transformers builds where positions start again. That
mask is only built without a cache and without another mask, so the loss asks for neither.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from .losses import Example

VARLEN = "packed_varlen"


def collate(examples: list[Example], pad: int) -> dict[str, Any]:
    """One row (1, tokens) of ids, labels and positions, and where examples start and end."""
    # No example at all: a process that has none left takes part with a text that nothing counts.
    examples = examples or [{"input_ids": [pad, pad], "labels": [-100, -100]}]
    lengths = [len(example["input_ids"]) for example in examples]
    ends = torch.tensor([0, *lengths]).cumsum(0).int()
    return {
        "input_ids": torch.tensor([[token for e in examples for token in e["input_ids"]]]),
        # The first token of an example would be predicted from the example before it.
        "labels": torch.tensor([[token for e in examples for token in [-100, *e["labels"][1:]]]]),
        "position_ids": torch.cat([torch.arange(length) for length in lengths])[None],
        "cu_seq_lens_q": ends, "cu_seq_lens_k": ends,
        "max_length_q": max(lengths), "max_length_k": max(lengths)}


def varlen(module: torch.nn.Module, query: Tensor, key: Tensor, value: Tensor,
           attention_mask: Tensor | None, scaling: float, cu_seq_lens_q: Tensor | None = None,
           max_length_q: int = 0, **_: Any) -> tuple[Tensor, None]:
    """Causal attention inside each example of a pack, (1, heads, tokens, width) in, tokens before
    heads out. CUDA only; raises RuntimeError for a batch that is no pack."""
    from torch.nn.attention.varlen import varlen_attn

    if cu_seq_lens_q is None:
        raise RuntimeError("attention of variable lengths without the ends of the examples")
    # Norms with float32 masters may have left query and key in another type than the value.
    q, k, v = (part[0].transpose(0, 1).to(value.dtype) for part in (query, key, value))
    mixed = varlen_attn(q, k, v, cu_seq_lens_q, cu_seq_lens_q, max_length_q, max_length_q,
                        scale=scaling, window_size=(-1, 0), enable_gqa=True)
    assert isinstance(mixed, torch.Tensor)
    return mixed[None], None


@contextmanager
def isolated(model: PreTrainedModel) -> Iterator[None]:
    """While open, the model computes packs; before and after, padded batches."""
    from transformers import AttentionInterface

    before = model.config._attn_implementation
    if model.device.type == "cuda":
        AttentionInterface.register(VARLEN, varlen)
        model.set_attn_implementation(VARLEN)
    try:
        yield
    finally:
        model.set_attn_implementation(before)


class ChunkedLoss(torch.autograd.Function):
    """Summed cross entropy (nats) of a linear head, ``chunk`` positions at a time.

    The gradient of the hidden states is made along with the loss, so logits are computed once and
    never held for more than a chunk. The head gets none: it is frozen.
    """

    @staticmethod
    def forward(ctx, hidden, weight, targets, chunk):  # type: ignore[override]
        gradient, total = torch.empty_like(hidden), hidden.new_zeros((), dtype=torch.float32)
        for start in range(0, len(hidden), chunk):
            part = slice(start, start + chunk)
            logits = F.linear(hidden[part], weight).float()
            total += F.cross_entropy(logits, targets[part], reduction="sum")
            share = logits.softmax(-1)
            share[torch.arange(len(share)), targets[part]] -= 1
            gradient[part] = share.to(weight.dtype) @ weight
        ctx.save_for_backward(gradient)
        return total

    @staticmethod
    def backward(ctx, *above):  # type: ignore[override]
        return ctx.saved_tensors[0] * above[0].to(ctx.saved_tensors[0].dtype), None, None, None


def chunked_loss(model: torch.nn.Module, batch: dict[str, Any], chunk: int) -> Tensor:
    """``losses.target_loss`` of a pack whose head is frozen, in chunks.

    The loss is computed in the place of the head, inside the model's own forward pass, because a
    head that is spread over processes is whole only there.
    """
    labels = batch["labels"][0]
    at = (labels[1:] != -100).nonzero()[:, 0]  # each predicts the token after it
    inside: Any = getattr(model, "module", model)
    head = inside.get_output_embeddings()
    head.forward = lambda hidden: ChunkedLoss.apply(hidden[0], head.weight, labels[at + 1], chunk)
    try:
        return model(**{key: value for key, value in batch.items() if key != "labels"},
                     use_cache=False, logits_to_keep=at).logits
    finally:
        del head.forward
