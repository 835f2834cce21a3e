"""LoRA merged is LoRA applied; what cannot be trained is refused."""

import pytest
import torch
from safetensors.torch import save_file

from stages.common.errors import UserError
from stages.model import weights
from stages.training import trainable
from tests.stage_fixture import RECIPE

LORA = {"rank": 2, "alpha": 6, "targets": ["q_proj", "o_proj", "up_proj", "down_proj"]}


def test_merged_factors_give_the_logits_of_applied_ones(tiny_model, tmp_path):
    network, tokenizer = weights.load(tiny_model)
    ids = tokenizer("The cat sleeps.", return_tensors="pt")
    base = network(**ids).logits.detach()
    names = trainable.choose(network, [1, 4], "lora", LORA)
    torch.manual_seed(1)
    for name, parameter in network.named_parameters():
        if name in names:
            torch.nn.init.normal_(parameter, std=0.3)
    applied = network.eval()(**ids).logits.detach()
    (tmp_path / "s1").mkdir()
    save_file(trainable.trained(network, names, LORA), tmp_path / "s1/layers.safetensors")
    (tmp_path / "s1/config.json").write_text(
        f'{{"parent": "{tiny_model}", "parent_sha256": "{weights.revision(tiny_model)}"}}')
    merged = weights.load(tmp_path / "s1")[0](**ids).logits.detach()
    assert (applied - base).abs().max() > 0.1
    assert (merged - applied).abs().max() < 1e-5


def test_factors_are_all_that_trains(tiny_model):
    network, _ = weights.load(tiny_model)
    names = trainable.choose(network, [0, 5], "lora", RECIPE["lora"])
    assert set(names) == {name for name, p in network.named_parameters() if p.requires_grad}
    assert len(names) == 2 * 2 * 2  # layers, targets, factors
    assert all(name.startswith(("model.layers.0.", "model.layers.5.")) for name in names)


@pytest.mark.parametrize(("layers", "method", "lora", "message"), [
    ([0], "all", {}, "'all' is not layers, full or lora"),
    ([0, 1], "full", {}, "layers must be all or none"),
    ([7], "lora", LORA, r"layers \[7\] have no parameters"),
    ([0], "lora", LORA | {"targets": ["query"]}, "train.lora: .*query"),
    ([0], "lora", LORA | {"rank": 0}, "train.lora: .*`r`")])
def test_what_cannot_train_is_refused(tiny_model, layers, method, lora, message):
    network, _ = weights.load(tiny_model)
    with pytest.raises(UserError, match=message):
        trainable.choose(network, layers, method, lora)


def test_everything_trains_with_full(tiny_model):
    network, _ = weights.load(tiny_model)
    names = trainable.choose(network, list(range(6)), "full", {})
    assert names == [name for name, _ in network.named_parameters()]
    assert trainable.choose(network, [], "full", {}) == []
    assert not any(parameter.requires_grad for parameter in network.parameters())
