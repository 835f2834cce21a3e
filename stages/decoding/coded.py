"""Translation by an encoder-decoder that is told its languages by code (NLLB-200).

The source's code stands in the encoder's input, the target's is the first token of the answer
(https://huggingface.co/docs/transformers/model_doc/nllb). FLORES-200 codes are the model's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..common.errors import BAD_CONFIG, UserError
from .greedy import all_lines, batches

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def translate(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase,
              sources: list[list[int]], target: str, max_new_tokens: int, batch_tokens: int,
              progress: str, beams: int) -> list[tuple[str, bool]]:
    """(translation, whether the token limit cut it) of each source, similar lengths together.

    Raises UserError for a target that the tokenizer does not know.
    """
    import torch
    from tqdm import tqdm
    from transformers import GenerationConfig

    start = tokenizer.convert_tokens_to_ids(target)
    if start in (None, tokenizer.unk_token_id):
        raise UserError(f"{model.config.name_or_path}: no language {target}. Leave it out of the "
                        "suite's languages for this system", BAD_CONFIG)
    order = sorted(range(len(sources)), key=lambda i: (len(sources[i]), i))
    found: dict[int, tuple[str, bool]] = {}
    how = GenerationConfig(
        do_sample=False, num_beams=beams, max_new_tokens=max_new_tokens, forced_bos_token_id=start,
        decoder_start_token_id=model.config.decoder_start_token_id,
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id)
    with torch.inference_mode(), tqdm(total=len(sources), desc=progress, unit="seg") as bar:
        for batch in batches([len(sources[i]) + max_new_tokens for i in order], batch_tokens):
            chosen = order[batch.start:batch.stop]
            padded = tokenizer.pad({"input_ids": [sources[i] for i in chosen]}, padding=True,
                                   return_tensors="pt").to(model.device)
            output = model.generate(  # type: ignore[operator]
                **padded, generation_config=how, use_model_defaults=False).tolist()
            for i, row in zip(chosen, output, strict=True):
                found[i] = (all_lines(tokenizer.decode(row, skip_special_tokens=True)),
                            tokenizer.eos_token_id not in row[1:])
            bar.update(len(chosen))
    return [found[i] for i in range(len(sources))]
