"""Text that a model writes itself, replayed in training so that it forgets less.

The model continues an empty chat: it writes a question and answers it (as in Magpie, arXiv
2406.08464), so no other data is needed and the text is what the base would say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def written(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, system: str | None,
            count: int, length: int, batch: int) -> list[dict[str, list[int]]]:
    """``count`` training examples of at most ``length`` sampled tokens, which carry the loss.

    Drawn from the model's own distribution (temperature 1) by torch's global generator. A chat
    ends where the model ends its second turn, question and answer, or at ``length``.
    """
    import torch
    from transformers import GenerationConfig

    turn = [] if system is None else [{"role": "system", "content": system}]
    mark = "\N{REPLACEMENT CHARACTER}"
    chat = tokenizer.apply_chat_template([*turn, {"role": "user", "content": mark}],
                                         tokenize=False)
    prompt = tokenizer(str(chat).split(mark)[0], add_special_tokens=False)["input_ids"]
    sampling = GenerationConfig(do_sample=True, top_k=0, max_new_tokens=length,
                                pad_token_id=tokenizer.pad_token_id or 0)
    examples = []
    for start in range(0, count, batch):
        ids = torch.tensor([prompt] * min(batch, count - start), device=model.device)
        with torch.inference_mode():
            texts = model.generate(  # type: ignore[operator]
                ids, attention_mask=torch.ones_like(ids), generation_config=sampling,
                use_model_defaults=False)[:, len(prompt):].tolist()
        for text in texts:
            ends = [at for at, token in enumerate(text, 1) if token == tokenizer.eos_token_id]
            text = text[:ends[1]] if len(ends) > 1 else text
            examples.append({"input_ids": prompt + text, "labels": [-100] * len(prompt) + text})
    return examples
