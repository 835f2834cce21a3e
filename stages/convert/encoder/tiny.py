"""The encoder and the spBLEU tokenizer of the scale tiny: the real classes, built in seconds.

Random or fixture-trained: it proves the plumbing, and nothing it scores means anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from .unigram import pieces_to_spm, unigram_tokenizer


def pieces(texts: Iterable[str], size: int = 600) -> list[tuple[str, float]]:
    """A Unigram vocabulary of ``texts``, special pieces first, as XLM-R orders them."""
    import io

    import sentencepiece

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts), model_writer=model, vocab_size=size, model_type="unigram",
        hard_vocab_limit=False, minloglevel=2, num_threads=1,
        bos_id=0, pad_id=1, eos_id=2, unk_id=3)
    trained = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    return [*((trained.id_to_piece(i), trained.get_score(i)) for i in range(len(trained))),
            ("<mask>", 0.0)]


def encoder(texts: Iterable[str], out: Path) -> None:
    """A two-layer XLM-R with random weights."""
    import torch
    from transformers import XLMRobertaConfig, XLMRobertaModel

    tokenizer = unigram_tokenizer(pieces(texts))
    torch.manual_seed(0)
    XLMRobertaModel(XLMRobertaConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64, type_vocab_size=1, max_position_embeddings=258),
        add_pooling_layer=False).save_pretrained(out)
    tokenizer.save_pretrained(out)


def spm(texts: Iterable[str], out: Path) -> None:
    """A small sentencepiece model in the place of the spBLEU tokenizer."""
    pieces_to_spm(pieces(texts), out)
