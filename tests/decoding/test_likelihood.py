"""Likelihoods that share their contexts equal lm-eval's own."""

import pytest
import torch
import transformers
from lm_eval.models.huggingface import HFLM

from stages.decoding import likelihood
from stages.model import weights
from tests.decoding.test_greedy import SMALL

CHOICES = ["bread", "a cat", "water and bread", "a", "the market"]
CONTEXTS = ["Where is it?\nAnswer:", "Where is the dog?\nAnswer:", "The house is red.", "She"]
PAIRS = [(context, f" {choice}") for context in CONTEXTS for choice in CHOICES]


@pytest.fixture(scope="module")
def loaded(tiny_model):
    return weights.load(tiny_model)


def requests(model, pairs):
    return [(pair, *model._encode_pair(*pair)) for pair in pairs]


def both(network, tokenizer, pairs, budget):
    """lm-eval's answers and ours; the random networks vary enough for a slip to show."""
    plain = HFLM(pretrained=network, tokenizer=tokenizer, batch_size=4, device="cpu")
    ours = likelihood.SharedContextLM(network, tokenizer, budget)
    asked = requests(plain, pairs)
    return (plain._loglikelihood_tokens(asked, disable_tqdm=True),
            ours._loglikelihood_tokens(asked, disable_tqdm=True))


def assert_equal(theirs, ours):
    assert len(theirs) == len(ours)
    for (log, greedy), (mine, same) in zip(theirs, ours, strict=True):
        assert mine == pytest.approx(log, abs=1e-4)
        assert same == greedy


@pytest.mark.parametrize("budget", [1, 40, 10_000])
def test_equal_to_lm_eval_whatever_the_batch(loaded, budget):
    theirs, ours = both(*loaded, PAIRS, budget)
    assert_equal(theirs, ours)
    assert len({round(log, 3) for log, _ in ours}) > len(PAIRS) / 2


def test_greedy_continuations_are_recognised(loaded):
    """What greedy decoding says after a context is greedy for both, and nothing else is."""
    network, tokenizer = loaded
    pairs = []
    for context in CONTEXTS:
        ids = tokenizer(context)["input_ids"]
        said = network.generate(torch.tensor([ids]), do_sample=False, max_new_tokens=3,
                                pad_token_id=0)[0, len(ids):].tolist()
        pairs += [((context, "said"), ids, said), ((context, "other"), ids, [*said[:-1], 5])]
    plain = HFLM(pretrained=network, tokenizer=tokenizer, batch_size=4, device="cpu")
    ours = likelihood.SharedContextLM(network, tokenizer, 64)
    theirs = plain._loglikelihood_tokens(pairs, disable_tqdm=True)
    assert_equal(theirs, ours._loglikelihood_tokens(pairs, disable_tqdm=True))
    assert [greedy for _, greedy in theirs] == [True, False] * len(CONTEXTS)


@pytest.mark.parametrize("config", [
    transformers.LlamaConfig(**SMALL), transformers.MistralConfig(**SMALL, sliding_window=None),
    transformers.Qwen2Config(**SMALL), transformers.Qwen3Config(**SMALL)],
    ids=lambda config: config.model_type)
def test_every_plain_family(loaded, config):
    torch.manual_seed(1)
    network = transformers.AutoModelForCausalLM.from_config(config).eval()
    _, tokenizer = loaded
    asked = [(("", ""), [7, 3, *range(9, 9 + n)], [11 + k, *range(20, 20 + k)])
             for n in (1, 4) for k in range(4)]
    plain = HFLM(pretrained=network, tokenizer=tokenizer, batch_size=3, device="cpu")
    ours = likelihood.SharedContextLM(network, tokenizer, 64)
    assert_equal(plain._loglikelihood_tokens(asked, disable_tqdm=True),
                 ours._loglikelihood_tokens(asked, disable_tqdm=True))


def test_windows_and_long_texts_go_through_lm_eval(loaded, monkeypatch):
    """A window of 8 and a text longer than the model reads: right, and not computed here."""
    _, tokenizer = loaded
    torch.manual_seed(1)
    windowed = transformers.AutoModelForCausalLM.from_config(
        transformers.MistralConfig(**SMALL, sliding_window=8)).eval()
    full = transformers.AutoModelForCausalLM.from_config(
        transformers.LlamaConfig(**SMALL, max_position_embeddings=16)).eval()
    long = [(("", ""), list(range(3, 3 + n)), [40, 41]) for n in (4, 14, 15, 16, 40, 5)]
    scored = []
    inner = likelihood.score
    monkeypatch.setattr(likelihood, "score", lambda network, requests: scored.extend(
        len(context) for _, context, _ in requests) or inner(network, requests))
    for network, expected in ((windowed, []), (full, [4, 5, 14, 15])):
        plain = HFLM(pretrained=network, tokenizer=tokenizer, batch_size=1, device="cpu")
        ours = likelihood.SharedContextLM(network, tokenizer, 64)
        assert_equal(plain._loglikelihood_tokens(long, disable_tqdm=True),
                     ours._loglikelihood_tokens(long, disable_tqdm=True))
        assert sorted(scored) == expected


def test_a_shared_token_is_computed_once():
    tree, paths = likelihood.prefix_tree([[5, 6, 7], [5, 6, 8], [9], [5, 6]])
    assert tree.tokens == [5, 6, 7, 8, 9]
    assert tree.depths == [0, 1, 2, 2, 0]
    assert paths == [[0, 1, 2], [0, 1, 3], [4], [0, 1]]
    assert likelihood.own_path(tree.parents).int().tolist() == [
        [1, 0, 0, 0, 0], [1, 1, 0, 0, 0], [1, 1, 1, 0, 0], [1, 1, 0, 1, 0], [0, 0, 0, 0, 1]]


def test_questions_stay_whole_in_their_batch():
    asked = [(("", ""), [1, context], [2, choice]) for choice in range(3) for context in range(4)]
    found = list(likelihood.batches(asked, budget=11))
    assert sorted(i for batch in found for i in batch) == list(range(12))
    assert [sorted({asked[i][1][1] for i in batch}) for batch in found] == [[0, 1], [2, 3]]
