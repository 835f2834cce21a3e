"""Fast greedy decoding equals plain decoding."""

import pytest
import torch

from stages.decoding import greedy
from stages.model import prompts, weights

WORDS = ["dog", "The house is red.", "Where is the market? I need water and bread today.",
         "She reads a book", "We walk to school every day with our friends."]


@pytest.fixture(scope="module")
def loaded(tiny_model):
    return weights.load(tiny_model)


def plain(network, tokenizer, ids, ends, limit):
    """One prompt at a time through transformers' own generate."""
    output = network.generate(torch.tensor([ids]), attention_mask=torch.ones(1, len(ids)).long(),
                              do_sample=False, max_new_tokens=limit, eos_token_id=sorted(ends),
                              pad_token_id=tokenizer.pad_token_id)[0, len(ids):].tolist()
    return output


@pytest.mark.parametrize("batch", [1, 2, 5])
@pytest.mark.parametrize("shots", [(), [("One cat", "Un gato")]])
def test_same_tokens_as_transformers_generate(loaded, batch, shots):
    network, tokenizer = loaded
    # A random model seldom ends by itself: stop at a third of all tokens, so lengths differ.
    ends = {tokenizer.eos_token_id, *range(0, len(tokenizer), 3)}
    ids = [prompts.prompt_ids(tokenizer, prompts.messages(text, "eng_Latn", "spa_Latn", shots))
           for text in WORDS]
    answers = greedy.greedy(network, tokenizer, ids, 12, batch, sorted(ends), "test")
    for prompt, (text, truncated) in zip(ids, answers, strict=True):
        expected = plain(network, tokenizer, prompt, ends, 12)
        decoded = tokenizer.decode(expected, skip_special_tokens=True)
        assert text == decoded.strip().split("\n")[0].strip()
        assert truncated == (expected[-1] not in ends)


def test_shared_prefix_leaves_every_prompt_a_token():
    assert greedy.shared_prefix([[1, 2, 3], [1, 2, 4, 5]]) == 2
    assert greedy.shared_prefix([[1, 2, 3]]) == 2
    assert greedy.shared_prefix([[7], [7, 8]]) == 0


def test_every_token_with_a_line_break_stops(loaded):
    _, tokenizer = loaded
    found = greedy.newline_tokens(tokenizer)
    assert tokenizer("\n", add_special_tokens=False)["input_ids"][0] in found
    assert tokenizer(" dog", add_special_tokens=False)["input_ids"][0] not in found
