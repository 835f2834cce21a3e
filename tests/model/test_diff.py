"""Two models compared tensor by tensor: exactly what was trained, and by how much."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from stages import train_s1, train_s2
from stages.common.errors import UserError
from stages.model import diff, export, weights
from tests import stage_fixture


@pytest.fixture(scope="module")
def trained(tiny_model, tmp_path_factory):
    """Layer 0 trained in stage 1, layers 4 and 5 in stage 2."""
    folder = tmp_path_factory.mktemp("diff")
    stage_fixture.params(folder, 6, train=stage_fixture.TRAIN, train_s1={"lr": 1e-2},
                         train_s2={"lr": 1e-2})
    pairs = [str(stage_fixture.pairs(folder / "pairs.jsonl", 4)),
             str(stage_fixture.pairs(folder / "dev.jsonl", 2, split="dev"))]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        train_s1.main([str(tiny_model), *pairs, str(folder / "s1")])
        train_s2.main([str(folder / "s1"), *pairs, str(folder / "s2")])
    return folder / "s2"


@pytest.fixture
def other(tiny_model, tmp_path):
    """A copy of the tiny model, and its tensors to change and save again."""
    shutil.copytree(tiny_model, tmp_path / "other")
    tensors = load_file(tmp_path / "other/model.safetensors")
    return tmp_path / "other", tensors, lambda: save_file(
        tensors, tmp_path / "other/model.safetensors", metadata={"format": "pt"})


def test_a_merged_model_differs_in_the_trained_layers_alone(tiny_model, trained, tmp_path, capsys):
    export.main([str(trained), str(tmp_path / "merged")])
    diff.main([str(tiny_model), str(tmp_path / "merged"), "--json", str(tmp_path / "d.json")])
    found = json.loads((tmp_path / "d.json").read_text())
    assert found["layers"] == [0, 4, 5] and not found["only_a"] and not found["only_b"]
    assert {diff.group(name) for name in found["tensors"]} == {"layer 0", "layer 4", "layer 5"}
    assert set(found["groups"]) == {"embeddings", "norm", *(f"layer {n}" for n in range(6))}
    printed = capsys.readouterr().out
    assert "layer 4" in printed and "unchanged: embeddings, layer 1, layer 2, layer 3" in printed


def test_a_training_output_counts_with_its_parents(tiny_model, trained):
    assert diff.difference(tiny_model, trained)["layers"] == [0, 4, 5]
    assert diff.difference(trained.parent / "s1", trained)["layers"] == [4, 5]


def test_shards_and_types_are_no_difference(tiny_model, tmp_path, other, capsys):
    network, _ = weights.load(tiny_model)
    network.save_pretrained(tmp_path / "sharded", max_shard_size="100KB")
    found = diff.difference(tiny_model, tmp_path / "sharded")
    assert not found["tensors"] and not found["layers"] and len(found["groups"]) == 8
    folder, tensors, save = other
    for name in tensors:
        tensors[name] = tensors[name].bfloat16()
    save()
    rounded = diff.difference(tiny_model, folder)
    assert rounded["layers"] == list(range(6))  # rounding is a change
    network.bfloat16().float().save_pretrained(tmp_path / "back")
    assert not diff.difference(folder, tmp_path / "back")["tensors"]  # another type is none
    diff.show(found)
    assert "no number differs" in capsys.readouterr().out


def test_how_much_by_hand_over_several_slices(tiny_model, other, monkeypatch):
    monkeypatch.setattr(diff, "NUMBERS", 100)  # three rows of 32 a slice
    folder, tensors, save = other
    before = tensors["model.embed_tokens.weight"].clone()
    tensors["model.embed_tokens.weight"][::2] += 0.5
    tensors["model.norm.weight"][3] += 2
    save()
    found = diff.difference(tiny_model, folder)
    assert not found["layers"]
    assert found["groups"]["norm"] == {
        "tensors": 1, "differ": 1, "changed_share": 1 / 32, "largest": 2.0,
        "relative": pytest.approx(2 / 32 ** 0.5)}
    row = found["tensors"]["model.embed_tokens.weight"]
    rows = len(before)
    assert row["changed_share"] == pytest.approx(-(-rows // 2) / rows)
    assert row["largest"] == pytest.approx(0.5, abs=1e-6)
    moved = (tensors["model.embed_tokens.weight"] - before).norm()
    assert row["relative"] == pytest.approx(float(moved / before.norm()), rel=1e-5)


def test_what_only_one_has_or_has_in_another_shape_is_named(tiny_model, other):
    folder, tensors, save = other
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"][:4].clone()
    tensors["model.embed_tokens.weight"] = tensors["model.embed_tokens.weight"][:-1].clone()
    del tensors["model.norm.weight"]
    tensors["model.step"] = torch.tensor(1.0)  # a tensor without dimensions
    save()
    found = diff.difference(tiny_model, folder)
    assert found["only_a"] == ["model.norm.weight"]
    assert found["only_b"] == ["lm_head.weight", "model.step"]
    assert list(found["other_shape"]) == ["model.embed_tokens.weight"]
    assert diff.difference(folder, folder)["layers"] == []


def test_a_folder_without_weights_is_refused(tiny_model, other):
    folder, *_ = other
    (folder / "model.safetensors").unlink()
    with pytest.raises(UserError, match=r"other holds no weights.*Fetch or build"):
        diff.difference(tiny_model, folder)
    with pytest.raises(UserError, match="holds no model"):
        diff.difference(tiny_model, folder / "nowhere")


def test_groups_are_named_by_layer():
    names = {"transformer.h.11.attn.c_attn.weight": "layer 11", "transformer.wte.weight":
             "embeddings", "lm_head.weight": "head", "model.layers.3.mlp.experts.7.w": "layer 3"}
    assert {name: diff.group(name) for name in names} == names
