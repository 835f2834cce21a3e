"""The one translation prompt, used alike for training, for every system and for evaluation.

The paper does not publish its prompt, so this one is ours. The instruction stands before the
text, so that all prompts of a direction share a prefix which is computed once. Where a template
has a thinking switch (Qwen3), thinking is off: the empty think block is part of the prompt and
gets no loss, in training as in evaluation.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..common.languages import name

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

INSTRUCTION = "Translate from {src} to {tgt}:\n{text}"
Shot = tuple[str, str]  # source text, its translation


def messages(text: str, src_lang: str, tgt_lang: str, shots: Iterable[Shot] = (),
             system: str | None = None) -> list[dict[str, str]]:
    """Return the chat: optional system turn, one solved exchange per shot, the question."""
    def ask(source: str) -> dict[str, str]:
        return {"role": "user", "content": INSTRUCTION.format(
            src=name(src_lang), tgt=name(tgt_lang), text=source)}

    chat = [] if system is None else [{"role": "system", "content": system}]
    for source, target in shots:
        chat += [ask(source), {"role": "assistant", "content": target}]
    return [*chat, ask(text)]


def prompt_ids(tokenizer: PreTrainedTokenizerBase, chat: list[dict[str, str]]) -> list[int]:
    """Token ids of the rendered chat, up to where the answer starts."""
    ids: Any = tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=True,
                                             return_dict=False, enable_thinking=False)
    return list(ids)


def example(tokenizer: PreTrainedTokenizerBase, row: dict[str, str], system: str | None,
            ) -> dict[str, list[int]]:
    """Return ``input_ids`` and ``labels`` (-100 on the prompt) of one training pair.

    The answer ends with the tokenizer's end-of-turn token, which carries loss.
    """
    prompt = prompt_ids(tokenizer, messages(row["src"], row["src_lang"], row["tgt_lang"],
                                            system=system))
    answer = tokenizer(row["tgt"], add_special_tokens=False)["input_ids"]
    answer = [*answer, tokenizer.eos_token_id]
    return {"input_ids": prompt + answer, "labels": [-100] * len(prompt) + answer}
