"""Which layers are tuned."""

import pytest

from stages.common.errors import UserError
from stages.model.layers import chosen


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
