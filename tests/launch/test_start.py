"""Two processes train as one does: the stages themselves, through accelerate, on the CPU."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed
from safetensors.torch import load_file, save_file

from stages import train_s1
from stages.common.errors import UserError
from stages.launch import processes, start
from stages.model import prompts, weights
from stages.training import loop, trainable
from tests import stage_fixture
from tests.stage_fixture import MACHINE, SETTINGS

PAIRS = 39  # in steps of two that two processes share: the last holds one pair alone
SERVER = multiprocessing.get_context("forkserver")  # a fork of a process that has computed hangs
SERVER.set_forkserver_preload(["stages.training.loop", "stages.training.sft"])


def taught(model: Path, spread: bool, rank: int, count: int, out: Path) -> None:
    """One process of a training on the CPU. The first writes what every step computed."""
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(count),
                   "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}
    if count > 1:
        torch.distributed.init_process_group("gloo", f"file://{out}.rendezvous", rank=rank,
                                             world_size=count)
    torch.set_num_threads(1)
    network, tokenizer = weights.load(model)
    trainable.choose(network, [0, 1, 4], "layers", {})
    rows = [{"src": f"The cat number {7 ** (n % 9)} sleeps.", "src_lang": "eng_Latn",
             "tgt": f"El gato {5 ** (n % 7)} duerme.", "tgt_lang": "spa_Latn"}
            for n in range(PAIRS)]
    seen = []

    class Watched(loop.SftTrainer):
        def _maybe_log_save_evaluate(self, tr_loss, grad_norm, *others, **more):
            seen.append((float(self._nested_gather(tr_loss).mean()),
                         float(processes.gathered(grad_norm))))
            super()._maybe_log_save_evaluate(tr_loss, grad_norm, *others, **more)

    run = loop.trainer(network, [prompts.example(tokenizer, row, None) for row in rows], 0,
                       SETTINGS | {"batch": 1, "accumulation": 2, "lr": 1e-3}, out.parent,
                       spread=spread)
    run.__class__ = Watched
    run.train()
    tensors = trainable.trained(network, list(run.trained()), {})
    if rank == 0:
        save_file(tensors | {"seen": torch.tensor(seen, dtype=torch.float64)}, out)


def together(model: Path, spread: bool, count: int, out: Path) -> dict[str, torch.Tensor]:
    started = [SERVER.Process(target=taught, args=(model, spread, rank, count, out))
               for rank in range(count)]
    for process in started:
        process.start()
    for process in started:
        process.join()
    assert [process.exitcode for process in started] == [0] * count
    return load_file(out)


@pytest.fixture(scope="module")
def one(tiny_model, tmp_path_factory):
    return together(tiny_model, False, 1, tmp_path_factory.mktemp("one") / "tensors")


@pytest.mark.parametrize("spread", [False, True], ids=["ddp", "fsdp2"])
def test_two_processes_compute_what_one_does(one, tiny_model, tmp_path, spread):
    two = together(tiny_model, spread, 2, tmp_path / "tensors")
    assert two.keys() == one.keys() and len(two["seen"]) == 21
    losses, norms = two.pop("seen")[:20].T  # the end of the pass is seen once more
    assert norms.min() > 0.1 and losses.min() > 1
    torch.testing.assert_close((losses, norms), tuple(one["seen"][:20].T), atol=1e-5, rtol=0)
    for name, tensor in two.items():
        torch.testing.assert_close(tensor, one[name], atol=1e-6, rtol=0)


def folder(path: Path, way: str, count: int = PAIRS, **train) -> Path:
    path.mkdir()
    stage_fixture.pairs(path / "pairs.jsonl", count)
    stage_fixture.pairs(path / "dev.jsonl", 2, split="dev")
    machine = MACHINE | {"launch": way, "processes": 1 if way == "single" else 2}
    stage_fixture.params(path, 6, bottom=2, recipe={"machine": machine}, train_s1={"lr": 1e-3},
                         train=stage_fixture.TRAIN | {"batch": 1, "accumulation": 2, **train})
    return path


def stage(path: Path, model: Path) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-m", "stages.train_s1", model, "pairs.jsonl",
                             "dev.jsonl", "data/s1"], cwd=path, stderr=subprocess.PIPE, text=True)


def same_as_alone(path: Path, model: Path, monkeypatch) -> None:
    """Compare a stage's output with that of one process, here."""
    tensors, config = (load_file(path / "data/s1/layers.safetensors"),
                       json.loads((path / "data/s1/config.json").read_text()))
    monkeypatch.chdir(path)
    stage_fixture.params(path, 6, bottom=2, train_s1={"lr": 1e-3}, train=stage_fixture.TRAIN
                         | {"batch": 1, "accumulation": 2})
    train_s1.main([str(model), "pairs.jsonl", "dev.jsonl", "data/s1"])
    for name, tensor in load_file(path / "data/s1/layers.safetensors").items():
        torch.testing.assert_close(tensors.pop(name), tensor, atol=1e-6, rtol=0)
    assert not tensors
    alone = json.loads((path / "data/s1/config.json").read_text())
    assert config["dev_loss"]["after"] == pytest.approx(alone["dev_loss"]["after"], abs=1e-6)
    assert config | {"dev_loss": 0} == alone | {"dev_loss": 0}


@pytest.mark.parametrize("way", [pytest.param("ddp", marks=pytest.mark.long), "fsdp2"])
def test_accelerate_starts_the_stage(tiny_model, tmp_path, monkeypatch, way):
    process = stage(folder(tmp_path / way, way), tiny_model)
    said = process.communicate()[1]
    assert process.returncode == 0, said
    assert not (tmp_path / way / "data/checkpoints").exists()
    same_as_alone(tmp_path / way, tiny_model, monkeypatch)


@pytest.mark.long
@pytest.mark.parametrize("way", ["ddp", "fsdp2"])
def test_sigterm_reaches_all_of_them(tiny_model, tmp_path, monkeypatch, way):
    path = folder(tmp_path / way, way, 600)
    process = stage(path, tiny_model)
    assert process.stderr
    while "/300" not in process.stderr.readline(200):
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    said = process.communicate()[1]
    assert process.returncode == start.INTERRUPTED, said
    assert not (path / "data/s1").exists()
    [saved] = path.glob("data/checkpoints/*/step-*")
    assert {"rng_state_0.pth", "rng_state_1.pth"} < {file.name for file in saved.iterdir()}
    again = stage(path, tiny_model)
    assert "going on from" in again.communicate()[1] and again.returncode == 0
    same_as_alone(path, tiny_model, monkeypatch)


@pytest.mark.parametrize(("machine", "message"), [
    ({"launch": "horovod"}, "'horovod' is not single, ddp or fsdp2"),
    ({"processes": 2}, "Write launch: fsdp2, or processes: 1"),
    ({"launch": "ddp"}, r"processes is 1 on 1 node\(s\). Write a multiple of the nodes"),
    ({"launch": "fsdp2", "processes": 2, "device": "cuda"},
     "asks for 2 GPUs a node, this one has 0. Write processes: 0, or device: cpu")])
def test_what_does_not_fit_the_machine_is_refused(machine, message):
    with pytest.raises(UserError, match=message):
        start.elsewhere("stages.train_s1", [], MACHINE | machine)


@pytest.mark.long
def test_steps_that_two_cannot_share_are_refused_by_the_stage(tiny_model, tmp_path):
    path = folder(tmp_path / "run", "ddp", batch=2, accumulation=1)
    process = stage(path, tiny_model)
    said = process.communicate()[1]
    assert process.returncode == 74
    assert "2 processes cannot share the 1 batches of a step" in said
    assert not (path / "data").exists()
