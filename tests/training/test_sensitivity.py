"""Gradient norms of every layer, against plain autograd and numpy."""

import numpy as np
import pytest
import torch

from stages.model import prompts, weights
from stages.training import losses, sensitivity

PAIR = {"src": "The cat sleeps.", "tgt": "El gato duerme.", "src_lang": "eng_Latn",
        "tgt_lang": "spa_Latn"}


def test_the_norms_are_those_of_the_whole_gradient(tiny_model):
    network, tokenizer = weights.load(tiny_model)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    examples = [prompts.example(tokenizer, PAIR | {"src": text}, None)
                for text in ("One.", "Two cats.", "Three cats sleep here.")]
    found = sensitivity.norms(network, lambda: losses.mean_loss(network, examples, 0, 2))
    assert all(parameter.grad is None for parameter in network.parameters())
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())

    plain, _ = weights.load(tiny_model)
    batch = losses.collate(examples, 0)
    plain(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"],
          labels=batch["labels"]).loss.backward()
    assert len(found) == 6
    for layer, (size, nuclear) in zip(plain.model.layers, found, strict=True):
        gradients = [parameter.grad.numpy() for parameter in layer.parameters()]
        assert size == pytest.approx(np.sqrt(sum((g ** 2).sum() for g in gradients)), rel=1e-4)
        attention = layer.self_attn
        assert nuclear == pytest.approx(sum(
            np.linalg.svd(projection.weight.grad.numpy(), compute_uv=False).sum()
            for projection in (attention.q_proj, attention.k_proj, attention.v_proj,
                               attention.o_proj)), rel=1e-3)


def test_nothing_outside_the_layers_gets_a_gradient(tiny_model):
    network, tokenizer = weights.load(tiny_model)
    sensitivity.norms(network, lambda: losses.mean_loss(
        network, [prompts.example(tokenizer, PAIR, None)], 0, 1))
    assert {name.split(".")[1] for name, parameter in network.named_parameters()
            if parameter.requires_grad} == {"layers"}
