"""Cleaning, rules, splits and the counts that must add up."""

import json
from collections import Counter

import pytest

from stages import format as stage
from stages.common import jsonl
from stages.common.errors import UserError


def test_split_is_a_property_of_the_english_text_and_near_its_share():
    splits = Counter(stage.split_of(f"Sentence {n}", 0.4) for n in range(2000))
    assert 740 < splits["dev"] < 860
    assert stage.split_of("Sentence 1", 0.4) == stage.split_of("Sentence 1", 0.4)


PARAMS = """
scale: s
layers: {bottom: 1, top: 1, skip: []}
format:
  train: {min_words: 2, max_words: 9, max_ratio: 3.0, min_letters: 0.6}
  test: {min_words: 2, max_words: 9, max_ratio: 3.0, min_letters: 0.6, dev_share: 0.5}
scales:
  s:
    model: {name: m, depth: 2}
    format:
      languages: {spa_Latn: {name: Spanish}, swh_Latn: {name: Swahili}}
      sources:
        train: {reader: parallel_jsonl, origin: toy}
        test: {reader: parallel_jsonl, origin: toy}
"""


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(PARAMS)
    train = [{"id": "a", "eng_Latn": "The dog", "spa_Latn": "El perro", "swh_Latn": "Mbwa huyo"},
             {"id": "b", "eng_Latn": "the DOG", "spa_Latn": "Un perro", "swh_Latn": "Mbwa yule"},
             {"id": "c", "eng_Latn": "The cat", "spa_Latn": "El gato"}]
    test = [{"id": "t", "eng_Latn": "A red house", "spa_Latn": "Una casa roja",
             "swh_Latn": "Nyumba nyekundu"},
            {"id": "u", "eng_Latn": "A blue house", "spa_Latn": "Una casa azul",
             "swh_Latn": "A blue house"}]
    for name, rows in (("train", train), ("test", test)):
        with jsonl.writer(tmp_path / name / "rows.jsonl") as write:
            for row in rows:
                write(row)
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
    assert stats["dropped"] == {"repeated": 2, "empty": 1, "untranslated": 1,
                                "not_in_all_languages": 1}
    assert (stats["seen"], stats["kept"], stats["quarantined"]) == (10, 5, 1)
    for found in stats["by_lang"].values():
        assert found["seen"] == found["kept"] + sum(found["dropped"].values())
    assert list(jsonl.read("out/quarantine.jsonl")) == [
        {"place": "rows.jsonl: id 'c'", "reason": "wrong_columns"}]


def test_twice_the_same_bytes(workspace):
    for out in ("one", "two"):
        stage.main(["train", "test", out])
    for name in ("train.jsonl", "test.jsonl", "stats.json", "dropped_sample.jsonl"):
        assert (workspace / "one" / name).read_bytes() == (workspace / "two" / name).read_bytes()


def test_nothing_kept_is_an_error_that_names_the_reasons(workspace):
    with jsonl.writer("train/rows.jsonl") as write:
        write({"id": "a", "eng_Latn": "One", "spa_Latn": "Uno", "swh_Latn": "Moja"})
    with pytest.raises(UserError, match=r"train: no row passed .*'length': 2"):
        stage.main(["train", "test", "out"])
