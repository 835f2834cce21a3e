"""What produced a score is told apart by all that can change it."""

from stages.model import provenance, weights


def test_a_system_made_from_weights_has_another_identity_than_they(tiny_model):
    _, tokenizer = weights.load(tiny_model)

    def revision(derive):
        return provenance.signature(
            tiny_model, tokenizer, ["a"], 1, "float32", "greedy", derive)["revision"]

    assert revision(None) == weights.revision(tiny_model)
    assert len({revision(how) for how in (None, {"round": "q4_1"}, {"interpolate": 0.5})}) == 3
