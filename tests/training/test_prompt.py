"""What is trained on is what evaluation and a server send, token by token.

With Qwen3's own tokenizer where a mirror holds it, and with the fixture's everywhere.
"""

import os
from pathlib import Path

import pytest
import transformers
from safetensors.torch import load_file

from stages.common.errors import UserError
from stages.model import prompts, weights
from stages.training import pairs, sft
from tests import stage_fixture

MIRROR = Path(os.environ.get("LLAMAX2_MIRROR", "no mirror"))
TOKENIZER = MIRROR / ("huggingface.co/Qwen/Qwen3-8B/resolve/"
                      "b968826d9c46dd6066d109eabc6255188de91218/tokenizer.json")
TEMPLATE = MIRROR / "as-packaged/qwen3/tokenizer_config.json"  # a packaged copy of the template
ROW = {"src": "The cat sleeps.\nGood night!", "tgt": "Paka analala.", "src_lang": "eng_Latn",
       "tgt_lang": "swh_Latn"}


@pytest.fixture(scope="module")
def qwen3(tmp_path_factory):
    if not (TOKENIZER.is_file() and TEMPLATE.is_file()):
        pytest.skip("LLAMAX2_MIRROR holds no tokenizer of Qwen3-8B")
    folder = tmp_path_factory.mktemp("qwen3")
    for file in (TOKENIZER, TEMPLATE):
        (folder / file.name).symlink_to(file)
    return transformers.AutoTokenizer.from_pretrained(folder)


@pytest.fixture(params=["tiny", "qwen3"])
def tokenizer(request, tiny_model):
    if request.param == "qwen3":
        return request.getfixturevalue("qwen3")
    return weights.load(tiny_model)[1]


def sent(tokenizer, **switch) -> list[int]:
    """The prompt as a server renders it from the chat, tokenised as text."""
    text = tokenizer.apply_chat_template(
        prompts.messages(ROW["src"], "eng_Latn", "swh_Latn"), tokenize=False,
        add_generation_prompt=True, **switch)
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def parts(tokenizer, think_block) -> tuple[list[int], list[int]]:
    """Prompt and answer, by the labels, of the training example."""
    [example] = pairs.examples(tokenizer, [ROW], None, think_block)
    at = example["labels"].count(-100)
    assert example["labels"][at:] == example["input_ids"][at:]
    return example["input_ids"][:at], example["input_ids"][at:]


def test_the_block_in_the_prompt_is_what_evaluation_sends(tokenizer):
    prompt, answer = parts(tokenizer, "prompt")
    assert prompt == prompts.prompt_ids(tokenizer, prompts.messages(
        ROW["src"], "eng_Latn", "swh_Latn")) == sent(tokenizer, enable_thinking=False)
    assert tokenizer.decode(prompt).endswith("<|im_start|>assistant\n<think>\n\n</think>\n\n")
    assert tokenizer.decode(answer) == "Paka analala.<|im_end|>"


def test_the_block_in_the_answer_has_the_same_ids(tokenizer):
    prompt, answer = parts(tokenizer, "answer")
    assert prompt == sent(tokenizer)
    assert tokenizer.decode(answer) == "<think>\n\n</think>\n\nPaka analala.<|im_end|>"
    assert [*prompt, *answer] == [token for part in parts(tokenizer, "prompt") for token in part]


def test_without_the_block_the_prompt_is_that_of_thinking(tokenizer):
    prompt, answer = parts(tokenizer, "none")
    assert prompt == sent(tokenizer) and prompt != sent(tokenizer, enable_thinking=False)
    assert tokenizer.decode(answer) == "Paka analala.<|im_end|>"


def test_an_unknown_place_is_refused(tiny_model):
    with pytest.raises(UserError, match="'both' is not prompt, answer or none"):
        pairs.examples(weights.load(tiny_model)[1], [ROW], None, "both")


def test_the_template_writes_the_same_chat(qwen3):
    """Qwen3's template puts the empty block before the last answer of a chat by itself."""
    chat = [*prompts.messages(ROW["src"], "eng_Latn", "swh_Latn"),
            {"role": "assistant", "content": ROW["tgt"]}]
    whole = qwen3.apply_chat_template(chat, tokenize=True, return_dict=False)
    ours = [token for part in parts(qwen3, "prompt") for token in part]
    assert whole[:len(ours)] == ours and qwen3.decode(whole[len(ours):]) == "\n"


def test_rows_of_the_vocabulary_without_a_token_stay(qwen3, tmp_path):
    """151,669 tokens, 151,936 rows: the rest pads the matrix and is neither read nor cut."""
    assert len(qwen3) == 151_669
    transformers.set_seed(1)
    transformers.Qwen3ForCausalLM(transformers.Qwen3Config(
        vocab_size=151_936, hidden_size=8, intermediate_size=8, num_hidden_layers=2,
        num_attention_heads=1, num_key_value_heads=1, head_dim=8,
        tie_word_embeddings=False)).save_pretrained(tmp_path / "model")
    qwen3.save_pretrained(tmp_path / "model")
    stage_fixture.pairs(tmp_path / "pairs.jsonl", 2)
    stage_fixture.pairs(tmp_path / "dev.jsonl", 1, split="dev")
    sft.train(tmp_path / "model", tmp_path / "pairs.jsonl", tmp_path / "dev.jsonl",
              tmp_path / "out", [1], 2, stage_fixture.SETTINGS, None, stage_fixture.MACHINE)
    assert load_file(tmp_path / "out/layers.safetensors")
    tuned = weights.load(tmp_path / "out")[0]
    assert tuned.lm_head.weight.shape == tuned.model.embed_tokens.weight.shape == (151_936, 8)
