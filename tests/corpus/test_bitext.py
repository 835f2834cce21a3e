"""Mined pairs: readers of large files, fair samples, hostile rows, and a language's shard."""

import gzip
import hashlib
import json
import random
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stages.common import jsonl, shards
from stages.common.errors import UserError
from stages.common.funnel import SAMPLE, Funnel
from stages.corpus import bitext
from stages.corpus.readers import bitext as readers

# Lines that a mined file may hold: what they are, and which are no text or no row of nine columns.
GOOD = ["plain", "", " ", "a\u2028b", "a\x0cb", "a\x85b", "\ufeffmark", "e\u0301", "\u202eright",
        "\u200bzero width", "က္ခ", "का", "ẹ̀kọ́", "ƙwarai", "њ", "nj", "😀", "x" * 70_000, '"quoted"',
        "back\\slash", "a\rb"]
BAD = {b"\xff\xfe": "invalid_utf8", b"nul \x00 here": "nul_character",
       b"y" * (2 << 20): "line_too_long"}
assert len(GOOD) + len(BAD) == 24


def nllb(folder, lines, name="eng_Latn-yor_Latn.gz"):
    """Lines (bytes) become the English sentences of the release's nine columns."""
    tail = b"\tIwe\t1.07\t0.9\t0.8\t_\t_\tcrawl\thttp://x\n"
    (folder / name).write_bytes(gzip.compress(b"".join(line + tail for line in lines)))
    return "nllb"


def ccmatrix(folder, lines, name="en-yo.bitextf.tsv.gz"):
    (folder / name).write_bytes(gzip.compress(
        b"".join(b"1.07\t" + line + b"\tIwe\n" for line in lines)))
    return "ccmatrix"


def moses(folder, lines, name="en-yo.txt.zip"):
    with zipfile.ZipFile(folder / name, "w") as archive:
        archive.writestr("NLLB.en-yo.en", b"".join(line + b"\n" for line in lines))
        archive.writestr("NLLB.en-yo.yo", b"Iwe\n" * len(lines))
        archive.writestr("LICENSE", b"text")
    return "moses"


def opus100(folder, lines, name="train-00000-of-00001.parquet"):
    (folder / "en-yo").mkdir(exist_ok=True)
    texts = [None if line.startswith(b"\xff") else line.decode() for line in lines]
    rows = [{"en": text, "yo": "Iwe"} for text in texts]
    pq.write_table(pa.table({"translation": rows}), folder / "en-yo" / name)
    return "opus100"


def read(reader, folder, language="yor_Latn"):
    lost = []
    found = list(readers.read(reader, folder, language, lambda *what: lost.append(what)))
    return found, lost


@pytest.mark.parametrize("write", [nllb, ccmatrix, moses])
def test_every_kind_of_line_is_kept_as_it_is_or_quarantined_with_its_reason(tmp_path, write):
    lines = [text.encode() for text in GOOD] + list(BAD)
    random.Random(1).shuffle(lines)
    found, lost = read(write(tmp_path, lines), tmp_path)
    assert [english for _, english, _, _ in found] == [
        line.decode() for line in lines if line not in BAD]
    assert [reason for _, reason in lost] == [BAD[line] for line in lines if line in BAD]
    assert {int(key) for key, *_ in found} == {
        number for number, line in enumerate(lines, 1) if line not in BAD}


def test_parquet_rows_are_kept_as_they_are_or_quarantined(tmp_path):
    found, lost = read(opus100(tmp_path, [*(text.encode() for text in GOOD), b"\xff", b"a\0b"]),
                       tmp_path)
    assert [english for _, english, _, _ in found] == GOOD
    assert [reason for _, reason in lost] == ["wrong_columns", "nul_character"]


@pytest.mark.parametrize(("name", "first"), [("eng_Latn-yor_Latn.gz", True),
                                             ("yor_Latn-eng_Latn.gz", False)])
def test_the_name_of_a_file_says_which_side_is_english(tmp_path, name, first):
    nllb(tmp_path, [b"Book"], name)
    [(key, english, other, scores)], _ = read("nllb", tmp_path)
    assert (english, other) == (("Book", "Iwe") if first else ("Iwe", "Book"))
    assert (key, scores) == ("000000001", {"laser": 1.07, "lid": 0.8})


def test_codes_of_ccmatrix_stand_in_their_order(tmp_path):
    (tmp_path / "de-en.bitextf.tsv.gz").write_bytes(gzip.compress(b"1.1\tBuch\tBook\n"))
    assert read("ccmatrix", tmp_path, "deu_Latn")[0] == [
        ("000000001", "Book", "Buch", {"laser": 1.1})]


def test_broken_columns_and_scores_are_quarantined(tmp_path):
    rest = b"\t_\t_\t_"
    (tmp_path / "eng_Latn-yor_Latn.gz").write_bytes(gzip.compress(b"\n".join([
        b"a\tb\t1\t1\t1" + rest, b"a\tb\tnan\t1\t1\t_" + rest, b"a\tb\t1\tx\t1\t_" + rest])))
    assert [reason for _, reason in read("nllb", tmp_path)[1]] == [
        "wrong_columns", "not_a_score", "not_a_score"]


@pytest.mark.parametrize("write", [nllb, ccmatrix, moses, opus100])
def test_a_language_that_a_source_lacks_gives_nothing(tmp_path, write):
    assert read(write(tmp_path, [b"Book"]), tmp_path, "isl_Latn") == ([], [])


@pytest.mark.parametrize("write", [nllb, ccmatrix, moses, opus100])
@pytest.mark.parametrize("cut", [3, 30])
def test_a_damaged_file_is_refused_by_name(tmp_path, write, cut):
    reader = write(tmp_path, [hashlib.sha256(bytes([n])).hexdigest().encode() for n in range(99)])
    [file] = [path for path in tmp_path.rglob("*") if path.is_file()]
    file.write_bytes(file.read_bytes()[:-cut])
    with pytest.raises(UserError, match=file.name):
        read(reader, tmp_path)


def test_sides_of_unequal_length_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "en-yo.txt.zip", "w") as archive:
        archive.writestr("NLLB.en-yo.en", b"One\nTwo\n\xff\n")
        archive.writestr("NLLB.en-yo.yo", b"Kan\n")
    with pytest.raises(UserError, match="one side has only 1 lines"):
        read("moses", tmp_path)


def test_an_unknown_reader_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"'opus' is not one of ccmatrix, moses, .*tsv"):
        read("opus", tmp_path)


LINES = st.lists(st.binary(max_size=40).map(lambda line: line.replace(b"\n", b"")),
                 min_size=1, max_size=8)
FOLDER = [HealthCheck.function_scoped_fixture]


def check(tmp_path, write, lines):
    found, lost = read(write(tmp_path, lines), tmp_path)
    assert len(found) + len(lost) == len(lines)


@pytest.mark.parametrize("write", [nllb, ccmatrix, moses])
@settings(max_examples=100, deadline=None, suppress_health_check=FOLDER)
@given(lines=LINES)
def test_no_line_is_lost_whatever_its_bytes(tmp_path, write, lines):
    check(tmp_path, write, lines)


@pytest.mark.long
@pytest.mark.parametrize("write", [nllb, ccmatrix, moses])
@settings(max_examples=1400, deadline=None, suppress_health_check=FOLDER)
@given(lines=LINES)
def test_no_line_of_thousands_is_lost(tmp_path, write, lines):
    check(tmp_path, write, lines)


def test_a_local_folder_of_messages_is_paired_by_key(tmp_path):
    (tmp_path / "news.tsv").write_text("English\tyo\nBook\tIwe\nTwo\n", encoding="utf-8")
    jsonl.write_text(tmp_path / "x.jsonl", '{"id": "a", "yor_Latn": "Iwe"}\n'
                     '{"id": "b", "yor_Latn": "Iwe", "eng_Latn": "Book"}\n')
    found, lost = read("tsv", tmp_path)
    assert found == [("news:000000002", "Book", "Iwe", {})]
    assert {reason for _, reason in lost} == {"wrong_columns"}
    found, lost = read("parallel_jsonl", tmp_path)
    assert found == [("b", "Book", "Iwe", {})]
    assert ("a", "missing_side") in lost


def rows(count, origin="o"):
    return [{"id": f"{origin}:{n}", "origin": origin, "tgt_lang": "yor_Latn"}
            for n in range(count)]


def test_a_cap_draws_fairly_and_the_same_whatever_the_order():
    found = rows(3000) + rows(50, "small")
    funnel = Funnel()
    chosen = list(bitext.drawn(iter(found), 300, funnel))
    places = [int(row["id"].split(":")[1]) for row in chosen if row["origin"] == "o"]
    assert len(places) == 300 and places == sorted(places)
    assert len(chosen) == 350  # the small origin whole
    assert 1350 < sum(places) / 300 < 1650  # 5 sd of the mean of a fair draw; the head has 150
    assert funnel.dropped["yor_Latn"]["over_cap"] == 2700
    again = bitext.drawn(reversed(found), 300, Funnel())
    assert {row["id"] for row in again} == {row["id"] for row in chosen}


def test_low_scores_go_and_a_source_without_scores_passes():
    funnel = Funnel()
    found = [{"id": str(n), "tgt_lang": "yor_Latn", **scores} for n, scores in enumerate(
        [{"laser": 1.05, "lid": 0.9}, {"laser": 1.06}, {"laser": 1.2, "lid": 0.1}, {}])]
    kept = bitext.scored(iter(found), {"laser": 1.06, "lid": 0.5}, funnel)
    assert [row["id"] for row in kept] == ["1", "3"]
    assert funnel.dropped["yor_Latn"] == {"low_laser": 1, "low_lid": 1}


RULES = {"languages": {"yor_Latn": {}, "isl_Latn": {}},
         "sources": {"train": {"bitext": {"nllb": "nllb", "opus100": "opus100"}, "cap": 3,
                               "least": {"laser": 1.0}}},
         "train": {"min_words": 1, "max_words": 9, "max_ratio": 9.0, "min_letters": 0.5}}


def test_a_table_of_languages_counts_every_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = tmp_path / "source"
    source.mkdir()
    nllb(source, [b"One book", b"Two books", b"one BOOK", b"Many words",
                  *[b"\xff"] * (SAMPLE + 1)])
    nllb(source, [b"One book"], "eng_Latn-isl_Latn.gz")
    opus100(source, [b"One book", b"Other text"])
    for out in ("one", "two"):
        funnel = Funnel()
        lost, count = bitext.table(source, Path(out), RULES, {"engine": "local", "threads": 1},
                                   funnel)
    assert [row["reason"] for row in lost] == ["invalid_utf8"] * SAMPLE
    assert count == SAMPLE + 1
    stats = funnel.stats()
    assert (stats["seen"], stats["kept"]) == (7, sum(
        1 for _ in shards.rows(Path("one"), "train")))
    assert stats["dropped"]["over_cap"] == 1 and stats["dropped"]["repeated"] >= 1
    made = list(jsonl.read(Path("one/train/isl_Latn.jsonl.zst")))
    assert made == [{"id": "nllb:isl_Latn:000000001", "src": "One book", "tgt": "Iwe",
                     "src_lang": "eng_Latn", "tgt_lang": "isl_Latn", "origin": "nllb",
                     "laser": 1.07, "lid": 0.8}]
    for name in ("isl_Latn.jsonl.zst", "yor_Latn.jsonl.zst", "yor_Latn.json"):
        assert (Path("one/train") / name).read_bytes() == (Path("two/train") / name).read_bytes()
    known = json.loads(Path("one/train/yor_Latn.json").read_text())
    assert known["result"]["quarantine"]["counts"] == {"invalid_utf8": SAMPLE + 1}


def test_a_language_without_a_pair_is_refused_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    nllb(tmp_path, [b"One book"])
    with pytest.raises(UserError, match="no pair of isl_Latn passed"):
        bitext.table(tmp_path, Path("out"), RULES, {"engine": "local", "threads": 1}, Funnel())
