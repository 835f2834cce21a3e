"""Near-duplicates and overlap with the test set."""

import json

import pytest

from stages import dedup
from stages.common import jsonl
from stages.common.errors import UserError

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
    assert dedup.duplicates(ROWS, RULES | {"method": method}) == {2: 0}


def test_unknown_method_is_refused():
    with pytest.raises(UserError, match="neither simhash nor minhash"):
        dedup.duplicates(ROWS, RULES | {"method": "md5"})


PARAMS = ("scale: s\nlayers: {bottom: 1, top: 1, skip: []}\n"
          "scales: {s: {model: {name: m, depth: 2}}}\n")


def test_whole_stage_counts_every_row_and_leaves_no_test_text(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(PARAMS + f"dedup: {json.dumps(RULES)}\n")
    test = [row(9, "Delete all of your files", "Safisha kifaa hiki chote"),
            row(8, "Nothing alike at all", "Abre la página de ajuste", "spa_Latn")]
    for name, rows in (("train", ROWS), ("test", test)):
        with jsonl.writer(f"in/{name}.jsonl") as write:
            for entry in rows:
                write(entry)
    for out in ("one", "two"):
        dedup.main(["in", out])
    stats = json.loads((tmp_path / "one/stats.json").read_text())
    assert stats["dropped"] == {"near_duplicate": 1, "test_overlap_exact": 1,
                                "test_overlap_near": 1}
    assert (stats["seen"], stats["kept"]) == (4, 1)
    assert [entry["id"] for entry in jsonl.read("one/pairs.jsonl")] == ["t:0"]
    assert {(e["id"], e["reason"]) for e in jsonl.read("one/dropped_sample.jsonl")} == {
        ("t:1", "test_overlap_exact"), ("t:2", "near_duplicate"), ("t:3", "test_overlap_near")}
    for name in ("pairs.jsonl", "stats.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_recall_finds_copies_and_admits_what_it_misses():
    texts = [f"Sentence {n} about {word} and {other} today" for n, (word, other) in enumerate(
        (a, b) for a in ("cats", "boats", "rivers", "stones") for b in ("trees", "lamps", "roads"))]
    table = {(r["method"], r["edit"]): r["recall"] for r in dedup.recall(texts, RULES)}
    for method in ("simhash", "minhash"):
        assert table[method, "exact copy"] == 1.0
        assert table[method, "case and punctuation"] == 1.0
    assert table["simhash", "two words replaced"] < 0.5
