"""Which layers are tuned, and which choices are impossible."""

import pytest

from stages.common.layers import bottom_layers, check, names_in, top_layers


def test_the_papers_choice_on_36_layers_leaves_20_frozen():
    assert bottom_layers(4) == [0, 1, 2, 3]
    assert top_layers(15, [], 36) == list(range(21, 36))


def test_the_same_choice_on_30_layers():
    assert top_layers(15, [], 30) == list(range(15, 30))
    assert top_layers(3, [28], 30) == [27, 29]


@pytest.mark.parametrize(("bottom", "top", "skip", "message"), [
    (4, 27, [], "it has 30 layers"),
    (31, 0, [], "it has 30 layers"),
    (-1, 15, [], "bottom must be a whole number"),
    (4, 2.5, [], "top must be a whole number"),
    (True, 15, [], "bottom must be a whole number"),
    (4, 15, [14], r"skip \[14\] is not among the top 15 layers 15-29 of 30"),
])
def test_impossible_choices_name_the_depth(bottom, top, skip, message):
    with pytest.raises(ValueError, match=message):
        check(bottom, top, skip, 30)


def test_all_layers_at_once_is_possible():
    check(15, 15, [], 30)


def test_parameter_names_are_matched_by_number_not_by_prefix():
    names = ["model.embed_tokens.weight", "model.layers.1.mlp.weight",
             "model.layers.11.mlp.weight", "model.norm.weight", "lm_head.weight"]
    assert names_in([1], names) == ["model.layers.1.mlp.weight"]
