"""Cleaning, rules, splits, a suite's test text, and the counts that must add up."""

import hashlib
import json

import pytest

from stages import format as stage
from stages.common import jsonl
from stages.common.errors import UserError
from stages.corpus import parallel

from . import stage_fixture

RULES = {"min_words": 2, "max_words": 9, "max_ratio": 3.0, "min_letters": 0.6}
SOURCE = {"reader": "parallel_jsonl", "origin": "toy"}


def settings(folder, official=None, **test):
    stage_fixture.params(folder, 3, recipe={
        "dedup": {"ngram": 4, "test_jaccard": 0.5},
        "suites": {"s": {"format": {"languages": {}, "test": official}}}}, format={
            "languages": {"spa_Latn": {"resource": "high"}, "swh_Latn": {"resource": "low"}},
            "sources": {"train": SOURCE, "test": SOURCE},
            "train": RULES, "test": {"clean": True, **RULES, "dev_share": 0.5, **test}})


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
    stage.main(["corpus", "train", "test", "out"])
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
    assert stats["splits"] == {"groups": 0, "grouped": 0, "moved": 0}
    assert stats["quarantined"] == 1
    assert [row["reason"] for row in jsonl.read("out/dropped_sample.jsonl")] == [
        "repeated", "repeated", "missing_side", "untranslated", "not_in_all_languages"]
    assert list(jsonl.read("out/quarantine.jsonl")) == [
        {"place": "rows.jsonl: id 'c'", "reason": "wrong_columns"}]


def test_twice_the_same_bytes(workspace):
    for out in ("one", "two"):
        stage.main(["corpus", "train", "test", out])
    for name in ("train.jsonl", "test.jsonl", "stats.json", "dropped_sample.jsonl"):
        assert (workspace / "one" / name).read_bytes() == (workspace / "two" / name).read_bytes()


def test_nothing_kept_is_an_error_that_names_the_reasons(workspace):
    put("train/rows.jsonl", [
        {"id": "a", "eng_Latn": "One", "spa_Latn": "Uno", "swh_Latn": "Moja"}])
    with pytest.raises(UserError, match=r"train: no row passed .*'length': 2"):
        stage.main(["corpus", "train", "test", "out"])


def test_repeated_ids_and_missing_sides_are_counted_and_the_first_stays(workspace):
    put("train/rows.jsonl", [
        {"id": "a", "eng_Latn": "The dog", "spa_Latn": "El perro", "swh_Latn": "Mbwa huyo"},
        {"id": "a", "eng_Latn": "The bird", "spa_Latn": "El pájaro", "swh_Latn": "Ndege huyo"},
        {"id": "b", "spa_Latn": "El gato", "swh_Latn": "Paka huyo"},
        {"id": "c", "eng_Latn": "The fish", "spa_Latn": "", "swh_Latn": "Samaki huyo"}])
    stage.main(["corpus", "train", "test", "out"])
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
    stage.main(["corpus", "train", "test", "out"])
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
        stage.main(["corpus", "train", "test", "out"])


def test_a_message_of_two_documents_is_one_and_counts_to_the_last(workspace):
    row = {"id": "t", "eng_Latn": "A red house", "spa_Latn": "Una casa roja",
           "swh_Latn": "Nyumba nyekundu"}
    put("test/second.jsonl", [row])
    stage.main(["corpus", "train", "test", "out"])
    assert {(row["id"], row["cluster"]) for row in jsonl.read("out/test.jsonl")} == {
        ("toy:t", "toy.second")}


def test_near_duplicates_in_any_language_stand_on_one_side(workspace):
    near = [("a", "Please save the file now", "Guarde usted el archivo", "Hifadhi faili sasa"),
            ("b", "Please save the file later", "Es una cosa muy distinta", "Kitu kingine kabisa"),
            ("c", "A message of its own", "Es una cosa muy dulce", "Ujumbe wa peke yake"),
            ("d", "Nothing like the others", "Nada parecido", "Ujumbe wa peke yake tu")]
    lone = [(f"n{n}", f"word{n * n} item{n * 7} x{n}{n}", f"palabra{n * n} cosa{n} y{n * 3}",
             f"neno{n * n} kitu{n * 5} z{n}") for n in range(40)]
    put("test/rows.jsonl", [dict(zip(("id", "eng_Latn", "spa_Latn", "swh_Latn"), row, strict=True))
                            for row in near + lone])
    settings(workspace, min_letters=0.0)
    stage.main(["corpus", "train", "test", "out"])
    rows = list(jsonl.read("out/test.jsonl"))
    split = {row["id"].removeprefix("toy:"): row["split"] for row in rows}
    # a-b through English, b-c through Spanish, c-d through Swahili.
    assert len({split[name] for name in "abcd"}) == 1
    assert set(split.values()) == {"dev", "devtest"}
    own = {row["id"].removeprefix("toy:"): parallel.side(row["src"], 0.5) for row in rows}
    assert len({own[name] for name in "abcd"}) == 2  # else nothing had to be moved
    assert {name for name in own if own[name] != split[name]} <= set("abcd")
    moves = json.loads((workspace / "out/stats.json").read_text())["splits"]
    assert (moves["groups"], moves["grouped"]) == (1, 4)
    assert moves["moved"] == sum(own[name] != split[name] for name in "abcd") > 0


# Hostile to every rule of cleaning: markup, quotes, spaces, a repetition, an untranslated line.
TEXTS = ["One", "ONE", "Two words of news", "caf\u00e9 cafe\u0301", "A fifth line", "Six"] * 2
LINES = [{"id": f"{n:02}", "eng_Latn": f"  <b>{text}</b> {{x}} ", "swh_Latn": text,
          "spa_Latn": f"\u201c{text}\u201d"} for n, text in enumerate(TEXTS)]


@pytest.fixture
def official(workspace):
    """A tiny official set of three documents of four lines, a corpus, and training pairs."""
    for number in range(3):
        put(f"news/document{number}.jsonl", LINES[4 * number:4 * number + 4])
    settings(workspace, {**SOURCE, "origin": "news", "lines": 12, "documents": 2})
    stage.main(["corpus", "train", "test", "corpus"])
    put("pairs.jsonl", [{"src": "Two words of news, x", "tgt": "Otra cosa", "src_lang": "eng_Latn",
                         "tgt_lang": "spa_Latn"}])
    return workspace


ARGUMENTS = ["suite", "corpus/test.jsonl", ".", "news", "out"]


def test_an_official_set_passes_unchanged_in_whole_documents(official):
    stage.main(ARGUMENTS)
    rows = list(jsonl.read("out/test.jsonl"))
    drawn = {row["cluster"] for row in rows}
    kept = [row for n in range(3) if f"news.document{n}" in drawn
            for row in LINES[4 * n:4 * n + 4]]
    assert len(kept) == 8
    assert drawn == {f"news.{name}" for name in sorted(
        (f"document{n}" for n in range(3)),
        key=lambda name: hashlib.sha256(name.encode()).digest())[:2]}
    for language in ("spa_Latn", "swh_Latn"):
        assert [(row["id"], row["src"], row["tgt"]) for row in rows
                if row["tgt_lang"] == language] == [
            (f"news:{row['id']}", row["eng_Latn"], row[language]) for row in kept]
    stats = json.loads((official / "out/stats.json").read_text())
    assert (stats["seen"], stats["kept"], stats["dropped"], stats["documents"]) == (
        24, 16, {"document_not_drawn": 8}, 2)
    for documents, count in ((None, 24), (3, 24)):  # the draw does not depend on the number
        settings(official, {**SOURCE, "origin": "news", "lines": 12, "documents": documents})
        stage.main(ARGUMENTS)
        assert sum(1 for _ in jsonl.read("out/test.jsonl")) == count


def test_a_line_seen_in_training_is_flagged_and_stays(official):
    settings(official, {**SOURCE, "origin": "news", "lines": 12, "documents": None})
    stage.main(ARGUMENTS)
    rows = list(jsonl.read("out/test.jsonl"))
    assert {row["src"].strip() for row in rows if row["seen_in_training"]} == {
        "<b>Two words of news</b> {x}"}
    assert sum(row["seen_in_training"] for row in rows) == 4  # two lines in two languages
    stats = json.loads((official / "out/stats.json").read_text())
    assert stats["seen_in_training"] == {"spa_Latn, eng_Latn side": 2, "swh_Latn, eng_Latn side": 2}


def test_a_line_is_known_by_either_language(official):
    """By its translation alone, and by its English where that was the target."""
    settings(official, {**SOURCE, "origin": "news", "lines": 12, "documents": None})
    put("pairs.jsonl", [
        {"src": "Nothing of news", "tgt": "A fifth line!", "src_lang": "eng_Latn",
         "tgt_lang": "spa_Latn"},
        {"src": "Kitu kingine", "tgt": "b caf\u00e9 cafe\u0301 b x", "src_lang": "swh_Latn",
         "tgt_lang": "eng_Latn"}])
    stage.main(ARGUMENTS)
    stats = json.loads((official / "out/stats.json").read_text())
    assert stats["seen_in_training"] == {"spa_Latn, eng_Latn side": 2, "spa_Latn, spa_Latn side": 2,
                                         "swh_Latn, eng_Latn side": 2}
    assert (stats["kept"], stats["dropped"]) == (24, {})


@pytest.mark.parametrize(("about", "message"), [
    ({"lines": 13}, r"news: 12 lines in spa_Latn, not 13\. Fetch"),
    ({"documents": 4}, r"news: 3 documents are fewer than 4\. Correct")])
def test_an_official_set_that_is_not_as_described_is_refused(official, about, message):
    settings(official, {**SOURCE, "origin": "news", "lines": 12, "documents": 2, **about})
    with pytest.raises(UserError, match=message):
        stage.main(ARGUMENTS)


def test_an_official_set_that_lacks_a_line_in_one_language_is_refused(official):
    put("news/document0.jsonl", [*LINES[:3], {**LINES[3], "swh_Latn": None}])
    with pytest.raises(UserError, match=r"news:03 in swh_Latn: missing_side\. Official"):
        stage.main(ARGUMENTS)


def test_a_suite_without_a_set_of_its_own_takes_the_devtest_rows(official):
    settings(official, None, dev_share=0.0)
    stage.main(["corpus", "train", "test", "corpus"])
    stage.main([*ARGUMENTS[:3], "nothing", "out"])
    expected = [{**row, "seen_in_training": False} for row in jsonl.read("corpus/test.jsonl")
                if row["split"] == "devtest"]
    assert len(expected) == 2
    assert list(jsonl.read("out/test.jsonl")) == expected
    rows = list(jsonl.read("corpus/test.jsonl"))
    put("corpus/test.jsonl", [{**row, "split": "dev"} for row in rows])
    with pytest.raises(UserError, match=r"test.jsonl: no row passed .*'dev': 2"):
        stage.main([*ARGUMENTS[:3], "nothing", "out"])
