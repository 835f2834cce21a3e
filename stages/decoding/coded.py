"""Translation by an encoder-decoder that is told its languages by code (NLLB-200).

The source's code stands in the encoder's input, the target's is the first token of the answer
(https://huggingface.co/docs/transformers/model_doc/nllb). FLORES-200 codes are the model's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..common.errors import BAD_CONFIG, UserError
from .greedy import Batch, all_lines, batches

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def batched(model: PreTrainedModel, sources: list[list[int]], max_new_tokens: int,
            batch_tokens: int, beams: int = 1) -> list[Batch]:
    """All sources in batches of similar length; see ``greedy.batched``."""
    order = sorted(range(len(sources)), key=lambda i: (len(sources[i]), i))
    found = [order[batch.start:batch.stop] for batch in batches(
        [len(sources[i]) + max_new_tokens for i in order], batch_tokens)]
    return [Batch(places, [sources[i] for i in places], 0) for places in found]


def decoded(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, batch: Batch, target: str,
            max_new_tokens: int, beams: int) -> list[tuple[str, bool]]:
    """(translation, whether the token limit cut it) of each source.

    Raises UserError for a target that the tokenizer does not know.
    """
    import torch
    from transformers import GenerationConfig

    start = tokenizer.convert_tokens_to_ids(target)
    if start in (None, tokenizer.unk_token_id):
        raise UserError(f"{model.config.name_or_path}: no language {target}. Leave it out of the "
                        "suite's languages for this system", BAD_CONFIG)
    how = GenerationConfig(
        do_sample=False, num_beams=beams, max_new_tokens=max_new_tokens, forced_bos_token_id=start,
        decoder_start_token_id=model.config.decoder_start_token_id,
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id)
    padded = tokenizer.pad({"input_ids": batch.prompts}, padding=True,
                           return_tensors="pt").to(model.device)
    with torch.inference_mode():
        output = model.generate(  # type: ignore[operator]
            **padded, generation_config=how, use_model_defaults=False).tolist()
    return [(all_lines(tokenizer.decode(row, skip_special_tokens=True)),
             tokenizer.eos_token_id not in row[1:]) for row in output]
