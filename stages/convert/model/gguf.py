"""A GGUF language model to an ordinary Hugging Face folder."""

from __future__ import annotations

from pathlib import Path

from ...common.errors import UserError

PROBE = "The capital of France is"
END_OF_TURN = "<|im_end|>"


def gguf_to_safetensors(gguf: Path, out: Path) -> None:
    """Write config, float32 weights and tokenizer of a GGUF file to ``out``.

    The quantised weights are spelled out as float32 once, which takes a minute; reading the
    result takes a second. The folder is loaded again and must give the same logits to the last
    bit. Raises UserError if it does not.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, logging

    logging.disable_progress_bar()  # one line per tensor otherwise, in a file
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    # The GGUF reader takes the turn's start for its end and knows no padding.
    tokenizer.eos_token = tokenizer.pad_token = END_OF_TURN
    model = AutoModelForCausalLM.from_pretrained(
        gguf.parent, gguf_file=gguf.name, dtype="float32").eval()
    # The weights are plain tensors by now, but saving refuses while these say otherwise.
    model.hf_quantizer, model.is_quantized = None, False
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.config._name_or_path = ""
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    (out / "tokenizer.model").unlink(missing_ok=True)  # a copy of the whole GGUF file

    ids = AutoTokenizer.from_pretrained(out)(PROBE, return_tensors="pt")
    again = AutoModelForCausalLM.from_pretrained(out, dtype="float32").eval()
    with torch.inference_mode():
        if not torch.equal(model(**ids).logits, again(**ids).logits):
            raise UserError(f"{gguf.name}: the converted model gives other logits than the "
                            "original. Do not use it; check the transformers and gguf versions")
