"""Stage 1 through its main: the bottom layers, and only they."""

import json

import pytest
from safetensors.torch import load_file

from stages import train_s1
from stages.common.errors import UserError
from stages.model import weights
from tests import stage_fixture


@pytest.fixture
def inputs(tmp_path, monkeypatch, tiny_model):
    monkeypatch.chdir(tmp_path)
    return [str(tiny_model), str(stage_fixture.pairs(tmp_path / "pairs.jsonl", 6)),
            str(stage_fixture.pairs(tmp_path / "dev.jsonl", 3, split="dev")), "data/train_s1"]


def trained_layers(folder):
    return {int(name.split(".")[2]) for name in load_file(folder / "layers.safetensors")}


def test_the_bottom_layers_are_trained(inputs, tmp_path, tiny_model):
    stage_fixture.params(tmp_path, 6, bottom=2, train=stage_fixture.TRAIN,
                         train_s1={"lr": 1e-3})
    train_s1.main(inputs)
    assert trained_layers(tmp_path / "data/train_s1") == {0, 1}
    config = json.loads((tmp_path / "data/train_s1/config.json").read_text())
    assert (config["layers"], config["lr"], config["steps"]) == ([0, 1], 1e-3, 3)
    assert config["settings"] == stage_fixture.SETTINGS | {"layers": "bottom", "lr": 1e-3}
    assert config["parent_sha256"] == weights.revision(tiny_model)
    assert sorted(path.name for path in (tmp_path / "data/train_s1").iterdir()) == [
        "config.json", "layers.safetensors", "loss.csv", "sensitivity.csv"]


@pytest.mark.parametrize(("choice", "layers"), [
    ({"last": 2}, {4, 5}), ([1, 4], {1, 4}), ("all", set(range(6)))])
def test_a_control_tunes_other_layers(inputs, tmp_path, choice, layers):
    stage_fixture.params(tmp_path, 6, train=stage_fixture.TRAIN, train_s1={"lr": 1e-3},
                         recipe={"train_s1": stage_fixture.STAGE | {"layers": choice}})
    train_s1.main(inputs)
    assert trained_layers(tmp_path / "data/train_s1") == layers


@pytest.mark.parametrize("choice", ["top", "both"])
def test_what_needs_the_top_is_for_stage_two(inputs, tmp_path, choice):
    stage_fixture.params(tmp_path, 6, train=stage_fixture.TRAIN, train_s1={"lr": 1e-3},
                         recipe={"train_s1": stage_fixture.STAGE | {"layers": choice}})
    with pytest.raises(UserError, match=rf"layers '{choice}' is not one of bottom, all, none"):
        train_s1.main(inputs)


def test_no_bottom_layers_leaves_the_model_as_it_is(inputs, tmp_path, tiny_model):
    """The ablation without stage 1."""
    stage_fixture.params(tmp_path, 6, bottom=0, train=stage_fixture.TRAIN, train_s1={"lr": 1e-3})
    train_s1.main(inputs)
    assert trained_layers(tmp_path / "data/train_s1") == set()
    before, after = (weights.load(folder)[0].state_dict() for folder in
                     (tiny_model, tmp_path / "data/train_s1"))
    assert all(before[name].equal(after[name]) for name in before)


def test_a_depth_that_the_model_does_not_have_is_refused(inputs, tmp_path):
    stage_fixture.params(tmp_path, 8, bottom=2, train=stage_fixture.TRAIN, train_s1={"lr": 1e-3})
    with pytest.raises(UserError, match=r"model\.depth is 8, but .* has 6 layers\. Write 6"):
        train_s1.main(inputs)
    assert not (tmp_path / "data").exists()


def test_an_impossible_choice_is_refused_before_any_work(inputs, tmp_path):
    stage_fixture.params(tmp_path, 6, bottom=5, top=2, train=stage_fixture.TRAIN,
                         train_s1={"lr": 1e-3})
    with pytest.raises(UserError, match="overlap or exceed the model: it has 6 layers"):
        train_s1.main(inputs)
    assert not (tmp_path / "data").exists()
