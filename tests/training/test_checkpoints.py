"""A training that is killed, stopped or finds damaged checkpoints ends at the same bits."""

import multiprocessing
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stages import train_s1
from stages.common import jsonl
from stages.launch import start
from stages.training import checkpoints, sft
from tests import stage_fixture
from tests.stage_fixture import MACHINE, SETTINGS

STEPS = 24
SAVING = MACHINE | {"save_steps": 1}
# Two passes, batches of one: half the checkpoints lie in the second, whose order is drawn anew.
RUN = SETTINGS | {"batch": 1, "accumulation": 2, "epochs": 2}
SERVER = multiprocessing.get_context("forkserver")  # a fork of a process that has computed hangs
SERVER.set_forkserver_preload(["stages.training.loop", "stages.training.sft"])


def train(model: Path, folder: Path, settings=RUN, machine=SAVING) -> None:
    """As ``sft.train`` of layers 0, 1 and 4, without the output of the bar."""
    with open(os.devnull, "w") as nowhere:
        sys.stderr = nowhere
        sft.train(model, folder / "pairs.jsonl", folder / "dev.jsonl", folder / "out", [0, 1, 4],
                  6, settings, None, machine)


def started(*arguments) -> multiprocessing.Process:
    process = SERVER.Process(target=train, args=arguments, daemon=True)
    process.start()
    return process


def finished(model: Path, folder: Path, settings=RUN) -> dict[str, bytes]:
    process = started(model, folder, settings)
    process.join()
    assert process.exitcode == 0
    return outputs(folder)


def outputs(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "out").iterdir())}


def inputs(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    stage_fixture.pairs(folder / "pairs.jsonl", STEPS)
    stage_fixture.pairs(folder / "dev.jsonl", 2, split="dev")
    return folder


def killed(process: multiprocessing.Process, folder: Path, step: int, later: float = 0.0) -> None:
    """Kill a training some seconds after the checkpoint of a step, or a later one, is there."""
    while process.is_alive() and step > max(
            (int(path.name[5:]) for path in folder.glob("checkpoints/*/step-*")
             if not path.suffix), default=0):
        time.sleep(0.002)
    time.sleep(later)
    process.kill()
    process.join()


@pytest.fixture(scope="module")
def undisturbed(tiny_model, tmp_path_factory):
    """Outputs of a training that nothing interrupts."""
    folder = inputs(tmp_path_factory.mktemp("undisturbed"))
    found = finished(tiny_model, folder)
    assert not (folder / "checkpoints").exists()  # gone when the outputs are there
    return found


@pytest.fixture(scope="module")
def cut_off(tiny_model, tmp_path_factory):
    """A folder whose training was killed in its second pass, with two checkpoints."""
    folder = inputs(tmp_path_factory.mktemp("cut off"))
    killed(started(tiny_model, folder), folder, STEPS // 2 + 4)
    [store] = folder.glob("checkpoints/*")
    return store


def copied(store: Path, folder: Path) -> checkpoints.Store:
    inputs(folder)
    shutil.copytree(store, folder / "checkpoints" / store.name)
    return checkpoints.Store(folder / "checkpoints" / store.name)


def test_a_killed_training_goes_on_where_it_was(cut_off, undisturbed, tiny_model, tmp_path):
    store = copied(cut_off, tmp_path)
    assert len(store.steps()) >= checkpoints.KEPT  # more where a kill came before an old one went
    assert finished(tiny_model, tmp_path) == undisturbed


def test_between_two_passes_the_next_order_is_not_drawn_yet(undisturbed, tiny_model, tmp_path):
    inputs(tmp_path)
    killed(started(tiny_model, tmp_path, RUN, MACHINE | {"save_steps": STEPS // 2}), tmp_path,
           STEPS // 2)
    assert finished(tiny_model, tmp_path) == undisturbed


@pytest.mark.parametrize("trials", [2, pytest.param(20, marks=pytest.mark.long)])
def test_kills_at_random_moments_cost_no_bit(trials, undisturbed, tiny_model, tmp_path):
    draw, resumed = random.Random(trials), 0
    for trial in range(trials):
        folder = inputs(tmp_path / str(trial))
        killed(started(tiny_model, folder), folder, draw.randrange(STEPS), draw.uniform(0, 0.2))
        resumed += any(folder.glob("checkpoints/*/step-*"))
        assert finished(tiny_model, folder) == undisturbed, trial
    assert resumed >= trials // 2


FILES = ["layers.safetensors", "moments.safetensors", "order.safetensors", "rng_state.pth",
         "schedule.json", "trainer_state.json", "SHA256SUMS"]


def damage(file: Path, how: str) -> None:
    whole = file.read_bytes()
    if how == "missing":
        file.unlink()
    else:
        at = len(whole) // 2
        file.write_bytes({"empty": b"", "truncated": whole[:-1], "one bit": (
            whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1:])}[how])


@pytest.mark.parametrize("how", ["missing", "empty", "truncated", "one bit"])
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_checkpoint_is_noticed(cut_off, tmp_path, capsys, name, how):
    store = copied(cut_off, tmp_path)
    newest, before = store.steps()[:2]
    assert sorted(path.name for path in newest.iterdir()) == sorted(FILES)
    assert store.newest() == newest
    damage(newest / name, how)
    assert store.newest() == before
    assert f"{newest}: a file is missing or was changed" in capsys.readouterr().err


def test_it_goes_on_from_the_one_before(cut_off, undisturbed, tiny_model, tmp_path):
    damage(copied(cut_off, tmp_path).steps()[0] / "moments.safetensors", "one bit")
    assert finished(tiny_model, tmp_path) == undisturbed


def test_without_a_whole_checkpoint_it_starts_again(cut_off, undisturbed, tiny_model, tmp_path):
    for path in copied(cut_off, tmp_path).steps():
        damage(path / "schedule.json", "empty")
    assert finished(tiny_model, tmp_path) == undisturbed


def test_other_settings_do_not_find_it(cut_off, tiny_model, tmp_path):
    """Nor does another text; and the checkpoint stays for those that wrote it."""
    other = RUN | {"lr": 2e-3}
    expected = finished(tiny_model, inputs(tmp_path / "fresh"), other)
    store = copied(cut_off, tmp_path)
    assert finished(tiny_model, tmp_path, other) == expected
    assert store.newest()
    rows = [row | {"tgt": row["tgt"].upper()} for row in jsonl.read(tmp_path / "pairs.jsonl")]
    with jsonl.writer(tmp_path / "pairs.jsonl") as write:
        for row in rows:
            write(row)
    finished(tiny_model, tmp_path)
    assert store.newest()


def test_a_part_is_never_taken_for_a_checkpoint(cut_off, tmp_path):
    store = copied(cut_off, tmp_path)
    newest = store.steps()[0]
    newest.rename(newest.with_suffix(".part"))
    assert store.newest() == store.steps()[0] != newest


CONTROLS = {"lora": {"method": "lora"}, "replay": {"replay": 0.3, "kl": 0.1}, "engine": {
    "engine": {"precision": "bfloat16", "pack_tokens": 200, "loss_chunk": 8}, "batch": 1}}


@pytest.mark.parametrize("name", CONTROLS)
def test_what_a_control_draws_is_drawn_alike_after_a_kill(tiny_model, tmp_path, name):
    settings = SETTINGS | CONTROLS[name]
    expected = finished(tiny_model, inputs(tmp_path / "whole"), settings)
    folder = inputs(tmp_path / "killed")
    killed(started(tiny_model, folder, settings), folder, 5)
    assert finished(tiny_model, folder, settings) == expected


def test_sigterm_saves_and_exits_with_its_own_code(tiny_model, tmp_path, monkeypatch, capsys):
    """The stage itself, no steps or minutes set: the signal alone makes the checkpoint."""
    monkeypatch.chdir(tmp_path)
    stage_fixture.pairs(tmp_path / "pairs.jsonl", 200)
    stage_fixture.pairs(tmp_path / "dev.jsonl", 2, split="dev")
    stage_fixture.params(tmp_path, 6, train=stage_fixture.TRAIN, train_s1={"lr": 1e-3})
    arguments = [str(tiny_model), "pairs.jsonl", "dev.jsonl", "data/out"]
    process = subprocess.Popen([sys.executable, "-m", "stages.train_s1", *arguments],
                               stderr=subprocess.PIPE, text=True)
    assert process.stderr
    while "/100" not in process.stderr.readline(200):  # the bar: the first step is being taken
        assert process.poll() is None
    process.terminate()
    said = process.communicate()[1]
    assert process.returncode == start.INTERRUPTED, said
    assert "stopped by SIGTERM after step" in said and "same command again" in said
    assert not (tmp_path / "data/out").exists()
    [saved] = tmp_path.glob("data/checkpoints/*/step-*")
    train_s1.main(arguments)
    assert f"going on from {saved.relative_to(tmp_path)}" in capsys.readouterr().err
    interrupted = (tmp_path / "data/out/layers.safetensors").read_bytes()
    train_s1.main(arguments)
    assert "going on" not in capsys.readouterr().err
    assert (tmp_path / "data/out/layers.safetensors").read_bytes() == interrupted
