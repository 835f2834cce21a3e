"""Cleaning, rules, splits and the counts that must add up."""

import json
from collections import Counter

import pytest

from stages import format as stage
from stages.common import jsonl
from stages.common.errors import UserError

from . import stage_fixture


def test_split_is_a_property_of_the_english_text_and_near_its_share():
    splits = Counter(stage.split_of(f"Sentence {n}", 0.4) for n in range(2000))
    assert 740 < splits["dev"] < 860
    assert stage.split_of("Sentence 1", 0.4) == stage.split_of("Sentence 1", 0.4)


RULES = {"min_words": 2, "max_words": 9, "max_ratio": 3.0, "min_letters": 0.6}
SOURCE = {"reader": "parallel_jsonl", "origin": "toy"}


def settings(folder, **test):
    stage_fixture.params(folder, 3, format={
        "languages": {"spa_Latn": {"resource": "high"}, "swh_Latn": {"resource": "low"}},
        "sources": {"train": SOURCE, "test": SOURCE},
        "train": RULES, "test": {**RULES, "dev_share": 0.5, **test}})


def put(file, rows):
    with jsonl.writer(file) as write:
        for row in rows:
            write(row)


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings(tmp_path)
    train = [{"id": "a", "eng_Latn": "The dog", "spa_Latn": "El perro", "swh_Latn": "Mbwa huyo"},
             {"id": "b", "eng_Latn": "the DOG", "spa_Latn": "Un perro", "swh_Latn": "Mbwa yule"},
             {"id": "c", "eng_Latn": "The cat", "spa_Latn": "El gato"}]
    test = [{"id": "t", "eng_Latn": "A red house", "spa_Latn": "Una casa roja",
             "swh_Latn": "Nyumba nyekundu"},
            {"id": "u", "eng_Latn": "A blue house", "spa_Latn": "Una casa azul",
             "swh_Latn": "A blue house"}]
    for name, rows in (("train", train), ("test", test)):
        put(tmp_path / name / "rows.jsonl", rows)
    return tmp_path


def test_whole_stage(workspace):
    stage.main(["train", "test", "out"])
    rows = list(jsonl.read("out/train.jsonl"))
    assert [(row["id"], row["tgt_lang"], row["tgt"]) for row in rows] == [
        ("toy:a", "spa_Latn", "El perro"), ("toy:c", "spa_Latn", "El gato"),
        ("toy:a", "swh_Latn", "Mbwa huyo")]
    tests = list(jsonl.read("out/test.jsonl"))
    # "A blue house" is untranslated in Swahili, so it may not be tested in Spanish either.
    assert [(row["id"], row["tgt_lang"]) for row in tests] == [
        ("toy:t", "spa_Latn"), ("toy:t", "swh_Latn")]
    assert len({row["split"] for row in tests}) == 1
    assert tests[0]["cluster"] == "toy.rows"
    stats = json.loads((workspace / "out/stats.json").read_text())
    training = {"seen": 6, "kept": 3, "dropped": {"repeated": 2, "missing_side": 1}}
    assert stats["train"] == training == {key: stats[key] for key in training}
    assert stats["by_lang"]["swh_Latn"] == {
        "seen": 3, "kept": 1, "dropped": {"repeated": 1, "missing_side": 1}}
    assert stats["test"] == {
        "seen": 4, "kept": 2, "dropped": {"untranslated": 1, "not_in_all_languages": 1},
        "by_lang": {"spa_Latn": {"seen": 2, "kept": 1, "dropped": {"not_in_all_languages": 1}},
                    "swh_Latn": {"seen": 2, "kept": 1, "dropped": {"untranslated": 1}}}}
    assert stats["quarantined"] == 1
    assert [row["reason"] for row in jsonl.read("out/dropped_sample.jsonl")] == [
        "repeated", "repeated", "missing_side", "untranslated", "not_in_all_languages"]
    assert list(jsonl.read("out/quarantine.jsonl")) == [
        {"place": "rows.jsonl: id 'c'", "reason": "wrong_columns"}]


def test_twice_the_same_bytes(workspace):
    for out in ("one", "two"):
        stage.main(["train", "test", out])
    for name in ("train.jsonl", "test.jsonl", "stats.json", "dropped_sample.jsonl"):
        assert (workspace / "one" / name).read_bytes() == (workspace / "two" / name).read_bytes()


def test_nothing_kept_is_an_error_that_names_the_reasons(workspace):
    put("train/rows.jsonl", [
        {"id": "a", "eng_Latn": "One", "spa_Latn": "Uno", "swh_Latn": "Moja"}])
    with pytest.raises(UserError, match=r"train: no row passed .*'length': 2"):
        stage.main(["train", "test", "out"])


def test_repeated_ids_and_missing_sides_are_counted_and_the_first_stays(workspace):
    put("train/rows.jsonl", [
        {"id": "a", "eng_Latn": "The dog", "spa_Latn": "El perro", "swh_Latn": "Mbwa huyo"},
        {"id": "a", "eng_Latn": "The bird", "spa_Latn": "El pájaro", "swh_Latn": "Ndege huyo"},
        {"id": "b", "spa_Latn": "El gato", "swh_Latn": "Paka huyo"},
        {"id": "c", "eng_Latn": "The fish", "spa_Latn": "", "swh_Latn": "Samaki huyo"}])
    stage.main(["train", "test", "out"])
    assert [(row["id"], row["tgt"]) for row in jsonl.read("out/train.jsonl")] == [
        ("toy:a", "El perro"), ("toy:a", "Mbwa huyo"), ("toy:c", "Samaki huyo")]
    stats = json.loads((workspace / "out/stats.json").read_text())
    assert stats["by_lang"] == {
        "spa_Latn": {"seen": 4, "kept": 1,
                     "dropped": {"repeated_id": 1, "missing_side": 1, "empty": 1}},
        "swh_Latn": {"seen": 4, "kept": 2, "dropped": {"repeated_id": 1, "missing_side": 1}}}
    sample = [(row["reason"], row["src"]) for row in jsonl.read("out/dropped_sample.jsonl")]
    assert ("repeated_id", "The bird") in sample
    assert ("missing_side", "") in sample


OFFICIAL = [{"id": "1", "eng_Latn": "One", "spa_Latn": "One", "swh_Latn": "  {x} <b>Moja</b>\n"},
            {"id": "2", "eng_Latn": "ONE", "spa_Latn": "cafe\u0301 &amp; té", "swh_Latn": ""}]


def test_official_test_text_passes_as_it_is(workspace):
    settings(workspace, clean=False)
    put("test/rows.jsonl", OFFICIAL)
    stage.main(["train", "test", "out"])
    rows = list(jsonl.read("out/test.jsonl"))
    for lang in ("spa_Latn", "swh_Latn"):
        assert [(row["src"], row["tgt"]) for row in rows if row["tgt_lang"] == lang] == [
            (row["eng_Latn"], row[lang]) for row in OFFICIAL]
    assert all(row["split"] in ("dev", "devtest") for row in rows)
    stats = json.loads((workspace / "out/stats.json").read_text())["test"]
    assert (stats["seen"], stats["kept"], stats["dropped"]) == (4, 4, {})


@pytest.mark.parametrize(("extra", "defect"), [
    (OFFICIAL[0], "repeated_id"), ({"id": "3", "eng_Latn": "x", "spa_Latn": "y"}, "missing_side")])
def test_incomplete_official_text_is_refused(workspace, extra, defect):
    settings(workspace, clean=False)
    put("test/rows.jsonl", [*OFFICIAL, extra])
    with pytest.raises(UserError, match=rf"toy:\d in \w+: {defect}\. Official"):
        stage.main(["train", "test", "out"])


def test_a_message_of_two_documents_is_one_and_counts_to_the_last(workspace):
    row = {"id": "t", "eng_Latn": "A red house", "spa_Latn": "Una casa roja",
           "swh_Latn": "Nyumba nyekundu"}
    put("test/second.jsonl", [row])
    stage.main(["train", "test", "out"])
    assert {(row["id"], row["cluster"]) for row in jsonl.read("out/test.jsonl")} == {
        ("toy:t", "toy.second")}
