"""Which layers are tuned."""

from stages.model.layers import bottom_layers, names_in, top_layers


def test_the_papers_choice_on_36_layers_leaves_20_frozen():
    assert bottom_layers(4) == [0, 1, 2, 3]
    assert top_layers(15, [], 36) == list(range(21, 36))


def test_the_same_choice_on_30_layers():
    assert top_layers(15, [], 30) == list(range(15, 30))
    assert top_layers(3, [28], 30) == [27, 29]


def test_parameter_names_are_matched_by_number_not_by_prefix():
    names = ["model.embed_tokens.weight", "model.layers.1.mlp.weight",
             "model.layers.11.mlp.weight", "model.norm.weight", "lm_head.weight"]
    assert names_in([1], names) == ["model.layers.1.mlp.weight"]
