"""Which layers are tuned."""

import pytest
import torch
import transformers

from stages.common.errors import UserError
from stages.model.layers import chosen, layer_path, names_in


def test_the_papers_choice_on_36_layers_leaves_20_frozen():
    assert chosen("bottom", 36, 4) == [0, 1, 2, 3]
    assert chosen("top", 36, 4, 15, []) == list(range(21, 36))
    assert chosen("both", 36, 4, 15, []) == [0, 1, 2, 3, *range(21, 36)]


@pytest.mark.parametrize(("choice", "layers"), [
    ("top", [27, 29]), ("both", [0, 27, 29]), ("none", []), ("all", list(range(30))),
    ([7, 3], [3, 7]), ({"first": 2}, [0, 1]), ({"last": 2}, [28, 29]), ({"last": 0}, [])])
def test_every_choice_on_30_layers(choice, layers):
    assert chosen(choice, 30, 1, 3, [28]) == layers


def test_random_layers_are_drawn_by_the_seed_and_nested():
    def draw(n, seed):
        return chosen({"random": n, "seed": seed}, 30, 0)

    assert draw(19, 1) == draw(19, 1) != draw(19, 2)
    assert len(set(draw(19, 1))) == 19 and set(draw(19, 1)) < set(draw(20, 1)) < set(range(30))
    # Every layer is as likely as any other.
    counts = [sum(layer in draw(10, seed) for seed in range(300)) for layer in range(30)]
    assert min(counts) > 70 and max(counts) < 130


@pytest.mark.parametrize("choice", ["middle", {"middle": 3}, 4, None])
def test_an_unknown_choice_is_refused(choice):
    with pytest.raises(UserError, match="is no choice of layers"):
        chosen(choice, 30, 4, 15, [])


def test_parameter_names_are_matched_by_number_not_by_prefix():
    names = ["model.embed_tokens.weight", "model.layers.1.mlp.weight",
             "model.layers.11.mlp.weight", "model.norm.weight", "lm_head.weight"]
    assert names_in([1], names, "model.layers") == ["model.layers.1.mlp.weight"]
    assert names_in([1], ["transformer.h.1.w", "transformer.hh.1.w"], "transformer.h") == [
        "transformer.h.1.w"]


SMALL = {"vocab_size": 16, "hidden_size": 8, "intermediate_size": 8, "num_attention_heads": 2,
         "num_key_value_heads": 1, "num_hidden_layers": 3}


@pytest.mark.parametrize(("config", "path"), [
    (transformers.LlamaConfig(**SMALL), "model.layers"),
    (transformers.GPT2Config(vocab_size=16, n_embd=8, n_head=2, n_layer=3), "transformer.h"),
    (transformers.GPTNeoXConfig(**SMALL), "gpt_neox.layers"),
    # As many experts as layers: the experts of a layer are a list of the same length.
    (transformers.MixtralConfig(**SMALL, num_local_experts=3), "model.layers")])
def test_the_list_of_decoder_layers_is_found_in_any_family(config, path):
    assert layer_path(transformers.AutoModelForCausalLM.from_config(config)) == path


def test_a_model_without_such_a_list_is_refused():
    model = transformers.AutoModelForCausalLM.from_config(transformers.LlamaConfig(**SMALL))
    model.model.layers = torch.nn.Sequential(*model.model.layers)
    with pytest.raises(UserError, match="llama: no list of 3 decoder layers was found"):
        layer_path(model)
