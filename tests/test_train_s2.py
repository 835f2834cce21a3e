"""Stage 2 through its main: the top layers on top of stage 1."""

import json

import pytest
from safetensors.torch import load_file

from stages import train_s1, train_s2
from stages.common.errors import UserError
from stages.model import weights
from tests import stage_fixture


@pytest.fixture
def folder(tmp_path, monkeypatch, tiny_model):
    """Stage 1 has run with layer 0."""
    monkeypatch.chdir(tmp_path)
    stage_fixture.params(tmp_path, 6, train=stage_fixture.TRAIN, train_s1={"lr": 1e-2},
                         train_s2={"lr": 1e-3})
    stage_fixture.pairs(tmp_path / "pairs.jsonl", 6)
    stage_fixture.pairs(tmp_path / "dev.jsonl", 3, split="dev")
    train_s1.main([str(tiny_model), "pairs.jsonl", "dev.jsonl", "data/train_s1"])
    return tmp_path


def run(top, skip=(), depth=6, layers="top"):
    from pathlib import Path

    stage_fixture.params(Path(), depth, top=top, skip=skip, train=stage_fixture.TRAIN,
                         train_s2={"lr": 1e-3},
                         recipe={"train_s2": stage_fixture.STAGE | {"layers": layers}})
    train_s2.main(["data/train_s1", "pairs.jsonl", "dev.jsonl", "data/train_s2"])
    names = load_file("data/train_s2/layers.safetensors")
    return sorted({int(name.split(".")[2]) for name in names})


@pytest.mark.parametrize(("top", "skip", "layers"), [
    (2, (), [4, 5]), (3, (), [3, 4, 5]), (3, (4,), [3, 5])])
def test_the_top_layers_are_trained(folder, top, skip, layers):
    assert run(top, skip) == layers


def test_both_blocks_train_jointly(folder):
    assert run(2, layers="both") == [0, 4, 5]


def test_it_starts_where_stage_one_ended(folder):
    run(2)
    config = json.loads((folder / "data/train_s2/config.json").read_text())
    before = json.loads((folder / "data/train_s1/config.json").read_text())
    assert config["parent_sha256"] == weights.revision(folder / "data/train_s1")
    assert config["dev_loss"]["before"] == before["dev_loss"]["after"]
    assert config["dev_loss"]["after"] != config["dev_loss"]["before"]


def test_a_depth_that_the_model_does_not_have_is_refused(folder):
    """The top 3 of 8 would be 5, 6 and 7: of a model of 6, only one exists."""
    with pytest.raises(UserError, match=r"model\.depth is 8, but .* has 6 layers\. Write 6"):
        run(3, depth=8)


def test_a_layer_to_skip_must_be_in_the_block(folder):
    with pytest.raises(UserError, match=r"skip \[2\] is not among the top 2 layers 4-5 of 6"):
        run(2, (2,))
