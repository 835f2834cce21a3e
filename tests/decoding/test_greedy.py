"""Fast greedy decoding equals plain decoding."""

import pytest
import torch
import transformers
from transformers import DynamicCache

from stages.decoding import greedy, row_cache
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


@pytest.mark.parametrize("budget", [1, 80, 9999])  # tokens: one row a batch, some, all
@pytest.mark.parametrize("shots", [(), [("One cat", "Un gato")]])
def test_same_tokens_as_transformers_generate(loaded, budget, shots):
    network, tokenizer = loaded
    # A random model seldom ends by itself: stop at a third of all tokens, so lengths differ.
    ends = {tokenizer.eos_token_id, *range(0, len(tokenizer), 3)}
    ids = [prompts.prompt_ids(tokenizer, prompts.messages(text, "eng_Latn", "spa_Latn", shots))
           for text in WORDS]
    answers = greedy.greedy(network, tokenizer, ids, 12, budget, sorted(ends), "test")
    for prompt, (text, truncated) in zip(ids, answers, strict=True):
        expected = plain(network, tokenizer, prompt, ends, 12)
        decoded = tokenizer.decode(expected, skip_special_tokens=True)
        assert text == decoded.strip().split("\n")[0].strip()
        assert truncated == (expected[-1] not in ends)


class Shown:
    """A tokenizer that shows ids as they are."""
    eos_token_id, pad_token_id = 1, 0

    def decode(self, ids, skip_special_tokens):
        return " ".join(map(str, ids))


SHOWN = Shown()
NUMBERS = [[*range(2, 14), *((n * k) % 90 + 2 for k in range(1, 4 + n))] for n in range(1, 6)]
SMALL = {"vocab_size": 97, "hidden_size": 32, "intermediate_size": 32, "num_attention_heads": 4,
         "num_key_value_heads": 2, "head_dim": 8, "num_hidden_layers": 3, "pad_token_id": 0,
         "initializer_range": 0.5, "tie_word_embeddings": False}  # else outputs hardly vary
WINDOW = {"sliding_window": 8}
LAYERS = {"layer_types": ["sliding_attention", "full_attention", "sliding_attention"]}
FAMILIES = {
    "llama": (transformers.LlamaConfig(**SMALL), True),
    "qwen2": (transformers.Qwen2Config(**SMALL), True),
    "qwen3": (transformers.Qwen3Config(**SMALL), True),
    "mistral": (transformers.MistralConfig(**SMALL, sliding_window=None), True),
    "mistral, window": (transformers.MistralConfig(**SMALL, **WINDOW), False),
    "qwen2, window": (transformers.Qwen2Config(**SMALL, **WINDOW, **LAYERS,
                                               use_sliding_window=True), False),
    "qwen3, window": (transformers.Qwen3Config(**SMALL, **WINDOW, use_sliding_window=True,
                                               max_window_layers=1), False),
    "gemma2": (transformers.Gemma2Config(**SMALL, **WINDOW, attn_logit_softcapping=2.0,
                                         query_pre_attn_scalar=8), False),
    "gemma3": (transformers.Gemma3TextConfig(**SMALL, **WINDOW, **LAYERS,
                                             query_pre_attn_scalar=8), False),
    "gpt_oss": (transformers.GptOssConfig(**SMALL, **WINDOW, **LAYERS, num_local_experts=2,
                                          num_experts_per_tok=1, rope_scaling=None), False),
    "gpt2": (transformers.GPT2Config(vocab_size=97, n_embd=32, n_head=4, n_layer=3, pad_token_id=0,
                                     initializer_range=0.5, tie_word_embeddings=False), False),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_decodes_as_generate_does(family):
    """Windows, capped logits and sinks change the attention, so those go through `generate`."""
    config, is_plain = FAMILIES[family]
    assert greedy.is_plain(config) == is_plain
    transformers.set_seed(1)
    network = transformers.AutoModelForCausalLM.from_config(config).eval()
    free = [plain(network, SHOWN, prompt, {1}, 12) for prompt in NUMBERS]
    ends = {1, free[0][1], free[1][2], free[2][4]}
    expected = [plain(network, SHOWN, prompt, ends, 12) for prompt in NUMBERS]
    assert len({len(row) for row in expected}) > 1  # else no row leaves a batch early
    for budget in (1, 40, 9999):
        found = greedy.greedy(network, SHOWN, NUMBERS, 12, budget, sorted(ends), "test")
        assert found == [(SHOWN.decode(row, True), row[-1] not in ends) for row in expected]


def test_each_row_of_a_batch_ends_by_itself_and_leaves():
    """Five rows of one batch end at different steps; the model sees only those that go on."""
    transformers.set_seed(1)
    network = transformers.AutoModelForCausalLM.from_config(FAMILIES["qwen3"][0]).eval()
    free = [plain(network, SHOWN, prompt, {0}, 12) for prompt in NUMBERS]
    ends = {free[4][0], free[0][1], free[1][2]}  # row 3 ends by one of these, row 2 at the limit
    expected = [plain(network, SHOWN, prompt, ends, 12) for prompt in NUMBERS]
    lengths = [len(row) for row in expected]
    assert lengths == [2, 3, 12, 4, 1]
    shared, sizes = greedy.shared_prefix(NUMBERS), []
    assert shared == 12
    with torch.inference_mode(), greedy.shared_attention(network):
        prefix = DynamicCache()
        network(torch.tensor([NUMBERS[0][:shared]]), past_key_values=prefix, use_cache=True)
        hook = network.register_forward_pre_hook(
            lambda _, __, inputs: sizes.append(len(inputs["input_ids"])), with_kwargs=True)
        found = greedy.decode_batch(network, NUMBERS, shared, prefix, ends, 12)
        hook.remove()
    assert found == expected
    assert sizes == [sum(length > step for length in lengths) for step in range(12)]


@pytest.mark.parametrize("part", [1, 7, 20])
def test_prompts_that_enter_in_parts_are_answered_alike(monkeypatch, part):
    transformers.set_seed(1)
    network = transformers.AutoModelForCausalLM.from_config(FAMILIES["llama"][0]).eval()
    expected = greedy.greedy(network, SHOWN, NUMBERS, 12, 9999, [5], "test")
    shapes = []
    network.model.embed_tokens.register_forward_pre_hook(
        lambda _, inputs: shapes.append(tuple(inputs[0].shape)))
    monkeypatch.setattr(greedy, "PART", part)
    assert greedy.greedy(network, SHOWN, NUMBERS, 12, 9999, [5], "test") == expected
    entered = [shape for shape in shapes[1:] if shape[1] > 1]  # the first is what all share
    assert len(entered) > 1 and all(a * b <= max(part, b) for a, b in entered)


def test_batches_fit_the_budget_and_hold_everything_in_order():
    lengths = [1, 1, 2, 2, 3, 9, 20]
    found = list(greedy.batches(lengths, 8))
    assert [list(batch) for batch in found] == [[0, 1, 2, 3], [4], [5], [6]]
    assert list(greedy.batches(lengths, 9999)) == [range(7)]


def test_rows_that_end_are_filled_from_behind():
    assert row_cache.remaining([True, True]) == [0, 1]
    assert row_cache.remaining([False, True, False, True, True]) == [4, 1, 3]
    assert row_cache.remaining([True, False]) == [0]
    assert row_cache.remaining([False, False]) == []


def test_what_the_model_would_do_by_itself_does_not_matter(loaded):
    """The generation config of a model folder may ask for sampling or a repetition penalty."""
    network, tokenizer = loaded
    ends = {tokenizer.eos_token_id, *range(0, len(tokenizer), 3)}
    ids = [prompts.prompt_ids(tokenizer, prompts.messages(text, "eng_Latn", "spa_Latn"))
           for text in WORDS]
    expected = [plain(network, tokenizer, prompt, ends, 12) for prompt in ids]
    before = network.generation_config
    network.generation_config = transformers.GenerationConfig(
        do_sample=True, temperature=9.0, repetition_penalty=5.0, max_new_tokens=1)
    try:
        assert greedy.generate_batch(network, ids, ends, 12) == expected
    finally:
        network.generation_config = before


def test_shared_prefix_leaves_every_prompt_a_token():
    assert greedy.shared_prefix([[1, 2, 3], [1, 2, 4, 5]]) == 2
    assert greedy.shared_prefix([[1, 2, 3]]) == 2
    assert greedy.shared_prefix([[7], [7, 8]]) == 0


def test_every_token_with_a_line_break_stops(loaded):
    _, tokenizer = loaded
    found = greedy.newline_tokens(tokenizer)
    assert tokenizer("\n", add_special_tokens=False)["input_ids"][0] in found
    assert tokenizer(" dog", add_special_tokens=False)["input_ids"][0] not in found
