"""SHA256SUMS: what is lost, added or changed is named."""

import shutil
import subprocess

import pytest

from stages.common import manifest
from stages.common.errors import UserError


@pytest.fixture
def folder(tmp_path):
    for name in ("b.txt", "a/x.json", "a/b c.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    manifest.write(tmp_path)
    return tmp_path


def test_it_lists_every_file_in_one_order(folder):
    assert list(manifest.read(folder)) == ["a/b c.md", "a/x.json", "b.txt"]
    before = (folder / manifest.NAME).read_bytes()
    manifest.write(folder)
    assert (folder / manifest.NAME).read_bytes() == before
    assert manifest.check(folder) == []


@pytest.mark.skipif(not shutil.which("sha256sum"), reason="no sha256sum here")
def test_sha256sum_reads_it(folder):
    subprocess.run(["sha256sum", "--check", "--strict", manifest.NAME], cwd=folder, check=True)


def test_what_is_lost_added_or_changed_is_named(folder):
    (folder / "a/x.json").unlink()
    (folder / "b.txt").write_text("other")
    (folder / "new").write_text("")
    lost, added, changed = manifest.check(folder)
    assert lost.endswith("a/x.json: in SHA256SUMS, but not there")
    assert added.endswith("new: not in SHA256SUMS")
    assert "b.txt: SHA-256 stored" in changed


def test_a_folder_with_a_manifest_of_its_own_is_another_run(folder):
    (folder / "arms").mkdir()
    (folder / "arms/rows").write_text("")
    manifest.write(folder / "arms")
    assert manifest.check(folder) == []


@pytest.mark.parametrize("line", ["abc  x", "0" * 64 + " x", "0" * 64, ""])
def test_a_strange_line_is_refused(folder, line):
    file = folder / manifest.NAME
    file.write_text(f"{line}\n{file.read_text()}")
    with pytest.raises(UserError, match=r"SHA256SUMS:1: .* is not a hash and a file"):
        manifest.check(folder)
