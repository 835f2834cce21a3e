"""Near-duplicates and overlap with the test set."""

import json

import numpy as np
import pytest

from stages import dedup
from stages.common import jsonl
from stages.common.errors import UserError

from . import stage_fixture

RULES = {"method": "simhash", "ngram": 4, "distance": 3, "jaccard": 0.8, "permutations": 64,
         "test_jaccard": 0.5}


def row(number, src, tgt, lang="swh_Latn"):
    return {"id": f"t:{number}", "src": src, "tgt": tgt, "src_lang": "eng_Latn",
            "tgt_lang": lang, "origin": "t"}


ROWS = [row(0, "Open the settings page", "Fungua ukurasa wa mipangilio"),
        row(1, "Delete all of your files", "Futa faili zako zote"),
        row(2, "open the settings page!", "Fungua ukurasa wa mipangilio."),
        row(3, "Open the settings page", "Abre la página de ajustes", "spa_Latn")]


@pytest.mark.parametrize("method", ["simhash", "minhash"])
def test_the_first_of_a_language_stays_and_languages_stay_apart(method):
    overlap, first = dedup.look(ROWS, {}, RULES | {"method": method})
    assert (overlap, first.tolist()) == ([None] * 4, [0, 1, 0, 3])


@pytest.mark.parametrize("method", ["simhash", "minhash"])
def test_rows_are_joined_over_batches(method, monkeypatch):
    monkeypatch.setattr(dedup.shards, "BATCH", 1)
    assert dedup.look(ROWS, {}, RULES | {"method": method})[1].tolist() == [0, 1, 0, 3]


def test_unknown_method_is_refused():
    with pytest.raises(UserError, match="neither simhash nor minhash"):
        dedup.look(ROWS, {}, RULES | {"method": "md5"})


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """A folder with params.yaml; give it training and test rows with ``fill``."""
    monkeypatch.chdir(tmp_path)
    stage_fixture.params(tmp_path, 3, recipe={"dedup": RULES})
    return tmp_path


def fill(train, test):
    for name, rows in (("train", train), ("test", test)):
        with jsonl.writer(f"in/{name}.jsonl") as write:
            for entry in rows:
                write(entry)


def test_whole_stage_counts_every_row_and_leaves_no_test_text(workspace):
    test = [row(9, "Delete all of your files", "Safisha kifaa hiki chote"),
            row(8, "Nothing alike at all", "Abre la página de ajuste", "spa_Latn")]
    fill(ROWS, test)
    for out in ("one", "two"):
        dedup.main(["in", out])
    stats = json.loads((workspace / "one/stats.json").read_text())
    assert stats["dropped"] == {"near_duplicate": 1, "test_overlap_exact": 1,
                                "test_overlap_near": 1}
    assert (stats["seen"], stats["kept"]) == (4, 1)
    assert [entry["id"] for entry in jsonl.read("one/pairs.jsonl")] == ["t:0"]
    assert {(e["id"], e["reason"]) for e in jsonl.read("one/dropped_sample.jsonl")} == {
        ("t:1", "test_overlap_exact"), ("t:2", "near_duplicate"), ("t:3", "test_overlap_near")}
    for name in ("pairs.jsonl", "stats.json"):
        assert (workspace / "one" / name).read_bytes() == (workspace / "two" / name).read_bytes()


def test_a_near_duplicate_of_a_row_that_overlaps_goes_under_its_own_reason(workspace):
    # Real text of which one overlaps and its near-duplicate just does not is hard to come by.
    first = row(0, "Delete all of your files", "Futa faili zako zote")
    fill([first, {**first, "id": "t:1", "src": "Delete all of your file"},
          row(2, "Nothing alike here", "Hakuna kitu hapa")], [row(9, "Some text", "Maneno")])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dedup, "look", lambda *_: (["test_overlap_near", None, None],
                                                 np.array([0, 0, 2])))
        dedup.main(["in", "out"])
    stats = json.loads((workspace / "out/stats.json").read_text())
    assert stats["dropped"] == {"test_overlap_near": 1, "near_duplicate_of_test_overlap": 1}
    assert [(e["reason"], e["repeats"]) for e in jsonl.read("out/dropped_sample.jsonl")] == [
        ("test_overlap_near", None), ("near_duplicate_of_test_overlap", first["src"])]


def test_no_training_text_gives_an_empty_result_with_counts(workspace):
    fill([], [row(9, "Some text", "Maneno")])
    dedup.main(["in", "out"])
    stats = json.loads((workspace / "out/stats.json").read_text())
    assert (stats["seen"], stats["kept"], stats["dropped"], stats["recall"]) == (0, 0, {}, [])
    assert list(jsonl.read("out/pairs.jsonl")) == []


def test_no_test_text_is_refused(workspace):
    fill(ROWS, [])
    with pytest.raises(UserError, match=r"in/test\.jsonl is empty"):
        dedup.main(["in", "out"])


def test_a_language_without_test_text_has_nothing_to_overlap(workspace):
    fill(ROWS, [row(9, "Nothing alike at all", "Safisha kifaa hiki chote")])
    dedup.main(["in", "out"])
    assert "t:3" in {entry["id"] for entry in jsonl.read("out/pairs.jsonl")}
