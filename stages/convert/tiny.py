"""Models of the scale tiny: the real architectures with random weights, built in seconds.

They prove the plumbing. Nothing they score means anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from .unigram import pieces_to_spm, unigram_tokenizer

# A chat template with Qwen3's thinking switch: switched off, an empty think block follows.
TEMPLATE = """{%- for message in messages -%}
<|im_start|>{{ message.role }}
{{ message.content }}<|im_end|>
{% endfor -%}
{%- if add_generation_prompt -%}
<|im_start|>assistant
{% if enable_thinking is defined and enable_thinking is false -%}
<think>

</think>

{% endif -%}
{%- endif -%}"""
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def qwen3(texts: Iterable[str], out: Path, depth: int) -> None:
    """A Qwen3 of ``depth`` narrow layers, its byte-level BPE trained on ``texts``."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    core.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=1000, special_tokens=SPECIAL, show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())))
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, eos_token="<|im_end|>", pad_token="<|endoftext|>",
        chat_template=TEMPLATE)
    config = Qwen3Config(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=depth,
        num_attention_heads=2, num_key_value_heads=1, head_dim=16, tie_word_embeddings=True,
        max_position_embeddings=1024, eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id)
    torch.manual_seed(0)
    Qwen3ForCausalLM(config).save_pretrained(out)
    tokenizer.save_pretrained(out)


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


def lid(labelled: Iterable[tuple[str, str]], out: Path) -> None:
    """A fastText classifier of the (label, text) rows, in the place of lid.176."""
    import tempfile

    import fasttext

    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".txt") as file:
        file.writelines(f"__label__{label} {text}\n" for label, text in labelled)
        file.flush()
        model = fasttext.train_supervised(file.name, dim=8, minn=1, maxn=3, epoch=25, lr=0.5,
                                          thread=1, seed=0, verbose=0)
    model.save_model(str(out / "lid.bin"))
