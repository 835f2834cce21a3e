"""How far a system has drifted from its base: KL(base || system) on text that neither trained on.

Forgetting follows this number closely (arXiv 2509.04259), and thousands of tokens measure it far
more finely than hundreds of right or wrong answers do. ``gain / sqrt(drift)`` is then what a
system gains for what it moved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..common.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedModel


def drift(base: PreTrainedModel, system: PreTrainedModel, documents: Sequence[Sequence[int]],
          batch: int) -> list[tuple[float, int]]:
    """For each document (token ids): KL in nats, summed over its tokens, and their number.

    The mean drift is the sum of the first over the sum of the second; documents are its units of
    resampling. The divergence is taken at every token but the first, over the whole vocabulary
    and in float32, of the base's distribution from the system's. Both models in evaluation mode on
    one device. Raises UserError for a document without a second token.
    """
    import torch

    if short := sum(len(document) < 2 for document in documents):
        raise UserError(f"drift: {short} documents have no second token. Leave them out")
    found: dict[int, tuple[float, int]] = {}
    order = sorted(range(len(documents)), key=lambda i: len(documents[i]))  # little padding
    with torch.inference_mode():
        for start in range(0, len(order), batch):
            chosen = order[start:start + batch]
            longest = max(len(documents[i]) for i in chosen)
            ids = torch.tensor([[*documents[i], *[0] * (longest - len(documents[i]))]
                                for i in chosen], device=base.device)
            length = torch.tensor([[len(documents[i])] for i in chosen], device=base.device)
            mask = (torch.arange(longest, device=base.device)[None] < length).long()
            before, after = (model(input_ids=ids, attention_mask=mask, use_cache=False)
                             .logits[:, :-1].float().log_softmax(-1) for model in (base, system))
            each = (before.exp() * (before - after)).sum(-1) * mask[:, 1:]
            for i, total in zip(chosen, each.double().sum(1).tolist(), strict=True):
                found[i] = total, len(documents[i]) - 1
    return [found[i] for i in range(len(documents))]
