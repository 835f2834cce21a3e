"""Which parameters belong to which layer, in any family of models."""

import pytest
import torch
import transformers

from stages.common.errors import UserError
from stages.model.layer_names import layer_path, names_in


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
