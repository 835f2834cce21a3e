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
from stages.corpus import readers
from stages.corpus.sources import lock

from . import stage_fixture

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
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/"


@pytest.fixture(params=["demo-1.0-py3-none-any.whl", "demo-1.0.tar.gz"])
def index(request, tmp_path, monkeypatch):
    data = wheel() if request.param.endswith("whl") else sdist()
    index = Index(tmp_path / "index", request.param, data)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PIP_INDEX_URL", index.url)
    (tmp_path / "data").mkdir()
    lock.LOCK.write_text(json.dumps({"s": {"demo": {
        "source": "demo==1.0", "archive": request.param, "sha256": sha(data), "licence": "none",
        "select": ["pkg/*.txt"],
        "members": {name: sha(CONTENT[name]) for name in ("pkg/a.txt", "pkg/sub/b.txt")}}}}))
    yield index
    index.server.shutdown()


def relocked(**change):
    tree = json.loads(lock.LOCK.read_text())
    tree["s"]["demo"] |= change
    lock.LOCK.write_text(json.dumps(tree))


def test_only_locked_members_are_kept_and_fetched_once(index):
    files = list(lock.obtain("s.demo", "demo==1.0").values())
    assert [file.read_bytes() for file in files] == [b"alpha\n", b"beta\n"]
    kept = [path for path in lock.STORE.rglob("*") if path.is_file()]
    assert sorted(kept) == sorted(files)
    lock.obtain("s.demo", "demo==1.0")
    assert index.served == 1


def test_a_damaged_member_is_fetched_again(index):
    file = lock.obtain("s.demo", "demo==1.0")["pkg/a.txt"]
    file.write_bytes(b"damaged")
    assert lock.obtain("s.demo", "demo==1.0")["pkg/a.txt"].read_bytes() == b"alpha\n"
    assert index.served == 2


def test_wrong_archive_hash_stops_and_leaves_nothing(index):
    relocked(sha256="0" * 64)
    with pytest.raises(UserError, match=r"SHA-256 is .* the lock says 0000"):
        lock.obtain("s.demo", "demo==1.0")
    assert not [path for path in lock.STORE.rglob("*") if path.is_file()]


def test_wrong_member_hash_stops(index):
    relocked(members={"pkg/a.txt": "0" * 64})
    with pytest.raises(UserError, match=r"pkg/a\.txt: missing or changed"):
        lock.obtain("s.demo", "demo==1.0")


def test_no_network_is_one_clear_line(index, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/")
    with pytest.raises(UserError, match=r"cannot fetch demo==1\.0: .*Check the network"):
        lock.obtain("s.demo", "demo==1.0")


def test_withdrawn_file_and_unknown_package(index):
    relocked(archive="demo-9.whl")
    with pytest.raises(UserError, match=r"no longer offers demo-9\.whl"):
        lock.obtain("s.demo", "demo==1.0")
    for asset, name in (("demo", "other==1"), ("other", "demo==1.0")):
        with pytest.raises(UserError, match=f"no entry s.{asset} for '{name}'"):
            lock.obtain(f"s.{asset}", name)


def test_relock_hashes_what_the_globs_select(index):
    before = json.loads(lock.LOCK.read_text())
    relocked(sha256="", members={})
    lock.relock(["s"])
    assert json.loads(lock.LOCK.read_text()) == before


def test_copy_drops_the_common_folder_only(index, tmp_path):
    download.copy(lock.obtain("s.demo", "demo==1.0"), tmp_path / "out")
    found = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.txt")}
    assert found == {"a.txt", "sub/b.txt"}


def settle(tmp_path, monkeypatch, **suite):
    """A suite "x" whose assets lie in a mirror: params, lock and mirror in the working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LLAMAX2_MIRROR", "mirror")
    stage_fixture.params(tmp_path, 3, download={})
    tree = json.loads((tmp_path / "params.yaml").read_text())
    assets, locked = {}, {}
    for name, (how, files) in suite.items():
        assets[name] = {"source": f"{name}@1", **how}
        locked[name] = {"source": f"{name}@1", "licence": "none", "files": [
            {"url": f"https://example.org/{path}", "bytes": len(data), "sha256": sha(data)}
            for path, data in files.items()]}
        for path, data in files.items():
            target = tmp_path / "mirror/example.org" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
    (tmp_path / "params.yaml").write_text(json.dumps(
        tree | {"suite": "x", "suites": {"x": {"download": assets}}}))
    lock.jsonl.write_json(lock.LOCK, {"suites": {"x": locked}})


def test_assets_of_a_suite_from_a_mirror(tmp_path, monkeypatch):
    news = {"set/NTREX-128/newstest2019-src.eng.txt": b"One\r\n",
            "set/NTREX-128/newstest2019-ref.swa.txt": b"Moja\r\n", "set/DOCUMENT_IDS.tsv": b"d\n"}
    rows = {"a/lambada_openai.jsonl": b'{"context": "a b", "continuation": "c"}\n',
            "b/test.sw.jsonl": b'{"premise": "x."}\n'}
    settle(tmp_path, monkeypatch, test=({"convert": "copy"}, news), items=({
        "convert": "standard", "sets": {
            "lambada_openai": {"form": "lambada", "file": "lambada_openai.jsonl"},
            "xcopa_sw": {"form": "rows", "file": "test.sw.jsonl"}}}, rows),
        calibration=({"convert": "copy"}, {}))
    for asset in ("test", "items", "calibration"):
        download.main([f"suite.{asset}", f"out/{asset}"])
    assert list(readers.read("ntrex", tmp_path / "out/test", "swh_Latn", print)) == [
        ("1", "d", "Moja")]
    assert list(lock.jsonl.read("out/items/lambada_openai.jsonl")) == [{"id": 0, "text": "a b c"}]
    assert sorted(path.name for path in (tmp_path / "out/items").iterdir()) == [
        "lambada_openai.jsonl", "stats.json", "xcopa_sw.jsonl"]
    assert list((tmp_path / "out/calibration").iterdir()) == []  # a suite that does without
    assert not lock.STORE.exists()  # nothing was fetched, nothing copied twice


def test_an_asset_that_params_lack_is_named(tmp_path, monkeypatch):
    settle(tmp_path, monkeypatch, test=({"convert": "copy"}, {}))
    for asset in ("suite.items", "model"):
        with pytest.raises(UserError, match=r"params.yaml: no asset '(items|model)' there"):
            download.main([asset, "out"])


def test_a_failed_conversion_leaves_the_old_asset(tmp_path, monkeypatch):
    rows = {"a/x.jsonl": b'{"query": "Question: a", "choices": ["b", "c"], "gold": 1}\n'}
    settle(tmp_path, monkeypatch, items=({"convert": "standard", "sets": {
        "x": {"form": "piqa", "file": "x.jsonl"}}}, rows))
    download.main(["suite.items", "out"])
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    settle(tmp_path, monkeypatch, items=({"convert": "standard", "sets": {
        "x": {"form": "boolq", "file": "x.jsonl"}}}, rows))
    with pytest.raises(UserError, match="not of the form 'boolq'"):
        download.main(["suite.items", "out"])
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
