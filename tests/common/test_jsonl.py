"""Strict reading and atomic writing."""

import json

import pytest

from stages.common import jsonl
from stages.common.errors import BAD_DATA, UserError


@pytest.mark.parametrize(("line", "reason"), [
    (b'{"a": "\xff"}', "invalid_utf8"),
    (b'{"a": 1', "invalid_json"),
    (b"", "invalid_json"),
    (b"[1]", "not_an_object"),
    (b'{"a": 1, "a": 2}', "duplicate_key"),
    (b'{"a": NaN}', "not_a_number"),
    (b'{"a": 1e999}', "not_a_number"),
    (b'{"a": "\\u0000"}', "nul_character"),
    (b'{"a": "\\ud800"}', "lone_surrogate"),
    (b"[" * 100_000, "nested_too_deep"),
    (b'{"a": "' + b"x" * (1 << 20) + b'"}', "line_too_long"),
])
def test_each_defect_has_its_reason(line, reason, tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_bytes(b'{"ok": 1}\n' + line + b'\n{"ok": 2}\n')
    bad = []
    assert list(jsonl.read(file, bad.append)) == [{"ok": 1}, {"ok": 2}]
    assert [(error.number, error.reason) for error in bad] == [(2, reason)]
    with pytest.raises(jsonl.BadLine, match=rf"rows\.jsonl:2: {reason}"):
        list(jsonl.read(file))


def test_a_huge_line_is_skipped_whole(tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_bytes(b"x" * (5 << 20) + b'\n{"ok": 1}')
    bad = []
    assert list(jsonl.read(file, bad.append)) == [{"ok": 1}]
    assert [error.number for error in bad] == [1]


def test_what_is_written_is_read_back(tmp_path):
    rows = [{"text": "ñ “” \u202e tab\t line\n end", "n": 1.5}, {"text": "", "n": None}]
    with jsonl.writer(tmp_path / "deep/rows.jsonl") as write:
        for row in rows:
            write(row)
    assert list(jsonl.read(tmp_path / "deep/rows.jsonl")) == rows


def test_a_failed_write_leaves_the_old_file(tmp_path):
    file = tmp_path / "rows.jsonl"
    jsonl.write_json(file, {"old": True})
    with pytest.raises(ZeroDivisionError), jsonl.writer(file) as write:
        write({"new": 1})
        1 / 0  # noqa: B018
    assert json.loads(file.read_text()) == {"old": True}
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]


def test_nan_is_never_written(tmp_path):
    with pytest.raises(ValueError, match="JSON compliant"):
        jsonl.write_json(tmp_path / "x.json", {"a": float("nan")})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("line", "row"), [
    (b'{"a": "\\ud83d\\ude00"}', {"a": "\U0001f600"}),
    (b'{"a": "\\\\ud800 \\\\u0000"}', {"a": "\\ud800 \\u0000"}),
    (b'{"a": ["\\ud800"], "b": {"c": "\\u0000"}}', {"a": ["\ud800"], "b": {"c": "\0"}}),
])
def test_what_only_looks_like_a_defect_passes(line, row):
    assert jsonl.parse(line) == row


@pytest.mark.parametrize("escape", [b"\\ud800", b"\\uD800", b"\\uDFff", b"\\udc00\\ud800"])
def test_lone_surrogates_are_found_however_they_are_written(escape):
    with pytest.raises(ValueError, match="lone_surrogate"):
        jsonl.parse(b'{"a": 1, "b": "x' + escape + b'"}')


def test_the_first_defect_of_a_line_is_named():
    with pytest.raises(ValueError, match="lone_surrogate"):
        jsonl.parse(b'{"a": "\\ud800", "b": "\\u0000", "c": 1e999}')


def test_characters_are_not_scanned_one_by_one(monkeypatch):
    """The scan made reading four times as slow as json.loads."""
    def forbidden(*_):
        raise AssertionError("scanned")

    monkeypatch.setattr(jsonl, "any", forbidden, raising=False)
    assert jsonl.parse('{"a": "ñandú 😀"}'.encode()) == {"a": "ñandú 😀"}


def test_a_bad_line_is_the_users_to_mend(tmp_path):
    (tmp_path / "rows.jsonl").write_bytes(b"[]\n")
    with pytest.raises(UserError, match="not_an_object") as error:
        list(jsonl.read(tmp_path / "rows.jsonl"))
    assert error.value.code == BAD_DATA
