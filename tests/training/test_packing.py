"""A pack computes what its examples compute alone."""

import pytest
import torch
import torch.nn.functional as F

from stages.common.errors import UserError
from stages.model import prompts, weights
from stages.training import losses, packing, trainable
from stages.training.batches import packed

ROWS = [{"src": f"The cat number {7 ** n} sleeps.", "src_lang": "eng_Latn",
         "tgt": f"El gato número {5 ** n} duerme.", "tgt_lang": "spa_Latn"} for n in range(5)]


@pytest.fixture
def ready(tiny_model):
    """Model with layers 2 and 5 to train, and five examples of different lengths."""
    network, tokenizer = weights.load(tiny_model)
    trainable.choose(network, [2, 5], "layers", {})
    return network, [prompts.example(tokenizer, row, None) for row in ROWS]


def gradients(network, loss):
    network.zero_grad()
    loss.backward()
    return [p.grad.clone() for p in network.parameters() if p.requires_grad]


def logits(network, batch, **more):
    kept = {key: value for key, value in batch.items() if key != "labels"}
    with torch.inference_mode():
        return network(**kept, **more).logits[0]


def test_packed_is_padded(ready):
    network, examples = ready
    pack, rows = packing.collate(examples, 0), losses.collate(examples, 0)
    alone = losses.target_loss(network, rows)
    expected = gradients(network, alone)
    for loss in (losses.target_loss(network, pack), packing.chunked_loss(network, pack, 7)):
        assert loss.item() == pytest.approx(alone.item(), rel=1e-6)
        for ours, theirs in zip(gradients(network, loss), expected, strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-6 * float(theirs.abs().max() + 1),
                                       rtol=1e-5)
    together = logits(network, pack, use_cache=False)
    apart = torch.cat([logits(network, packing.collate([example], 0), use_cache=False)
                       for example in examples])
    torch.testing.assert_close(together, apart, atol=1e-6, rtol=0)


def changed_by_the_first(network, examples, **how):
    """How far another first example moves the logits of those after it."""
    other = [{"input_ids": examples[0]["input_ids"][::-1], "labels": examples[0]["labels"]},
             *examples[1:]]
    start = len(examples[0]["input_ids"])
    before, after = (logits(network, packing.collate(pack, 0), **how)[start:]
                     for pack in (examples, other))
    return float((before - after).abs().max())


def test_no_example_sees_another(ready):
    assert changed_by_the_first(*ready, use_cache=False) == 0.0


def test_a_cache_would_let_them(ready):
    """What the isolation rests on: with a cache transformers builds no block mask."""
    assert changed_by_the_first(*ready, use_cache=True) > 1e-3


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_the_chunked_loss_is_the_cross_entropy(chunk):
    torch.manual_seed(1)
    hidden = torch.randn(23, 8, dtype=torch.float64, requires_grad=True)
    weight, targets = torch.randn(50, 8, dtype=torch.float64), torch.randint(0, 50, (23,))
    plain = F.cross_entropy(hidden @ weight.T, targets, reduction="sum")
    [expected] = torch.autograd.grad(plain, hidden)
    ours = packing.ChunkedLoss.apply(hidden, weight, targets, chunk)
    assert ours.item() == pytest.approx(plain.item(), rel=1e-6)
    torch.testing.assert_close(torch.autograd.grad(3 * ours, hidden)[0], 3 * expected, atol=1e-5,
                               rtol=0)


@pytest.mark.parametrize("loss", [losses.target_loss, lambda *at: packing.chunked_loss(*at, 4)])
def test_an_empty_pack_counts_nothing(ready, loss):
    network, _ = ready
    nothing = loss(network, packing.collate([], 0))
    assert nothing.item() == 0
    assert all(not gradient.any() for gradient in gradients(network, nothing))


def test_packs_hold_every_example_once_within_the_budget():
    lengths = [3 + 7 * n % 20 for n in range(200)]
    packs = packed(lengths, 64, seed=1)
    assert sorted(at for pack in packs for at in pack) == list(range(200))
    sizes = [sum(lengths[at] for at in pack) for pack in packs]
    assert max(sizes) <= 64 and sum(sizes) / len(sizes) > 0.8 * 64
    assert packed(lengths, 64, seed=1) == packs != packed(lengths, 64, seed=2)


def test_an_example_beyond_the_budget_is_refused():
    with pytest.raises(UserError, match="an example has 9 tokens, a pack holds 8"):
        packed([3, 9], 8, seed=1)
