"""Greedy translation of many prompts with one model, fast on small machines.

Three things save work and change nothing but the order of floating-point sums: prompts are
sorted by length, so a batch holds little padding; the tokens that all prompts of a call share
(template, instruction, few-shot examples) go through the model once, and their keys and values
are kept once, not once a row; a finished answer leaves the batch at once, where `generate` of
transformers would carry it to the end of the longest one. A test compares with `generate`, prompt
by prompt; tests/bench/bench_generate.py measures it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import DynamicCache, PreTrainedModel, PreTrainedTokenizerBase


def newline_tokens(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Ids of all tokens whose text holds a line break: a translation is one line."""
    texts = tokenizer.batch_decode([[i] for i in range(len(tokenizer))])
    return [i for i, text in enumerate(texts) if "\n" in text]


def shared_prefix(prompts: list[list[int]]) -> int:
    """Length of the longest prefix common to all prompts that leaves each one a token."""
    first, last = min(prompts), max(prompts)  # what these share, all share
    longest = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b),
                   len(first))
    return min(longest, min(map(len, prompts)) - 1)


def attention(module: Any, query: Tensor, key: Tensor, value: Tensor,
              attention_mask: Tensor | None, scaling: float, prefix: DynamicCache | None = None,
              **_: Any) -> tuple[Tensor, None]:
    """Softmax attention over the rows' own keys and over those of a prefix that all rows share.

    query (rows, heads, length, width); key, value (rows, key heads, own length, width);
    attention_mask (rows, 1, length, own length), added; ``prefix`` holds (1, key heads, shared,
    width) a layer. Heads that share a key head are folded into its queries, so that nothing is
    copied a row or a head. Returns (rows, length, heads, width).
    """
    import torch

    rows, heads, length, width = query.shape
    groups = module.num_key_value_groups
    folded = (query * scaling).reshape(rows, heads // groups, groups * length, width)
    scores = folded @ key.transpose(-1, -2)
    if attention_mask is not None:
        scores = scores + attention_mask.repeat(1, 1, groups, 1)
    if prefix is None:
        found = scores.softmax(-1) @ value
    else:
        layer = prefix.layers[module.layer_idx]
        shared_key, shared_value = layer.keys[0], layer.values[0]
        shared = torch.einsum("rhqw,hsw->rhqs", folded, shared_key)
        weights = torch.cat([shared, scores], dim=-1).softmax(-1)
        first, rest = weights.split([shared.shape[-1], scores.shape[-1]], dim=-1)
        found = torch.einsum("rhqs,hsw->rhqw", first, shared_value) + rest @ value
    return found.reshape(rows, heads, length, width).transpose(1, 2), None


@contextmanager
def shared_attention(model: PreTrainedModel) -> Iterator[None]:
    """Let the model's layers use ``attention`` while the block lasts."""
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface, eager_mask

    AttentionInterface.register("shared_prefix", attention)
    AttentionMaskInterface.register("shared_prefix", eager_mask)
    before = model.config._attn_implementation
    model.set_attn_implementation("shared_prefix")
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def decode_batch(model: PreTrainedModel, prompts: list[list[int]], shared: int,
                 prefix: DynamicCache | None, ends: set[int], max_new_tokens: int,
                 ) -> list[list[int]]:
    """Greedy answers (token ids, the end token included) of one batch.

    ``prefix`` holds the first ``shared`` tokens of all prompts. What follows is padded on the left,
    and the mask hides the padding, so positions are those of the bare prompt.
    """
    import torch
    from transformers import DynamicCache

    longest = max(map(len, prompts))
    ids = torch.tensor([[0] * (longest - len(p)) + p[shared:] for p in prompts])
    mask = torch.tensor([[0] * (longest - len(p)) + [1] * (len(p) - shared) for p in prompts])
    positions = (mask.cumsum(1) - 1).clamp(min=0) + shared
    past = DynamicCache()
    answers: list[list[int]] = [[] for _ in prompts]
    alive = list(range(len(prompts)))  # which answer each row of the batch continues
    for _ in range(max_new_tokens):
        logits = model(input_ids=ids, attention_mask=mask, position_ids=positions,
                       past_key_values=past, use_cache=True, logits_to_keep=1,
                       prefix=prefix).logits
        tokens = logits[:, -1].argmax(-1)
        for row, token in zip(alive, tokens.tolist(), strict=True):
            answers[row].append(token)
        keep = [i for i, row in enumerate(alive) if answers[row][-1] not in ends]
        if not keep:
            break
        ids, positions = tokens[:, None], positions[:, -1:] + 1
        if len(keep) < len(alive):
            chosen = torch.tensor(keep)
            past.batch_select_indices(chosen)
            ids, positions, mask = ids[chosen], positions[chosen], mask[chosen]
            alive = [alive[i] for i in keep]
        mask = torch.cat([mask, torch.ones_like(ids)], dim=1)
    return answers


def greedy(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompts: list[list[int]],
           max_new_tokens: int, batch_size: int, stop: list[int], progress: str,
           ) -> list[tuple[str, bool]]:
    """Return for each prompt (first line of the answer, whether the token limit cut it).

    ``stop`` are extra end tokens, such as ``newline_tokens``. The model must be in evaluation
    mode; its generation config is not used.
    """
    import torch
    from tqdm import tqdm
    from transformers import DynamicCache

    ends = {tokenizer.eos_token_id, *stop}
    shared = shared_prefix(prompts)
    order = sorted(range(len(prompts)), key=lambda i: (len(prompts[i]), i))
    results: dict[int, tuple[str, bool]] = {}
    prefix = DynamicCache() if shared else None
    with (torch.inference_mode(), shared_attention(model),
          tqdm(total=len(prompts), desc=progress, unit="seg") as bar):
        if shared:
            model(torch.tensor([prompts[0][:shared]]), past_key_values=prefix, use_cache=True,
                  logits_to_keep=1)
        for start in range(0, len(order), batch_size):
            chosen = order[start:start + batch_size]
            answers = decode_batch(model, [prompts[i] for i in chosen], shared, prefix, ends,
                                   max_new_tokens)
            for i, answer in zip(chosen, answers, strict=True):
                text = tokenizer.decode(answer, skip_special_tokens=True)
                results[i] = text.strip().split("\n")[0].strip(), answer[-1] not in ends
            bar.update(len(chosen))
    return [results[i] for i in range(len(prompts))]
