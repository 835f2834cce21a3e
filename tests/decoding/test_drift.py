"""KL from the base, against a loop over single documents in double precision."""

import pytest
import torch

from stages.common.errors import UserError
from stages.decoding.drift import drift
from stages.model import weights

DOCUMENTS = [[5, 6, 7, 8, 9, 10], [11, 12], [7, 6, 5, 4], [30] * 9]


@pytest.fixture
def networks(tiny_model):
    base, moved = weights.load(tiny_model)[0], weights.load(tiny_model)[0]
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in moved.model.layers[3].parameters():
            parameter.add_(torch.randn_like(parameter))
    return base, moved


@pytest.mark.parametrize("batch", [1, 3, 4])
def test_it_is_the_sum_over_the_tokens_of_each_document(networks, batch):
    found = drift(*networks, DOCUMENTS, batch)
    for document, (total, tokens) in zip(DOCUMENTS, found, strict=True):
        before, after = (network(torch.tensor([document])).logits[0, :-1].detach().double()
                         .log_softmax(-1) for network in networks)
        assert total == pytest.approx(float((before.exp() * (before - after)).sum()), rel=1e-3)
        assert tokens == len(document) - 1 and total > 0


def test_it_has_a_direction(networks):
    base, moved = networks
    there, back = drift(base, moved, DOCUMENTS, 4), drift(moved, base, DOCUMENTS, 4)
    assert all(abs(a / b - 1) > 1e-3 for (a, _), (b, _) in zip(there, back, strict=True))


def test_a_system_that_is_its_base_has_not_drifted(networks):
    assert [total for total, _ in drift(networks[0], networks[0], DOCUMENTS, 2)] == [0.0] * 4


def test_a_document_of_one_token_is_refused(networks):
    with pytest.raises(UserError, match="1 documents have no second token"):
        drift(*networks, [*DOCUMENTS, [3]], 2)
