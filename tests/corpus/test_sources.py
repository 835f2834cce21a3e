"""Members of an archive: by exact name when obtained, by glob when locked anew."""

import zipfile

import pytest

from stages.corpus import sources


@pytest.mark.parametrize(("wanted", "exact", "expected"), [
    (["a[1].txt"], True, {"a[1].txt"}), (["a*.txt"], True, set()),
    (["a*.txt"], False, {"a[1].txt", "a1.txt"}), (["a[1].txt"], False, {"a1.txt"})])
def test_names_are_names_and_globs_are_globs(tmp_path, wanted, exact, expected):
    with zipfile.ZipFile(tmp_path / "demo.whl", "w") as file:
        for name in ("a[1].txt", "a1.txt", "b.txt"):
            file.writestr(name, name)
    found = sources._extract(tmp_path / "demo.whl", wanted, tmp_path / "out", exact)
    assert set(found) == expected
    assert {path.name for path in (tmp_path / "out").glob("*")} == expected


def test_obtain_extracts_a_member_with_brackets(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with zipfile.ZipFile(tmp_path / "demo.whl", "w") as file:
        file.writestr("a[1].txt", "text")
        file.writestr("a1.txt", "not locked")
    monkeypatch.setattr(sources, "fetch_archive", lambda *_: tmp_path / "demo.whl")
    (tmp_path / "member").write_text("text")
    sources.jsonl.write_json(sources.LOCK, {"s": {"demo": {
        "source": "demo==1", "archive": "demo.whl",
        "sha256": sources.file_sha256(tmp_path / "demo.whl"),
        "members": {"a[1].txt": sources.file_sha256(tmp_path / "member")}}}})
    [file] = sources.obtain("s", "demo", "demo==1")
    assert file.read_text() == "text"
    assert not (file.parent / "a1.txt").exists()
