"""What an arm is screened by, on tiny models of true classes."""

import math

import pytest
import torch

from stages.experiments.arms import quick
from stages.model import weights
from stages.statistics.reasoning import logprob

DOCUMENTS = [[5, 6, 7, 8, 9], [10, 11, 12]]


def test_a_layer_that_changes_nothing_has_no_influence(tiny_model):
    network = weights.load(tiny_model)[0]
    layer = network.model.layers[-1]  # the last: the final norm is no part of it
    with torch.no_grad():
        assert layer.self_attn.o_proj.bias is None and layer.mlp.down_proj.bias is None
        layer.self_attn.o_proj.weight.zero_()
        layer.mlp.down_proj.weight.zero_()
    found = quick.influence(network, DOCUMENTS)
    assert len(found) == len(network.model.layers)
    assert found[-1] == pytest.approx(0, abs=1e-6)
    assert all(one > 1e-6 for one in found[:-1])


def test_influence_leaves_no_hook_and_weighs_tokens(tiny_model):
    network = weights.load(tiny_model)[0]
    one, other = (quick.influence(network, [document])[0] for document in DOCUMENTS)
    both = quick.influence(network, DOCUMENTS)[0]
    assert both == pytest.approx((5 * one + 3 * other) / 8, abs=2e-6)
    assert not any(layer._forward_hooks for layer in network.model.layers)


def test_the_right_choice_has_the_log_probability_of_the_whole_test():
    row = {"loglik": [-3.0, -1.5, -9.0], "gold": 1}
    assert quick.gold(row) == pytest.approx(logprob.gold(row))
    assert math.exp(quick.gold(row)) < 1
