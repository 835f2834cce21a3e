"""Readers on hostile and honest bytes: in = yielded + quarantined, always."""

import html
import json
import re
import struct
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.common.errors import UserError
from stages.corpus import readers
from stages.corpus.cleaning import TAG, clean
from stages.corpus.readers import chromium_pak


def pak(texts: dict[int, bytes]) -> bytes:
    """A data pack of version 5, as Chromium writes it."""
    table, body, offset = b"", b"", 12 + 6 * (len(texts) + 1)
    for key, data in texts.items():
        table += struct.pack("<HI", key, offset)
        body, offset = body + data, offset + len(data)
    head = struct.pack("<IB3xHH", 5, 1, len(texts), 0)
    return head + table + struct.pack("<HI", 0, offset) + body


def read(reader, folder, language="swh_Latn"):
    bad = []
    rows = list(readers.read(reader, folder, language, lambda place, why: bad.append((place, why))))
    return rows, bad


def test_pak(tmp_path):
    (tmp_path / "sw.pak").write_bytes(pak({7: b"Habari", 9: b"bad \xff", 12: "ñandú".encode()}))
    assert read("chromium_pak", tmp_path) == (
        [("7", "chromium", "Habari"), ("12", "chromium", "ñandú")],
        [("sw.pak: resource 9", "invalid_utf8")])


# What Chromium's strings were cleaned to while cleaning still removed the menu keys of all text.
@pytest.mark.parametrize(("raw", "expected"), [
    ("Copy &amp;image or p&amp;icha at AT&amp;T", "Copy image or picha at AT&T"),
    ("Copy &image or p&icha at AT&T", "Copy image or picha at AT&T"),
    ("Fish &amp; chips &lt;3", "Fish & chips <3"),
    ("&lt;b&gt; is <b>bold</b>, &amp;lt; is &amp;amp;lt;", "<b> is bold , lt; is amp;lt;"),
    ("A<b>&amp;T</b> &amp;<i>x</i> &amp;&eacute;t&eacute; &copy", "A T & x été ©"),
    ("&#65;&amp;b \"&amp;c\" &amp;1", "A&b \"c\" 1"),
    ("Ama na p&amp;icha", "Ama na picha"),
])
def test_pak_resolves_menu_keys_and_leaves_markup_to_cleaning(tmp_path, raw, expected):
    (tmp_path / "sw.pak").write_bytes(pak({7: raw.encode()}))
    [(_, _, text)], _ = read("chromium_pak", tmp_path)
    assert clean(text) == expected
    accelerator = re.compile(r"(?<![A-Z])&(?=\w)")
    before = accelerator.sub("", html.unescape(TAG.sub(" ", raw)))
    assert expected == " ".join(unicodedata.normalize("NFC", before).split())


@given(st.text("&<>/;bTltamp# \u00e9", max_size=30))
def test_any_chromium_string_is_cleaned_as_before(raw):
    before = chromium_pak.ACCELERATOR.sub("", html.unescape(TAG.sub(" ", raw)))
    assert clean(chromium_pak.without_accelerators(raw)) == " ".join(
        unicodedata.normalize("NFC", before).split())


def test_other_sources_keep_every_ampersand(tmp_path):
    kolibri(tmp_path, b'{"a": "rock&roll na p&amp;icha"}')
    [(_, _, text)], _ = read("kolibri_json", tmp_path)
    assert clean(text) == "rock&roll na p&icha"


@pytest.mark.parametrize("data", [b"", b"\x05", b"\0" * 40, pak({1: b"x"})[:20],
                                  struct.pack("<IB3xHH", 5, 1, 60000, 0)])
def test_unusable_pak_names_the_file(tmp_path, data):
    (tmp_path / "sw.pak").write_bytes(data)
    with pytest.raises(UserError, match=r"sw\.pak"):
        read("chromium_pak", tmp_path)


def test_pak_entry_outside_the_file_is_quarantined(tmp_path):
    (tmp_path / "sw.pak").write_bytes(pak({1: b"whole", 2: b"cut short"})[:-4])
    rows, bad = read("chromium_pak", tmp_path)
    assert rows == [("1", "chromium", "whole")]
    assert bad == [("sw.pak: resource 2", "offset_outside_file")]


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_give_rows_or_a_clear_refusal(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("pak")
    (folder / "sw.pak").write_bytes(data)
    try:
        rows, bad = read("chromium_pak", folder)
    except UserError:
        return
    assert len(rows) + len(bad) == struct.unpack_from("<H", data, 8)[0]


def kolibri(tmp_path, content, locale="sw_TZ"):
    folder = tmp_path / locale / "LC_MESSAGES"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "learn.app-messages.json").write_bytes(content)


def test_kolibri(tmp_path):
    kolibri(tmp_path, json.dumps({"B.b": "Mbili", "A.a": {"message": "Moja"}, "C": 3,
                                  "D": None}).encode())
    assert read("kolibri_json", tmp_path) == (
        [("A.a", "learn.app", "Moja"), ("B.b", "learn.app", "Mbili")],
        [("sw_TZ/learn.app-messages.json: C", "not_a_text"),
         ("sw_TZ/learn.app-messages.json: D", "not_a_text")])


@pytest.mark.parametrize("content", [b"", b'{"a": "\xff"}', b"[1]", b"[" * 50_000, b'{"a":'])
def test_unusable_kolibri_file_is_named(tmp_path, content):
    kolibri(tmp_path, content)
    with pytest.raises(UserError, match=r"learn\.app-messages\.json"):
        read("kolibri_json", tmp_path)


def test_kolibri_without_the_language_says_so(tmp_path):
    with pytest.raises(UserError, match="Kolibri has no messages for tur_Latn"):
        read("kolibri_json", tmp_path, "tur_Latn")


def test_parallel_jsonl_quarantines_what_it_cannot_read(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(
        b'{"id": "1", "swh_Latn": "Moja"}\n{"id": "2", "eng_Latn": "two"}\n\xff\n'
        b'{"id": 3, "swh_Latn": "Tatu"}\n{"id": "4", "swh_Latn": NaN}\n'
        b'{"id": "5", "swh_Latn": "' + b"x" * (5 << 20) + b'"}\n{"id": "6", "swh_Latn": "Sita"}\n')
    assert read("parallel_jsonl", tmp_path) == (
        [("1", "a", "Moja"), ("6", "a", "Sita")],
        [("a.jsonl: id '2'", "wrong_columns"), ("a.jsonl:3", "invalid_utf8"),
         ("a.jsonl: id 3", "wrong_columns"), ("a.jsonl:5", "not_a_number"),
         ("a.jsonl:6", "line_too_long")])


def test_chromium_without_the_language_says_so(tmp_path):
    with pytest.raises(UserError, match="Chromium has no strings in hau_Latn"):
        read("chromium_pak", tmp_path, "hau_Latn")


def ntrex(root, english, documents, **others):
    """A small NTREX-128: lines end with CRLF, document ids with LF, as in the original."""
    (root / "NTREX-128").mkdir()
    for code, texts in {"src.eng": english, **{f"ref.{k}": v for k, v in others.items()}}.items():
        (root / f"NTREX-128/newstest2019-{code}.txt").write_bytes(
            "".join(text + "\r\n" for text in texts).encode())
    (root / "DOCUMENT_IDS.tsv").write_text("".join(name + "\n" for name in documents))


# What cleaning would change, and what a careless reader takes for a line end.
OFFICIAL = ["  “Quoted”  text ", "cafe\u0301 &amp; <b>té</b>", "a\u2028b\x0cc\x85d\re", "",
            "\ufeffBOM\t.", "ẹ̀ ọ́ ṣ", "\u200fx\u200d", "{x}", "same", "same", "last"]


def test_ntrex_passes_every_line_unchanged(tmp_path):
    documents = ["bbc.1"] * 6 + ["cnn.2"] * 5
    ntrex(tmp_path, [f"line {n}" for n in range(11)], documents, swa=OFFICIAL)
    rows, bad = read("ntrex", tmp_path)
    assert bad == []
    assert [text for _, _, text in rows] == OFFICIAL
    assert "".join(text + "\r\n" for _, _, text in rows).encode() == (
        tmp_path / "NTREX-128/newstest2019-ref.swa.txt").read_bytes()
    assert [document for _, document, _ in rows] == documents
    keys = [key for key, _, _ in rows]
    assert keys == sorted(keys) == [f"{n:02}" for n in range(1, 12)]
    assert [key for key, _, _ in read("ntrex", tmp_path, "eng_Latn")[0]] == keys


def test_ntrex_english_is_the_source_not_a_rewrite(tmp_path):
    ntrex(tmp_path, ["The source."], ["d"], **{"eng": ["A rewrite."], "eng-US": ["A rewrite."]})
    assert read("ntrex", tmp_path, "eng_Latn")[0] == [("1", "d", "The source.")]


@pytest.mark.parametrize("count", [1, 3])
def test_ntrex_counts_lines_against_documents(tmp_path, count):
    ntrex(tmp_path, ["x"] * 2, ["d"] * 2, swa=["x"] * count)
    with pytest.raises(UserError, match=rf"ref\.swa\.txt has {count} lines, \w+.tsv has 2"):
        read("ntrex", tmp_path)


def test_ntrex_names_what_is_missing(tmp_path):
    ntrex(tmp_path, ["x"], ["d"])
    with pytest.raises(UserError, match=r"newstest2019-ref\.swa\.txt is not there"):
        read("ntrex", tmp_path)
    with pytest.raises(UserError, match="NTREX-128 has no hat_Latn"):
        read("ntrex", tmp_path, "hat_Latn")


HOSTILE = (b"Moja\r\n\xff\nNd\x00oto\n" + b"x" * (5 << 20) + b"\n" + b"y" * (1 << 20) + b"\n"
           + "\u202eTano ".encode() + b"\n\nsaba")
HOSTILE_TEXTS = [(1, "Moja"), (5, "y" * (1 << 20)), (6, "\u202eTano "), (7, ""), (8, "saba")]
HOSTILE_BAD = [(2, "invalid_utf8"), (3, "nul_character"), (4, "line_too_long")]


@pytest.mark.parametrize("suffix", ["swh_Latn", "sw", "swa"])
def test_lines_streams_and_quarantines(tmp_path, suffix):
    (tmp_path / f"OPUS.en-sw.{suffix}").write_bytes(HOSTILE)
    (tmp_path / "OPUS.en-sw.en").write_bytes(b"One\n")
    (tmp_path / "README").write_bytes(b"\xff")
    assert read("lines", tmp_path) == (
        [(f"OPUS.en-sw:{n:09}", "OPUS.en-sw", text) for n, text in HOSTILE_TEXTS],
        [(f"OPUS.en-sw.{suffix}:{n}", reason) for n, reason in HOSTILE_BAD])
    assert read("lines", tmp_path, "eng_Latn")[0] == [
        ("OPUS.en-sw:000000001", "OPUS.en-sw", "One")]
    with pytest.raises(UserError, match="no file ends in a code of spa_Latn"):
        read("lines", tmp_path, "spa_Latn")


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_lines_loses_no_line(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("lines")
    (folder / "a.sw").write_bytes(data)
    rows, bad = read("lines", folder)
    assert len(rows) + len(bad) == data.count(b"\n") + (not data.endswith(b"\n") and data != b"")


def test_mafand(tmp_path):
    for pair, code, count in (("en-swa", "swa", 2), ("en-yor", "yor", 1)):
        (tmp_path / pair).mkdir()
        with open(tmp_path / pair / "test.json", "w") as file:
            for n in range(count):
                row = {"en": f"One {n}", code: f"{code} {n}"}
                print(json.dumps({"translation": row}), file=file)
    with open(tmp_path / "en-swa/test.json", "ab") as file:
        file.write(b'\xff\n{"translation": {"en": "only"}}\n{"translation": "x"}\n'
                   b'{"translation": {"en": "Two", "swa": "mbili"}}\n')
    english, bad = read("mafand", tmp_path, "eng_Latn")
    assert english == [("en-swa/test:000001", "en-swa/test", "One 0"),
                       ("en-swa/test:000002", "en-swa/test", "One 1"),
                       ("en-swa/test:000004", "en-swa/test", "only"),
                       ("en-swa/test:000006", "en-swa/test", "Two"),
                       ("en-yor/test:000001", "en-yor/test", "One 0")]
    assert bad == [("en-swa/test:000003", "invalid_utf8"), ("en-swa/test:000005", "wrong_columns")]
    swahili, bad = read("mafand", tmp_path)
    assert [(key, text) for key, _, text in swahili] == [
        ("en-swa/test:000001", "swa 0"), ("en-swa/test:000002", "swa 1"),
        ("en-swa/test:000006", "mbili")]
    assert [place for place, _ in bad] == [f"en-swa/test:00000{n}" for n in (3, 4, 5)]
    with pytest.raises(UserError, match=r"no MAFAND file .* holds hau_Latn \(code 'hau'\)"):
        read("mafand", tmp_path, "hau_Latn")


def test_tsv_reads_documents_and_counts_columns(tmp_path):
    (tmp_path / "a.tsv").write_bytes(
        b'eng\tswa\nOne "x"\tMoja\n\t\nTwo\tMbili\nThree\nFour\tNne\tx\n\nFive\tTano\n')
    (tmp_path / "b.tsv").write_text("English\tyoruba\nOne\tọ̀kan\n")
    assert read("tsv", tmp_path) == (
        [("a:000000002", "a.00000", "Moja"), ("a:000000004", "a.00001", "Mbili"),
         ("a:000000008", "a.00002", "Tano")],
        [("a.tsv:5", "wrong_columns"), ("a.tsv:6", "wrong_columns")])
    assert [text for _, _, text in read("tsv", tmp_path, "eng_Latn")[0]] == [
        'One "x"', "Two", "Five", "One"]
    assert read("tsv", tmp_path, "yor_Latn")[0] == [("b:000000002", "b.00000", "ọ̀kan")]
    with pytest.raises(UserError, match=r"no \.tsv file whose header names spa_Latn"):
        read("tsv", tmp_path, "spa_Latn")


def test_tmx(tmp_path):
    (tmp_path / "m.tmx").write_text(
        '<?xml version="1.0"?><!DOCTYPE tmx SYSTEM "tmx14.dtd"><tmx version="1.4"><body>'
        '<tu><tuv xml:lang="en-US"><seg>One <bpt i="1">&lt;b&gt;</bpt>two</seg></tuv>'
        '<tuv xml:lang="SW"><seg>Moja</seg></tuv></tu>'
        '<tu><tuv xml:lang="en"><seg>No</seg></tuv></tu>'
        '<tu><tuv xml:lang="sw"><seg>a</seg></tuv><tuv xml:lang="sw-KE"><seg>b</seg></tuv></tu>'
        '<tu><tuv xml:lang="sw"></tuv></tu></body></tmx>')
    assert read("tmx", tmp_path) == (
        [("m:000000001", "m", "Moja")],
        [("m:000000003", "wrong_columns"), ("m:000000004", "wrong_columns")])
    assert [text for _, _, text in read("tmx", tmp_path, "eng_Latn")[0]] == ["One <b>two", "No"]
    (tmp_path / "m.tmx").write_text("<tmx><body>")
    with pytest.raises(UserError, match=r"m\.tmx: not readable as XML"):
        read("tmx", tmp_path)


def test_unknown_reader_and_language(tmp_path):
    with pytest.raises(UserError, match="reader 'csv' is not one of chromium_pak"):
        read("csv", tmp_path)
    with pytest.raises(UserError, match=r"language 'tlh_Latn' is not in stages/common/languages"):
        read("chromium_pak", tmp_path, "tlh_Latn")
