"""Fetching, hashes and half files. The index is real code served from a local folder."""

import functools
import hashlib
import http.server
import io
import json
import tarfile
import threading
import zipfile

import pytest

from stages import download
from stages.common.errors import UserError
from stages.corpus import sources

CONTENT = {"pkg/a.txt": b"alpha\n", "pkg/sub/b.txt": b"beta\n", "pkg/c.bin": b"\0" * 9}


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def wheel() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, data in CONTENT.items():
            file.writestr(name, data)
    return buffer.getvalue()


def sdist() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as file:
        for name, data in CONTENT.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


class Index:
    """A package index on this machine: a folder, a page, a count of archive requests."""

    def __init__(self, root, archive: str, data: bytes):
        self.served = 0
        (root / "demo").mkdir(parents=True)
        (root / archive).write_bytes(data)
        (root / "demo/index.html").write_text(
            f'<html><a href="../{archive}#sha256={sha(data)}">{archive}</a></html>')
        index = self

        class Handler(http.server.SimpleHTTPRequestHandler):
            def do_GET(self):
                index.served += self.path.endswith((".whl", ".gz"))
                super().do_GET()

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), functools.partial(Handler, directory=str(root)))
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/"


@pytest.fixture(params=["demo-1.0-py3-none-any.whl", "demo-1.0.tar.gz"])
def index(request, tmp_path, monkeypatch):
    data = wheel() if request.param.endswith("whl") else sdist()
    index = Index(tmp_path / "index", request.param, data)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PIP_INDEX_URL", index.url)
    (tmp_path / "data").mkdir()
    sources.LOCK.write_text(json.dumps({"s": {"demo": {
        "source": "demo==1.0", "archive": request.param, "sha256": sha(data), "licence": "none",
        "select": ["pkg/*.txt"],
        "members": {name: sha(CONTENT[name]) for name in ("pkg/a.txt", "pkg/sub/b.txt")}}}}))
    yield index
    index.server.shutdown()


def relocked(**change):
    lock = json.loads(sources.LOCK.read_text())
    lock["s"]["demo"] |= change
    sources.LOCK.write_text(json.dumps(lock))


def test_only_locked_members_are_kept_and_fetched_once(index):
    files = sources.obtain("s", "demo", "demo==1.0")
    assert [file.read_bytes() for file in files] == [b"alpha\n", b"beta\n"]
    kept = [path for path in sources.STORE.rglob("*") if path.is_file()]
    assert sorted(kept) == sorted(files)
    sources.obtain("s", "demo", "demo==1.0")
    assert index.served == 1


def test_a_damaged_member_is_fetched_again(index):
    file = sources.obtain("s", "demo", "demo==1.0")[0]
    file.write_bytes(b"damaged")
    assert sources.obtain("s", "demo", "demo==1.0")[0].read_bytes() == b"alpha\n"
    assert index.served == 2


def test_wrong_archive_hash_stops_and_leaves_nothing(index):
    relocked(sha256="0" * 64)
    with pytest.raises(UserError, match=r"SHA-256 is .* the lock says 0000"):
        sources.obtain("s", "demo", "demo==1.0")
    assert not [path for path in sources.STORE.rglob("*") if path.is_file()]


def test_wrong_member_hash_stops(index):
    relocked(members={"pkg/a.txt": "0" * 64})
    with pytest.raises(UserError, match=r"pkg/a\.txt: missing or changed"):
        sources.obtain("s", "demo", "demo==1.0")


def test_no_network_is_one_clear_line(index, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/")
    with pytest.raises(UserError, match=r"cannot fetch demo==1\.0: .*Check the network"):
        sources.obtain("s", "demo", "demo==1.0")


def test_withdrawn_file_and_unknown_package(index):
    relocked(archive="demo-9.whl")
    with pytest.raises(UserError, match=r"no longer offers demo-9\.whl"):
        sources.obtain("s", "demo", "demo==1.0")
    for asset, name in (("demo", "other==1"), ("other", "demo==1.0")):
        with pytest.raises(UserError, match=f"no entry s.{asset} for '{name}'"):
            sources.obtain("s", asset, name)


def test_relock_hashes_what_the_globs_select(index):
    before = json.loads(sources.LOCK.read_text())
    relocked(sha256="", members={})
    sources.relock()
    assert json.loads(sources.LOCK.read_text()) == before


def test_a_member_cannot_leave_its_folder(tmp_path):
    with zipfile.ZipFile(tmp_path / "evil.whl", "w") as file:
        file.writestr("../evil.txt", "x")
    with pytest.raises(UserError, match="outside the archive"):
        sources._extract(tmp_path / "evil.whl", ["*"], tmp_path / "out")
    assert not (tmp_path / "evil.txt").exists()


def test_copy_drops_the_common_folder_only(index, tmp_path):
    download.copy(sources.obtain("s", "demo", "demo==1.0"), tmp_path / "out")
    found = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.txt")}
    assert found == {"a.txt", "sub/b.txt"}
