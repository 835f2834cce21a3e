"""Greedy translation of many prompts with one model, fast on small machines.

Models whose attention is plain softmax attention over all earlier tokens are decoded here.
Four things save work and change nothing but the order of floating-point sums: prompts are
sorted by length and enter in small parts, which hold little padding; the tokens that all prompts
of a call share (template, instruction, few-shot examples) go through the model once a batch, and
their keys and values are kept once, not once a row; those of the rows are written in place
(``row_cache``); a finished answer leaves the batch at once, where `generate` of transformers would
carry it to the end of the longest one. A test compares with `generate`, prompt by prompt;
tests/bench/bench_generate.py measures it. Batches are decoded side by side
(`stages.launch.workers`).

Any other model (windows, capped logits, sinks, families that no test has compared) goes through
`generate` itself: slower, and right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple

from ..launch import workers

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from transformers import (
        DynamicCache,
        PretrainedConfig,
        PreTrainedModel,
        PreTrainedTokenizerBase,
    )


# Families whose attention layers compute what ``attention`` does; a test compares each of them.
PLAIN_ATTENTION = ("llama", "mistral", "qwen2", "qwen3")
PART = 1024  # tokens of prompts that enter at a time: much to multiply, little padding


def newline_tokens(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Ids of all tokens whose text holds a line break: a translation is one line."""
    texts = tokenizer.batch_decode([[i] for i in range(len(tokenizer))])
    return [i for i, text in enumerate(texts) if "\n" in text]


def first_line(text: str) -> str:
    """What an answer says up to its first line break, blank lines before it left out."""
    return text.strip().split("\n")[0].strip()


def all_lines(text: str) -> str:
    """All that an answer says, as one line."""
    return " ".join(text.split())


def shared_prefix(prompts: list[list[int]]) -> int:
    """Length of the longest prefix common to all prompts that leaves each one a token."""
    first, last = min(prompts), max(prompts)  # what these share, all share
    longest = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b),
                   len(first))
    return min(longest, min(map(len, prompts)) - 1)


def is_plain(config: PretrainedConfig) -> bool:
    """Whether ``attention`` is this model's attention: a known family, and no window is set."""
    kinds = getattr(config, "layer_types", None) or ()
    return (config.model_type in PLAIN_ATTENTION
            and getattr(config, "sliding_window", None) is None
            and all(kind == "full_attention" for kind in kinds))


def attention(module: Any, query: Tensor, key: Tensor, value: Tensor,
              attention_mask: Tensor | None, scaling: float, prefix: DynamicCache | None = None,
              **_: Any) -> tuple[Tensor, None]:
    """Softmax attention over the rows' own keys and over those of a prefix that all rows share.

    query (rows, heads, length, width); key, value (rows, key heads, own length, width);
    attention_mask (rows, 1, length, own length), added; ``prefix`` holds (1, key heads, shared,
    width) a layer. Heads that share a key head are folded into its queries, so that nothing is
    copied a row or a head. The softmax is taken in float32, as transformers does. Returns (rows,
    length, heads, width). Only for models that ``is_plain`` allows: it knows no other option.
    """
    import torch

    rows, heads, length, width = query.shape
    groups = module.num_key_value_groups
    folded = (query * scaling).reshape(rows, heads // groups, groups * length, width)
    scores = folded @ key.transpose(-1, -2)
    if attention_mask is not None:
        scores = scores + attention_mask.repeat(1, 1, groups, 1)
    if prefix is None:
        found = scores.softmax(-1, torch.float32).to(value.dtype) @ value
    else:
        layer = prefix.layers[module.layer_idx]
        shared_key, shared_value = layer.keys[0], layer.values[0]
        shared = torch.einsum("rhqw,hsw->rhqs", folded, shared_key)
        weights = torch.cat([shared, scores], dim=-1).softmax(-1, torch.float32).to(value.dtype)
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


def left_padded(rows: list[list[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Ids (rows, longest), padded with 0 on the left, and the mask that hides the padding."""
    import torch

    longest = max(map(len, rows))
    ids = [[0] * (longest - len(row)) + row for row in rows]
    mask = [[0] * (longest - len(row)) + [1] * len(row) for row in rows]
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)


def generate_batch(model: PreTrainedModel, prompts: list[list[int]], ends: set[int],
                   max_new_tokens: int, beams: int = 1) -> list[list[int]]:
    """What ``decode_batch`` returns, computed by `generate` with the model's own attention; with
    several beams the best answer of them."""
    from transformers import GenerationConfig

    ids, mask = left_padded(prompts, model.device)
    end = min(ends)  # also fills the rows that ended
    output = model.generate(  # type: ignore[operator]
        ids, attention_mask=mask, use_model_defaults=False, generation_config=GenerationConfig(
            do_sample=False, num_beams=beams, max_new_tokens=max_new_tokens,
            eos_token_id=sorted(ends), pad_token_id=end))[:, ids.shape[1]:].tolist()
    lengths = [next((i for i, token in enumerate(row, 1) if token in ends), len(row))
               for row in output]
    return [row[:length] for row, length in zip(output, lengths, strict=True)]


def batches(lengths: list[int], limit: int) -> Iterator[range]:
    """Ranges of ascending ``lengths`` that fit ``limit`` tokens when padded; at least one each."""
    start = 0
    for end, longest in enumerate(lengths):
        if end > start and (end + 1 - start) * longest > limit:
            yield range(start, end)
            start = end
    yield range(start, len(lengths))


def decode_batch(model: PreTrainedModel, prompts: list[list[int]], shared: int,
                 prefix: DynamicCache | None, ends: set[int], max_new_tokens: int,
                 ) -> list[list[int]]:
    """Greedy answers (token ids, the end token included) of one batch, shortest prompt first.

    ``prefix`` holds the first ``shared`` tokens of all prompts. What follows stands flush right,
    and the mask hides the padding, so positions are those of the bare prompt.
    """
    import torch

    from . import row_cache

    rest = [prompt[shared:] for prompt in prompts]
    lengths = [*map(len, rest)]
    width = lengths[-1]
    layers = [row_cache.RowLayer(len(rest), width + max_new_tokens)
              for _ in range(model.config.num_hidden_layers)]

    def step(ids: Tensor, mask: Tensor, positions: Tensor) -> Tensor:
        """The next token of each row."""
        logits = model(input_ids=ids, attention_mask=mask, position_ids=positions,
                       past_key_values=row_cache.of(layers), use_cache=True, logits_to_keep=1,
                       prefix=prefix).logits
        return logits[:, -1].argmax(-1)

    first = []
    for part in batches(lengths, PART):
        ids, mask = left_padded(rest[part.start:part.stop], model.device)
        for layer in layers:
            layer.place(part, width - ids.shape[1], width - ids.shape[1])
        first.append(step(ids, mask, (mask.cumsum(1) - 1).clamp(min=0) + shared))
    for layer in layers:
        layer.place(range(len(rest)), 0, width)
    tokens = torch.cat(first)
    positions = torch.tensor(lengths, device=model.device)[:, None] + shared
    columns = torch.arange(width + max_new_tokens, device=model.device)
    mask = (columns >= width + shared - positions).long()
    answers: list[list[int]] = [[] for _ in prompts]
    alive = list(range(len(prompts)))  # which answer each row of the batch continues
    for end in range(width + 1, width + max_new_tokens + 1):
        for row, token in zip(alive, tokens.tolist(), strict=True):
            answers[row].append(token)
        keep = row_cache.remaining([answers[row][-1] not in ends for row in alive])
        if not keep or end == width + max_new_tokens:
            break
        if len(keep) < len(alive):
            tokens, positions, mask = tokens[keep], positions[keep], mask[keep]
            for layer in layers:
                layer.keep(keep)
            alive = [alive[row] for row in keep]
        tokens = step(tokens[:, None], mask[:, :end], positions)
        positions = positions + 1
    return answers


class Batch(NamedTuple):
    """Prompts that are decoded together, shortest first."""

    places: list[int]  # of the prompts among all
    prompts: list[list[int]]
    shared: int  # tokens at the beginning that all prompts of the call have in common


def batched(model: PreTrainedModel, prompts: list[list[int]], max_new_tokens: int,
            batch_tokens: int, beams: int = 1) -> list[Batch]:
    """All prompts in batches, each bounded by ``batch_tokens``: rows times the tokens of the
    longest, those that the prompts share left out and the answer counted in full. Text of any
    length then needs the same memory.
    """
    shared = shared_prefix(prompts) if is_plain(model.config) and beams == 1 else 0
    order = sorted(range(len(prompts)), key=lambda i: (len(prompts[i]), i))
    lengths = [len(prompts[i]) - shared + max_new_tokens for i in order]
    found = [order[batch.start:batch.stop] for batch in batches(lengths, batch_tokens)]
    return [Batch(places, [prompts[i] for i in places], shared) for places in found]


def decoded(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, batch: Batch,
            max_new_tokens: int, stop: list[int], cut: Callable[[str], str] = first_line,
            beams: int = 1) -> list[tuple[str, bool]]:
    """For each prompt (what ``cut`` keeps of the answer, whether the token limit cut it).

    ``stop`` are extra end tokens, such as ``newline_tokens``. The model must be in evaluation
    mode; its generation config is not used. More than one of ``beams`` is beam search, by
    `generate`.
    """
    import torch
    from transformers import DynamicCache

    ends, plain = {tokenizer.eos_token_id, *stop}, is_plain(model.config) and beams == 1
    with torch.inference_mode(), shared_attention(model) if plain else nullcontext():
        if plain:
            prefix = DynamicCache() if batch.shared else None
            if batch.shared:
                model(torch.tensor([batch.prompts[0][:batch.shared]], device=model.device),
                      past_key_values=prefix, use_cache=True, logits_to_keep=1)
            answers = decode_batch(model, batch.prompts, batch.shared, prefix, ends,
                                   max_new_tokens)
        else:
            answers = generate_batch(model, batch.prompts, ends, max_new_tokens, beams)
    return [(cut(tokenizer.decode(answer, skip_special_tokens=True)), answer[-1] not in ends)
            for answer in answers]


def greedy(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompts: list[list[int]],
           max_new_tokens: int, batch_tokens: int, stop: list[int], progress: str,
           cut: Callable[[str], str] = first_line, beams: int = 1) -> list[tuple[str, bool]]:
    """What ``decoded`` returns of all prompts, in their order; ``batched``, batches side by side.
    """
    from tqdm import tqdm

    todo = batched(model, prompts, max_new_tokens, batch_tokens, beams)
    results: dict[int, tuple[str, bool]] = {}
    with tqdm(total=len(prompts), desc=progress, unit="seg", leave=None) as bar:
        for place, answers in workers.mapped(
                lambda batch: decoded(model, tokenizer, batch, max_new_tokens, stop, cut, beams),
                todo, model.device):
            results |= zip(todo[place].places, answers, strict=True)
            bar.update(len(answers))
    return [results[i] for i in range(len(prompts))]
