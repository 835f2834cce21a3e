"""A model's identity, and what may be loaded."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from stages.common.errors import UserError
from stages.model import weights
from stages.training import sft
from tests.stage_fixture import MACHINE, SETTINGS, pairs


def train(parent, out, layers):
    files = (pairs(out.parent / "pairs.jsonl", 4), pairs(out.parent / "dev.jsonl", 2, split="dev"))
    sft.train(parent, *files, out, layers, 6, SETTINGS, None, MACHINE)
    return out


@pytest.fixture
def other(tiny_model, tmp_path):
    """The tiny model with one number changed."""
    shutil.copytree(tiny_model, tmp_path / "other")
    tensors = load_file(tmp_path / "other/model.safetensors")
    tensors["model.norm.weight"][0] += 1
    save_file(tensors, tmp_path / "other/model.safetensors", metadata={"format": "pt"})
    return tmp_path / "other"


@pytest.fixture
def sharded(tiny_model, tmp_path):
    """The tiny model in several files."""
    network, tokenizer = weights.load(tiny_model)
    network.save_pretrained(tmp_path / "sharded", max_shard_size="100KB")
    tokenizer.save_pretrained(tmp_path / "sharded")
    assert len(list((tmp_path / "sharded").glob("model-*.safetensors"))) > 1
    return tmp_path / "sharded"


def test_weights_and_config_identify_a_base_and_nothing_else_does(tiny_model, other, tmp_path):
    same = tmp_path / "same"
    shutil.copytree(tiny_model, same)
    (same / "README.md").write_text("not part of the model")
    assert weights.revision(same) == weights.revision(tiny_model) != weights.revision(other)
    config = json.loads((same / "config.json").read_text())
    (same / "config.json").write_text(json.dumps(config | {"rope_theta": 1.0}))
    assert weights.revision(same) != weights.revision(tiny_model)


def test_every_shard_of_a_base_counts(sharded):
    before = weights.revision(sharded)
    for shard in sorted(sharded.glob("model-*.safetensors")):
        content = shard.read_bytes()
        shard.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        assert weights.revision(sharded) != before
        shard.write_bytes(content)
    assert weights.revision(sharded) == before


def test_a_sharded_base_loads_trains_and_is_checked(tiny_model, sharded, tmp_path):
    one, many = (weights.load(folder)[0].state_dict() for folder in (tiny_model, sharded))
    assert all(torch.equal(one[name], many[name]) for name in one)
    trained = train(sharded, tmp_path / "trained", [5])
    assert weights.chain(trained) == [sharded, trained]
    shard = min(sharded.glob("model-*.safetensors"))
    shard.write_bytes(shard.read_bytes() + b"\0")
    with pytest.raises(UserError, match=r"was trained on .* is now"):
        weights.load(trained)


def test_nothing_trained_on_two_parents_is_two_models(tiny_model, other, tmp_path):
    """`top: 0` stores no tensor, so only the parent tells the results apart."""
    first, second = train(tiny_model, tmp_path / "a", []), train(other, tmp_path / "b", [])
    assert ((first / "layers.safetensors").read_bytes()
            == (second / "layers.safetensors").read_bytes())
    assert weights.revision(first) != weights.revision(second)
    assert weights.revision(first) != weights.revision(tiny_model)


def test_a_change_at_the_bottom_of_a_chain_is_found_at_its_top(other, tmp_path):
    top = train(train(other, tmp_path / "s1", []), tmp_path / "s2", [])
    assert weights.chain(top) == [other, tmp_path / "s1", top]
    file = other / "model.safetensors"
    file.write_bytes(file.read_bytes() + b"\0")
    with pytest.raises(UserError, match=r"s1 was trained on .*other .* is now"):
        weights.chain(top)


def test_a_folder_without_weights_or_without_a_parent_is_refused(other, tmp_path):
    trained = train(other, tmp_path / "s1", [])
    (other / "model.safetensors").unlink()
    with pytest.raises(UserError, match="other holds no weights"):
        weights.load(trained)
    shutil.rmtree(other)
    with pytest.raises(UserError, match="other holds no model"):
        weights.load(trained)


def test_every_folder_of_a_chain_must_be_declared(tiny_model, tmp_path, monkeypatch):
    trained = train(tiny_model, tmp_path / "s1", [])
    monkeypatch.chdir(tmp_path)
    weights.load(trained, declared=[tiny_model, trained.relative_to(tmp_path)])
    for declared, missing in (([trained], tiny_model), ([tiny_model], trained)):
        with pytest.raises(UserError, match=rf"{missing} .*declare it in params\.yaml: systems"):
            weights.load(trained, declared=declared)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_type_is_the_callers_choice(tiny_model, tmp_path, dtype):
    network, _ = weights.load(train(tiny_model, tmp_path / "s1", [0]), dtype)
    assert {p.dtype for p in network.parameters()} == {getattr(torch, dtype)}
