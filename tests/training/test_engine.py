"""How a large model computes: packs, float32 masters under bfloat16, the head in chunks."""

import multiprocessing
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from stages.common import jsonl
from stages.common.errors import UserError
from stages.model import weights
from stages.training import sft
from tests import stage_fixture
from tests.stage_fixture import MACHINE, SETTINGS

SERVER = multiprocessing.get_context("forkserver")  # a spread model leaves its process group behind
SERVER.set_forkserver_preload(["stages.training.loop", "stages.training.sft"])
BFLOAT16 = {"precision": "bfloat16", "pack_tokens": 200, "loss_chunk": 8}


@pytest.fixture
def files(tmp_path):
    with jsonl.writer(tmp_path / "pairs.jsonl") as write:
        for n in range(8):
            write({"id": f"t:{n}", "src": f"The cat number {7 ** n} sleeps.", "origin": "test",
                   "tgt": f"El gato {5 ** n} duerme.", "src_lang": "eng_Latn",
                   "tgt_lang": "spa_Latn"})
    stage_fixture.pairs(tmp_path / "dev.jsonl", 2, split="dev")
    return tmp_path


def train(model: Path, folder: Path, name: str, layers: list[int], **settings) -> None:
    sft.train(model, folder / "pairs.jsonl", folder / "dev.jsonl", folder / name, layers, 6,
              SETTINGS | settings, None, MACHINE)


@pytest.mark.parametrize("chunk", [0, 8])
def test_packs_train_as_padded_batches_do(tiny_model, files, chunk):
    """All eight pairs in a step of either kind, so that the order cannot matter."""
    for name, how in (("padded", {"batch": 8}), ("packed", {"engine": {
            "precision": "float32", "pack_tokens": 2000, "loss_chunk": chunk}})):
        train(tiny_model, files, name, [1, 5], lr=1e-3, epochs=3, **how)
    padded, packed = (load_file(files / name / "layers.safetensors")
                      for name in ("padded", "packed"))
    for name, tensor in padded.items():
        torch.testing.assert_close(packed[name], tensor, atol=2e-5, rtol=0)


def test_small_steps_are_not_lost(tiny_model, files):
    """At the paper's rate most of them are smaller than half the spacing of bfloat16."""
    process = SERVER.Process(target=train, args=(tiny_model, files, "out", [1, 5]), kwargs={
        "engine": BFLOAT16, "lr": 1e-5, "warmup": 0.0})
    process.start()
    process.join()
    assert process.exitcode == 0
    base, tuned = weights.load(tiny_model)[0].state_dict(), load_file(
        files / "out/layers.safetensors")
    assert {int(name.split(".")[2]) for name in tuned} == {1, 5}
    moved = kept = count = 0
    for name, tensor in tuned.items():
        assert tensor.dtype == torch.float32
        start = base[name].bfloat16()
        moved += int((tensor != start.float()).sum())
        kept += int((tensor.bfloat16() != start).sum())
        count += tensor.numel()
    assert moved > 0.95 * count and kept < 0.6 * moved


@pytest.mark.parametrize(("engine", "settings", "machine", "message"), [
    ({"flash": True}, {}, {}, r"\['flash'\] is not precision, pack_tokens or loss_chunk"),
    (BFLOAT16, {"kl": 0.1}, {}, "leave out train.engine"),
    ({"loss_chunk": 8}, {}, {}, "set pack_tokens too"),
    (BFLOAT16, {"method": "full"}, {}, "write loss_chunk: 0"),
    (BFLOAT16, {}, {"launch": "ddp"}, "write fsdp2")])
def test_what_cannot_be_computed_is_refused(tmp_path, engine, settings, machine, message):
    with pytest.raises(UserError, match=message):
        sft.train(tmp_path, tmp_path, tmp_path, tmp_path / "out", [5], 6,
                  SETTINGS | settings | {"engine": engine}, None, MACHINE | machine)
