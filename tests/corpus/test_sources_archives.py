"""Members of an archive: the right ones, nothing outside their folder, no bombs."""

import io
import os
import stat
import tarfile
import zipfile

import pytest

from stages.common.errors import UserError
from stages.corpus.sources import archives, lock


@pytest.mark.parametrize(("wanted", "exact", "expected"), [
    (["a[1].txt"], True, {"a[1].txt"}), (["a*.txt"], True, set()),
    (["a*.txt"], False, {"a[1].txt", "a1.txt"}), (["a[1].txt"], False, {"a1.txt"})])
def test_names_are_names_and_globs_are_globs(tmp_path, wanted, exact, expected):
    with zipfile.ZipFile(tmp_path / "demo.whl", "w") as file:
        for name in ("a[1].txt", "a1.txt", "b.txt"):
            file.writestr(name, name)
    found = archives.extract(tmp_path / "demo.whl", wanted, tmp_path / "out", exact)
    assert set(found) == expected
    assert {path.name for path in (tmp_path / "out").glob("*")} == expected


def test_obtain_extracts_a_member_with_brackets(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with zipfile.ZipFile(tmp_path / "demo.whl", "w") as file:
        file.writestr("a[1].txt", "text")
        file.writestr("a1.txt", "not locked")
    monkeypatch.setattr(lock, "fetch_archive", lambda *_: tmp_path / "demo.whl")
    (tmp_path / "member").write_text("text")
    lock.jsonl.write_json(lock.LOCK, {"s": {"demo": {
        "source": "demo==1", "archive": "demo.whl",
        "sha256": lock.file_sha256(tmp_path / "demo.whl"),
        "members": {"a[1].txt": lock.file_sha256(tmp_path / "member")}}}})
    [file] = lock.obtain("s.demo", "demo==1").values()
    assert file.read_text() == "text"
    assert not (file.parent / "a1.txt").exists()


def tar(path, *members):
    """Write a tar.gz of (TarInfo, bytes)."""
    with tarfile.open(path, "w:gz") as file:
        for info, data in members:
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return path


def link(name, kind, target):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def untouched(tmp_path):
    return not any(path for path in (tmp_path / "out").rglob("*") if not path.is_dir())


@pytest.mark.parametrize("name", ["../evil.txt", "/tmp/evil-llamax2.txt", "a/../../evil.txt"])
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_member_cannot_leave_its_folder(tmp_path, name, kind):
    if kind == "zip":
        with zipfile.ZipFile(tmp_path / "evil", "w") as file:
            file.writestr(name, "x")
    else:
        tar(tmp_path / "evil", (tarfile.TarInfo(name), b"x"))
    with pytest.raises(UserError, match="outside the archive"):
        archives.extract(tmp_path / "evil", ["*"], tmp_path / "out")
    assert not (tmp_path / "evil.txt").exists()
    assert untouched(tmp_path)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_a_link_or_device_is_refused(tmp_path, kind):
    (tmp_path / "secret").write_text("secret")
    tar(tmp_path / "evil", (link("a", kind, str(tmp_path / "secret")), b""))
    with pytest.raises(UserError, match="'a' is a link or device"):
        archives.extract(tmp_path / "evil", ["*"], tmp_path / "out")
    assert untouched(tmp_path)


def test_nothing_is_written_through_a_link_of_the_archive(tmp_path):
    """A link that is not asked for is not made, so a later member does not pass through it."""
    (tmp_path / "elsewhere").mkdir()
    tar(tmp_path / "evil", (link("d", tarfile.SYMTYPE, "../elsewhere"), b""),
        (tarfile.TarInfo("d/a.txt"), b"x"))
    archives.extract(tmp_path / "evil", ["*.txt"], tmp_path / "out")
    assert (tmp_path / "out/d/a.txt").read_text() == "x"
    assert not list((tmp_path / "elsewhere").iterdir())


def test_nothing_is_written_through_a_link_of_the_folder(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    os.symlink(tmp_path / "elsewhere", tmp_path / "out/d")
    tar(tmp_path / "evil", (tarfile.TarInfo("d/a.txt"), b"x"))
    with pytest.raises(UserError, match="outside the archive"):
        archives.extract(tmp_path / "evil", ["*"], tmp_path / "out")


def test_a_link_in_a_zip_is_refused(tmp_path):
    info = zipfile.ZipInfo("a")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "evil", "w") as file:
        file.writestr(info, "/etc/passwd")
    with pytest.raises(UserError, match="'a' is a link or device"):
        archives.extract(tmp_path / "evil", ["*"], tmp_path / "out")


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_bomb_is_stopped(tmp_path, kind):
    zeros = b"\0" * (20 << 20)  # packs to a thousandth
    if kind == "zip":
        with zipfile.ZipFile(tmp_path / "bomb", "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr("a", zeros)
    else:
        tar(tmp_path / "bomb", (tarfile.TarInfo("a"), zeros))
    with pytest.raises(UserError, match="more than 200 times the archive"):
        archives.extract(tmp_path / "bomb", ["*"], tmp_path / "out")
    assert untouched(tmp_path)


def test_many_small_members_are_a_bomb_too(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb", "w", zipfile.ZIP_DEFLATED) as file:
        for number in range(20):
            file.writestr(f"{number}", b"\0" * (1 << 20))
    with pytest.raises(UserError, match="more than 200 times"):
        archives.extract(tmp_path / "bomb", ["*"], tmp_path / "out")


@pytest.mark.parametrize("cut", [10, 60, -200])
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_damaged_archive_is_one_line(tmp_path, kind, cut):
    path = tmp_path / "demo"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("a", os.urandom(500))
    else:
        tar(path, (tarfile.TarInfo("a"), os.urandom(500)))
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(UserError, match="demo: a damaged archive"):
        archives.extract(path, ["*"], tmp_path / "out")
    assert untouched(tmp_path)
