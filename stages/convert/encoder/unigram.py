"""A Unigram vocabulary in the two forms that are read: XLM-R tokenizer, sentencepiece model."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def unigram_tokenizer(pieces: list[tuple[str, float]]) -> Any:
    """XLM-R tokenizer of a Unigram vocabulary whose ids 0-3 are <s> <pad> </s> <unk>."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import XLMRobertaTokenizerFast

    core = Tokenizer(models.Unigram(pieces, unk_id=3))
    core.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace("\t", " "), normalizers.Replace("\n", " ")])
    core.pre_tokenizer = pre_tokenizers.Metaspace()
    core.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)])
    return XLMRobertaTokenizerFast(
        tokenizer_object=core, bos_token="<s>", pad_token="<pad>", eos_token="</s>",
        unk_token="<unk>", cls_token="<s>", sep_token="</s>", mask_token="<mask>")


def pieces_to_spm(pieces: list[tuple[str, float]], out: Path) -> None:
    """Write ``out/sentencepiece.model`` holding a Unigram vocabulary."""
    from sentencepiece import sentencepiece_model_pb2 as pb2

    model = pb2.ModelProto()
    kinds = {"<unk>": 2, "<s>": 3, "</s>": 3, "<pad>": 3, "<mask>": 3}  # unknown, control
    # Sentencepiece wants the unknown piece first; ids do not matter for tokenising.
    for piece, score in sorted(pieces, key=lambda pair: pair[0] != "<unk>"):
        if piece:
            model.pieces.add(piece=piece, score=score, type=kinds.get(piece, 1))
    model.trainer_spec.model_type = 1  # unigram
    model.trainer_spec.vocab_size = len(model.pieces)
    model.trainer_spec.unk_id, model.trainer_spec.bos_id = 0, -1
    model.trainer_spec.eos_id = model.trainer_spec.pad_id = -1
    model.normalizer_spec.name = "identity"  # text is NFC already, as format writes it
    out.mkdir(parents=True, exist_ok=True)
    (out / "sentencepiece.model").write_bytes(model.SerializeToString(deterministic=True))
