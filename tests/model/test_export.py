"""The merged folder is the tuned model, readable without this repository."""

import json

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from stages.common.errors import UserError
from stages.model import export, weights
from stages.training import sft
from tests import stage_fixture


@pytest.fixture(scope="module")
def trained(tiny_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    arguments = (stage_fixture.pairs(folder / "pairs.jsonl", 4),
                 stage_fixture.pairs(folder / "dev.jsonl", 2, split="dev"))
    for parent, name, layers in ((tiny_model, "s1", [0]), (folder / "s1", "s2", [5])):
        sft.train(parent, *arguments, folder / name, layers, 6, stage_fixture.SETTINGS, None,
                  stage_fixture.MACHINE)
    return folder / "s2"


def test_the_folder_gives_the_same_logits(trained, tmp_path, tiny_model):
    export.main([str(trained), str(tmp_path / "out")])
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype="float32").eval()
    ids = AutoTokenizer.from_pretrained(tmp_path / "out")("The cat", return_tensors="pt")
    tuned, base = weights.load(trained)[0], weights.load(tiny_model)[0]
    with torch.inference_mode():
        assert torch.equal(merged(**ids).logits, tuned(**ids).logits)
        assert not torch.equal(merged(**ids).logits, base(**ids).logits)
    made_of = json.loads((tmp_path / "out/trained.json").read_text())
    assert [entry["layers"] for entry in made_of.values()] == [[], [0], [5]]


def test_a_sharded_base_is_exported_too(tiny_model, tmp_path):
    network, tokenizer = weights.load(tiny_model)
    network.save_pretrained(tmp_path / "base", max_shard_size="100KB")
    tokenizer.save_pretrained(tmp_path / "base")
    export.main([str(tmp_path / "base"), str(tmp_path / "out")])
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype="float32").state_dict()
    assert all(torch.equal(merged[name], tensor) for name, tensor in network.state_dict().items())


def test_an_existing_folder_is_left_alone(trained, tmp_path):
    with pytest.raises(UserError, match=r"exists\. Delete it or name another folder"):
        export.main([str(trained), str(tmp_path)])
