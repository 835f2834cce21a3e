"""Rules on literal guesses, and the stage with a real, tiny fastText model."""

import json

import pytest

from stages import langid
from stages.common import jsonl
from stages.common.errors import UserError
from stages.convert import assets
from stages.convert.lid import tiny
from stages.corpus import language_id

from . import stage_fixture

SURE = [("swh_Latn", 0.9), ("eng_Latn", 0.05), ("spa_Latn", 0.02)]
UNSURE = [("eng_Latn", 0.3), ("ind_Latn", 0.2), ("swh_Latn", 0.1)]
LABELS = {"eng_Latn", "swh_Latn"}
WRONG = [("eng_Latn", 0.9), ("swh_Latn", 0.05), ("ind_Latn", 0.01)]


@pytest.mark.parametrize(("rule", "sure", "unsure", "wrong"), [
    ("top1_p50", True, False, False), ("top1", True, False, False),
    ("no_other_p50", True, True, False), ("top3", True, True, True),
    ("top3_or_no_other_p50", True, True, True)])
def test_rules(rule, sure, unsure, wrong):
    accept = language_id.RULES[rule]
    assert [accept("swh_Latn", g) for g in (SURE, UNSURE, WRONG)] == [sure, unsure, wrong]


def test_each_language_has_its_rule_and_the_source_is_named_first():
    row = {"src_lang": "eng_Latn", "tgt_lang": "swh_Latn"}
    chosen = {"default": "top1_p50", "swh_Latn": "no_other_p50"}
    rules = {language: langid.rule_of(language, chosen, LABELS) for language in LABELS}
    assert langid.verdict(row, WRONG, UNSURE, rules) == "kept"
    assert langid.verdict(row, UNSURE, UNSURE, rules) == "src_language"
    assert langid.verdict(row, WRONG, WRONG, rules) == "tgt_language"
    with pytest.raises(UserError, match="'strict' is not one of top1_p50"):
        langid.rule_of("eng_Latn", {"default": "strict"}, LABELS)
    with pytest.raises(UserError, match="None is not one of top1_p50"):
        langid.rule_of("eng_Latn", {}, LABELS)


@pytest.fixture(scope="module")
def model(tmp_path_factory, fixtures):
    folder = tmp_path_factory.mktemp("lid")
    tiny.lid(assets.labelled([fixtures / "tiny_train.jsonl", fixtures / "tiny_test.jsonl"]),
             folder)
    return folder


def test_detector_knows_codes_and_survives_odd_text(model):
    detect = language_id.load(model)
    found = detect(["The dog sees a big house", "Mbwa anaona nyumba kubwa", "", "a\nb\tc"])
    assert [guesses[0][0] for guesses in found[:2]] == ["eng_Latn", "swh_Latn"]
    assert all(0 <= p <= 1 for guesses in found for _, p in guesses)
    assert found[2] == [("und", 0.0)] or len(found[2]) > 0
    assert detect([]) == []


def test_a_language_that_the_detector_has_no_label_for_needs_a_rule_without_labels(model):
    labels = language_id.load(model).labels
    assert {"eng_Latn", "swh_Latn"} <= labels and "hau_Latn" not in labels
    with pytest.raises(UserError, match=r"top1 asks for a label .* not for hau_Latn"):
        langid.rule_of("hau_Latn", {"default": "top1"}, labels)
    accept = langid.rule_of("hau_Latn", {"default": "no_other_p50"}, labels)
    assert accept("hau_Latn", UNSURE)
    # A detector whose labels are FLORES codes themselves has it.
    assert langid.rule_of("hau_Latn", {"default": "top1"}, {"hau_Latn"})


def test_flags_of_outputs_and_of_their_references():
    known = {"Mbwa": SURE, "nini": UNSURE, "The dog": WRONG, "": [("und", 0.0)]}
    flags = language_id.flags(lambda texts: [known[text] for text in texts], "swh_Latn",
                              ["Mbwa", "nini", "The dog", ""], ["The dog", "Mbwa", "nini", "nini"])
    rules = [(row["off_target"]["top1"], row["off_target"]["no_other_p50"]) for row in flags]
    assert rules == [(False, False), (True, False), (True, True), (False, False)]
    rules = [(row["ref_off_target"]["top1"], row["ref_off_target"]["no_other_p50"])
             for row in flags]
    assert rules == [(True, True), (False, False), (True, False), (True, False)]
    assert (flags[0]["hyp_lang"], flags[0]["hyp_lang_p"]) == ("swh_Latn", 0.9)


def test_labels_of_lid176_become_flores_codes():
    """Those of languages that nobody asks for stay what they were in committed runs."""
    assert (language_id.known()["sw"], language_id.known()["en"]) == ("swh_Latn", "eng_Latn")
    assert "nl" not in language_id.known() and "" not in language_id.known(["hau_Latn"])
    assert language_id.known(["nld_Latn"])["nl"] == "nld_Latn"


def test_a_missing_model_is_a_clear_refusal(tmp_path):
    with pytest.raises(UserError, match="must hold one fastText model, not 0"):
        language_id.load(tmp_path)


def test_whole_stage(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stage_fixture.params(tmp_path, 3, langid={"rule": {"default": "top1"}},
                         format={"languages": {"swh_Latn": {}}})
    texts = [("The dog buys fresh bread today", "Mbwa ananunua mkate mpya leo"),
             ("The dog buys fresh bread today", "Der Hund kauft heute frisches Brot"),
             ("El perro compra pan fresco hoy", "Mbwa ananunua mkate mpya leo")]
    rows = [{"id": str(n), "src": src, "tgt": tgt, "src_lang": "eng_Latn",
             "tgt_lang": "swh_Latn", "split": "dev"} for n, (src, tgt) in enumerate(texts)]
    with jsonl.writer("in/pairs.jsonl") as write:
        for row in rows:
            write(row)
    langid.main(["in", str(model), "in/pairs.jsonl", "out"])
    assert [row["id"] for row in jsonl.read("out/pairs.jsonl")] == ["0"]
    stats = json.loads((tmp_path / "out/stats.json").read_text())
    assert (stats["seen"], stats["kept"]) == (3, 1)
    assert stats["dropped"] == {"tgt_language": 1, "src_language": 1}
    assert stats["by_lang"] == {"swh_Latn": {"seen": 3, "kept": 1, "dropped": stats["dropped"]}}
    assert [(row["id"], row["found"]) for row in jsonl.read("out/dropped_sample.jsonl")] == [
        ("1", "deu_Latn"), ("2", "spa_Latn")]
    assert stats["confusion"] == {"eng_Latn": {"eng_Latn": 2, "spa_Latn": 1},
                                  "swh_Latn": {"swh_Latn": 2, "deu_Latn": 1}}
    assert {r["rule"] for r in stats["rules"]} == set(language_id.RULES)


def test_no_pairs_give_an_empty_result_with_counts(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stage_fixture.params(tmp_path, 3, langid={"rule": {"default": "top1"}},
                         format={"languages": {"swh_Latn": {}}})
    jsonl.write_text("in/pairs.jsonl", "")
    langid.main(["in", str(model), "in/pairs.jsonl", "out"])
    stats = json.loads((tmp_path / "out/stats.json").read_text())
    assert (stats["seen"], stats["kept"], stats["dropped"], stats["rules"]) == (0, 0, {}, [])
    assert list(jsonl.read("out/pairs.jsonl")) == []
