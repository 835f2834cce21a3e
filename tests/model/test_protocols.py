"""Prompts by name: exact strings, the desk's own among them."""

import pytest

from stages.common.errors import UserError
from stages.model import prompts, protocols, weights

TEXT, PAIR = "The cat sleeps.", ("eng_Latn", "swh_Latn")
EXACT = {  # as the code and cards of sources.md and paper.md give them
    "desk": "Translate from English to Swahili:\nThe cat sleeps.",
    "benchmax": "Translate the following text from English to Swahili.\n\nEnglish source:\n"
                "The cat sleeps.\n\nSwahili translation:",
    "walar": "The cat sleeps.\nTranslate from English to Swahili:\n",
    "llamax": "Below is an instruction that describes a task, paired with an input that provides "
              "further context. Write a response that appropriately completes the request.\n"
              "### Instruction:\nTranslate the following sentences from English to Swahili.\n"
              "### Input:\nThe cat sleeps.\n### Response:",
    "tower": "Translate the following English source text to Swahili:\nEnglish: The cat sleeps.\n"
             "Swahili: ",
    "hunyuan": "Translate the following segment into Swahili, without additional explanation.\n\n"
               "The cat sleeps.",
    "seedx": "Translate the following English sentence into Swahili:\nThe cat sleeps. <sw>",
    "nllb": "The cat sleeps."}


@pytest.mark.parametrize("name", protocols.PROTOCOLS)
def test_the_question_is_that_of_the_source(name):
    assert protocols.question(protocols.named(name), TEXT, *PAIR) == EXACT[name]


def test_chinese_is_named_as_each_source_names_it():
    said = {name: protocols.question(protocols.named(name), TEXT, "eng_Latn", "zho_Hans")
            for name in ("benchmax", "llamax", "hunyuan", "seedx")}
    assert "Simplified Chinese translation:" in said["benchmax"]
    assert "from English to Chinese Simpl." in said["llamax"]
    assert said["hunyuan"] == "把下面的文本翻译成中文，不要额外解释。\n\nThe cat sleeps."
    assert said["seedx"].endswith("<zh>")
    back = protocols.question(protocols.named("hunyuan"), "猫", "zho_Hans", "eng_Latn")
    assert "翻译成英语" in back
    with pytest.raises(UserError, match="swh_Latn has no Chinese name"):
        protocols.question(protocols.named("hunyuan"), "猫", "zho_Hans", "swh_Latn")


@pytest.mark.parametrize("shots", [[], [("one", "moja"), ("two", "mbili")]])
@pytest.mark.parametrize("system", [None, "", "Be brief."])
def test_the_desks_protocol_is_the_prompt_of_training(tiny_model, shots, system):
    _, tokenizer = weights.load(tiny_model)
    desk = protocols.named("desk")
    chat = protocols.messages(desk, TEXT, *PAIR, shots, system)
    assert chat == prompts.messages(TEXT, *PAIR, shots, system)
    assert protocols.ids(desk, tokenizer, chat, PAIR[0]) == prompts.prompt_ids(tokenizer, chat)


def test_without_chat_the_prompt_is_bare(tiny_model):
    _, tokenizer = weights.load(tiny_model)
    seedx = protocols.named("seedx")
    chat = protocols.messages(seedx, TEXT, *PAIR)
    assert tokenizer.decode(protocols.ids(seedx, tokenizer, chat, PAIR[0])) == EXACT["seedx"]
    for wrong in ({"shots": [("a", "b")]}, {"system": "Be brief."}):
        with pytest.raises(UserError, match="no system turn and no shots"):
            protocols.messages(seedx, TEXT, *PAIR, **wrong)


def test_decoding_in_words():
    assert protocols.described("desk", 64, 12000, "hf") == (
        "greedy, first line, max_new_tokens=64, batch_tokens=12000")
    assert protocols.described("walar", 512, 12000, "server") == (
        "protocol walar, greedy, whole answer, max_new_tokens=512, engine server")
    assert "beams=4" in protocols.described("llamax", 256, 1, "hf")


def test_an_unknown_name_is_refused():
    with pytest.raises(UserError, match="protocol 'none' is not one of desk, benchmax"):
        protocols.named("none")


def test_the_suites_length_goes_before_the_protocols():
    assert protocols.length("llamax", None) == 256 and protocols.length("llamax", 8) == 8
    with pytest.raises(UserError, match="desk has no length of its own"):
        protocols.length("desk", None)
