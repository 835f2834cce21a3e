"""The estimate counts the tokens that the stages will read, on real tokenizer and model."""

import shutil

from stages.common import jsonl
from stages.experiments import estimate
from stages.model import prompts, weights
from tests import stage_fixture

ROWS = [{"id": f"{n}", "cluster": "d", "src": f"The cat number {n} sleeps", "tgt": "El gato duerme",
         "src_lang": "eng_Latn", "tgt_lang": "spa_Latn"} for n in range(5)]


def test_translations_count_prompts_and_twice_the_reference(tiny_model):
    _, tokenizer = weights.load(tiny_model)
    settings = {"segments": 2, "max_new_tokens": 1000}

    def size(text, ask):
        return len(prompts.prompt_ids(tokenizer, prompts.messages(*ask))) + 2 * len(
            tokenizer(text)["input_ids"])

    # Both directions of two rows; the rows differ by a number alone.
    there = size("El gato duerme", (ROWS[0]["src"], "eng_Latn", "spa_Latn"))
    back = size(ROWS[0]["src"], ("El gato duerme", "spa_Latn", "eng_Latn"))
    assert estimate.translated(ROWS, ["spa_Latn"], settings, tokenizer) == 2 * (there + back)
    assert estimate.translated(ROWS, ["spa_Latn"], settings | {"max_new_tokens": 0}, tokenizer) \
        < 2 * (there + back)


def test_items_count_what_is_tested(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setattr(estimate, "DATA", tmp_path)
    _, tokenizer = weights.load(tiny_model)
    with jsonl.writer(tmp_path / "download/items/a.jsonl") as write:
        for n in range(20):
            write({"id": n, "question": "Is it so?", "choices": ["yes", {"text": ["no"]}],
                   "gold": 0})
    settings = {"tasks": {"a": {}}, "screen": {"share": 0.0}, "items": 7}
    each = sum(len(tokenizer(text)["input_ids"]) for text in ("Is it so?", "yes", "no"))
    assert estimate.answered(settings, tokenizer) == 7 * each
    assert estimate.answered(settings | {"tasks": {"a": {"items": 3}}}, tokenizer) == 3 * each
    for language in ("et", "sw"):
        shutil.copy(tmp_path / "download/items/a.jsonl",
                    tmp_path / f"download/items/x_{language}.jsonl")
    several = {"x": {"items": 3, "languages": ["et", "sw"]}}
    assert estimate.answered(settings | {"tasks": several}, tokenizer) == 2 * 3 * each


def test_the_rate_is_that_of_the_model(tiny_model):
    network, _ = weights.load(tiny_model)
    assert estimate.rate(network, 16) > 0


def test_results_of_another_suite_are_no_results_of_this_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stage_fixture.params(tmp_path, 6)
    meta = tmp_path / "meta.json"
    assert not estimate.judged(meta)
    for suite, there in (("s", True), ("other", False)):
        jsonl.write_json(meta, {"scale": "s", "suite": suite})
        assert estimate.judged(meta) == there
