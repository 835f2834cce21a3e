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


def test_unknown_reader_and_language(tmp_path):
    with pytest.raises(UserError, match="reader 'tsv' is not one of chromium_pak"):
        read("tsv", tmp_path)
    with pytest.raises(UserError, match=r"language 'tlh_Latn' is not in stages/common/languages"):
        read("chromium_pak", tmp_path, "tlh_Latn")
