"""Addresses: mirror, hashes, and a real server on this machine that misbehaves in known ways."""

import hashlib
import http.server
import json
import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from stages.common.errors import BAD_CONFIG, BAD_DATA, IO_FAILED, UserError
from stages.corpus.sources import addresses, lock

BODY = bytes(range(256)) * 40  # 10,240 bytes
COMMIT = "0" * 40


class Server(http.server.ThreadingHTTPServer):
    """Serves BODY below every path. The first step of a path says how it misbehaves."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str | None]] = []  # path, range
        self.busy = self.most_busy = 0
        self.guard, self.over = threading.Lock(), threading.Event()
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def handle_error(self, request, client_address):
        pass  # the client hung up

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{path}"

    def tries(self, path: str) -> int:
        return sum(asked == f"/{path}" for asked, _ in self.asked)


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *args):
        pass

    def answer(self, status, body=b"", length=None, **headers):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        with self.server.guard:
            self.server.asked.append((self.path, self.headers["Range"]))
            self.server.busy += 1
            self.server.most_busy = max(self.server.busy, self.server.most_busy)
        try:
            self.behave(self.path.split("/")[1], self.server.tries(self.path[1:]))
        finally:
            with self.server.guard:
                self.server.busy -= 1

    def behave(self, how, time_asked):
        start = int((self.headers["Range"] or "bytes=0-").removeprefix("bytes=").rstrip("-"))
        rest, part = BODY[start:], {
            "Content_Range": f"bytes {start}-{len(BODY) - 1}/{len(BODY)}"} if start else {}
        status = 206 if start else 200
        match how:
            case "403" | "404" | "410" | "418" | "429" | "500" | "503":
                self.answer(int(how), b"token=secret")
            case "busy":  # twice, then it works
                if time_asked <= 2:
                    self.answer(503 if time_asked == 1 else 429, Retry_After="0")
                else:
                    self.answer(status, rest, **part)
            case "cut":  # a quarter each time, then the line breaks
                self.answer(status, rest[:len(BODY) // 4], len(rest), **part)
            case "mute":  # announces all, sends nothing
                self.answer(status, b"", len(rest), **part)
            case "norange":  # cut once, then all of it again although a part was asked for
                self.answer(200, BODY if start else BODY[:100], len(BODY))
            case "oddrange":
                if start:
                    self.answer(206, BODY, Content_Range=f"bytes 0-{len(BODY) - 1}/{len(BODY)}")
                else:
                    self.answer(200, BODY[:100] if time_asked == 1 else BODY, len(BODY))
            case "full":
                if start:
                    self.answer(416)
                else:
                    self.answer(200, BODY)
            case "long":
                self.answer(200, BODY + b"!")
            case "endless":  # no length is announced
                self.send_response(200)
                self.end_headers()
                for _ in range(1_000_000):
                    self.wfile.write(BODY)
            case "changed":
                self.answer(status, BODY[::-1][start:], **part)
            case "page":  # what a captive network answers
                self.answer(200, b"<html>Please log in</html>")
            case "hang":
                self.server.over.wait(60)
            case "stall":
                self.answer(status, rest[:4000], len(rest), **part)
                self.server.over.wait(60)
            case "slow":
                time.sleep(0.1)
                self.answer(200, BODY)
            case _:
                self.answer(status, rest, **part)


@pytest.fixture(scope="module")
def running():
    server = Server()
    yield server
    server.over.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def server(running, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(addresses.MIRROR, raising=False)
    monkeypatch.setattr(addresses, "PAUSE", 0.005)
    monkeypatch.setattr(addresses, "TIMEOUT", (1, 0.2))
    monkeypatch.setattr(addresses, "TRIES", 3)
    monkeypatch.setattr(addresses, "BLOCK", 10)
    running.asked.clear()
    running.most_busy = 0
    return running


def locked(url: str, body: bytes = BODY) -> dict:
    return {"url": url, "bytes": len(body), "sha256": hashlib.sha256(body).hexdigest(),
            "licence": "none"}


def fetch(server, *paths) -> list[Path]:
    return list(addresses.obtain([locked(server.url(path)) for path in paths], lock.STORE).values())


def put(root: Path, server, path: str, body: bytes) -> Path:
    file = root / addresses.name_of(server.url(path))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(body)
    return file


def test_files_are_fetched_once_a_few_at_a_time(server):
    paths = [f"slow/{number}" for number in range(10)]
    files = fetch(server, *paths)
    assert [file.read_bytes() for file in files] == [BODY] * 10
    assert files[3] == lock.STORE / f"127.0.0.1:{server.server_port}/slow/3"
    assert 1 < server.most_busy <= addresses.WORKERS
    fetch(server, *paths)
    assert len(server.asked) == 10
    assert not list(lock.STORE.rglob("*.part"))


def test_a_changed_file_of_the_store_is_fetched_again(server):
    [file] = fetch(server, "good/a")
    file.write_bytes(BODY[::-1])
    assert fetch(server, "good/a")[0].read_bytes() == BODY
    assert len(server.asked) == 2


def test_a_busy_server_is_asked_again(server):
    assert fetch(server, "busy/a")[0].read_bytes() == BODY
    assert server.tries("busy/a") == 3


def test_a_cut_body_is_continued_where_it_was_cut(server):
    assert fetch(server, "cut/a")[0].read_bytes() == BODY
    quarter = len(BODY) // 4
    assert [asked for _, asked in server.asked] == [
        None, *(f"bytes={n * quarter}-" for n in (1, 2, 3))]


def test_a_part_of_an_earlier_run_is_continued(server):
    put(lock.STORE, server, "good/a.part", BODY[:5000])
    assert fetch(server, "good/a")[0].read_bytes() == BODY
    assert server.asked == [("/good/a", "bytes=5000-")]


def test_a_whole_part_of_an_earlier_run_is_not_fetched(server):
    put(lock.STORE, server, "good/a.part", BODY)
    assert fetch(server, "good/a")[0].read_bytes() == BODY
    assert server.asked == []


@pytest.mark.parametrize("size", [5000, len(BODY), len(BODY) + 9])
def test_a_part_of_another_file_is_thrown_away(server, size):
    put(lock.STORE, server, "good/a.part", b"x" * size)
    assert fetch(server, "good/a")[0].read_bytes() == BODY


@pytest.mark.parametrize("how", ["norange", "oddrange", "full"])
def test_a_server_without_ranges_starts_again(server, how):
    if how == "full":
        put(lock.STORE, server, "full/a.part", BODY[:100])
    assert fetch(server, f"{how}/a")[0].read_bytes() == BODY


@pytest.mark.parametrize(("how", "code", "says"), [
    ("403", IO_FAILED, "HTTP 403, access is refused: accept the terms"),
    ("404", IO_FAILED, "HTTP 404, no such file, .* correct the url in data/sources.lock"),
    ("410", IO_FAILED, "HTTP 410, the file was withdrawn: choose another source"),
    ("418", IO_FAILED, "HTTP 418, refused: wait, then run again"),
    ("429", IO_FAILED, "HTTP 429, too many requests for now: wait, then run again"),
    ("500", IO_FAILED, "HTTP 500, the server fails: wait, then run again"),
    ("503", IO_FAILED, "HTTP 503, the server fails: wait, then run again"),
    ("mute", IO_FAILED, "cut again and again .* Check the network and run again"),
    ("hang", IO_FAILED, r"no answer \(ConnectionError\). Check the network and run again"),
    ("long", BAD_DATA, "offers 10241 bytes, the lock says 10240. The published file changed"),
    ("page", BAD_DATA, "offers 26 bytes, the lock says 10240. The published file changed"),
    ("endless", BAD_DATA, "more bytes come than the 10240 of the lock. The published file changed"),
    ("changed", BAD_DATA, "sha256 is .*, the lock says .* The published file changed"),
])
def test_each_failure_is_one_line_with_its_remedy(server, how, code, says, caplog):
    start = time.monotonic()
    with pytest.raises(UserError, match=says) as failure:
        fetch(server, f"{how}/a")
    assert time.monotonic() - start < 30
    assert failure.value.code == code
    assert server.url(f"{how}/a") in str(failure.value)
    assert "\n" not in str(failure.value)
    assert "secret" not in str(failure.value)
    worth = how in ("429", "500", "503", "mute", "hang")
    assert server.tries(f"{how}/a") == (addresses.TRIES if worth else 1)
    assert not [file for file in lock.STORE.rglob("*") if file.is_file() and (
        file.suffix != ".part" or code == BAD_DATA)]


def test_a_body_that_stalls_is_continued_while_it_brings_something(server):
    assert fetch(server, "stall/a")[0].read_bytes() == BODY
    assert [asked for _, asked in server.asked] == [None, "bytes=4000-", "bytes=8000-"]


def test_a_refused_connection_is_one_line(server):
    with pytest.raises(UserError, match=r"no answer \(ConnectionError\). Check the network") as no:
        addresses.obtain([locked("http://127.0.0.1:9/a")], lock.STORE)
    assert no.value.code == IO_FAILED


def test_one_failure_stops_the_others_and_keeps_what_is_there(server):
    paths = ["good/a", *(f"slow/{number}" for number in range(40))]
    paths.insert(6, "404/b")
    with pytest.raises(UserError, match="HTTP 404"):
        fetch(server, *paths)
    assert len(server.asked) < 20
    assert (lock.STORE / addresses.name_of(server.url("good/a"))).read_bytes() == BODY


def test_a_full_disk_is_seen_before_the_first_byte(server, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Disk", (), {"free": 100}))
    with pytest.raises(UserError, match="10,240 bytes are to be fetched, 100 are free"):
        fetch(server, "good/a")
    assert server.asked == []


def test_the_mirror_is_used_in_place_and_nothing_is_fetched(server, monkeypatch):
    file = put(Path("mirror"), server, "good/a", BODY)
    monkeypatch.setenv(addresses.MIRROR, "mirror")
    assert fetch(server, "good/a") == [file]
    assert server.asked == []
    assert not lock.STORE.exists()
    found = fetch(server, "good/a", "good/b")  # what it lacks is fetched
    assert found == [file, lock.STORE / addresses.name_of(server.url("good/b"))]


def test_the_mirror_comes_before_the_store(server, monkeypatch):
    fetch(server, "good/a")
    file = put(Path("mirror"), server, "good/a", BODY)
    monkeypatch.setenv(addresses.MIRROR, "mirror")
    assert fetch(server, "good/a") == [file]


@pytest.mark.parametrize(("body", "says"), [
    (BODY[:-1], "bytes is 10239, the lock says 10240"), (BODY[::-1], "sha256 is .* the lock says")])
def test_a_wrong_file_of_the_mirror_is_refused_by_name(server, monkeypatch, body, says):
    put(Path("mirror"), server, "good/a", body)
    monkeypatch.setenv(addresses.MIRROR, "mirror")
    with pytest.raises(UserError, match=rf"mirror/127.*/good/a: {says}.*Replace the file"):
        fetch(server, "good/a")
    assert server.asked == []


def test_a_mirror_that_is_no_folder_is_refused(server, monkeypatch):
    monkeypatch.setenv(addresses.MIRROR, "nowhere")
    with pytest.raises(UserError, match="LLAMAX2_MIRROR names nowhere") as failure:
        fetch(server, "good/a")
    assert failure.value.code == BAD_CONFIG


def test_git_blob_is_what_git_says(tmp_path):
    (tmp_path / "a").write_bytes(BODY)
    said = subprocess.run(["git", "hash-object", "--no-filters", "a"], cwd=tmp_path, check=True,
                          capture_output=True, text=True).stdout.strip()
    assert addresses.git_blob(tmp_path / "a") == said
    url = f"https://raw.githubusercontent.com/o/r/{COMMIT}/d/a"
    assert addresses.measure(tmp_path / "a", url)["git_blob"] == said
    assert "git_blob" not in addresses.measure(tmp_path / "a", url.replace(COMMIT, "main"))
    assert addresses.difference(tmp_path / "a", {"url": url, "git_blob": COMMIT}) == (
        f"git_blob is {said}, the lock says {COMMIT}")


@pytest.mark.parametrize("url", [
    "https://user:secret@host/a", "https://host/a?token=secret", "https://host/a#secret",
    "https://host/../a", "https://host/a/%2e%2e/%2e%2e/b", "https://host/a//b", "https://host/",
    "https:///a", "file:///etc/passwd", "ftp://host/a", "https://host/a\\..\\b"])
def test_only_plain_addresses_and_no_secret_in_the_message(url):
    with pytest.raises(UserError, match="is no plain address") as failure:
        addresses.name_of(url)
    assert "secret" not in str(failure.value)
    assert failure.value.code == BAD_CONFIG


def test_tokens_reach_no_log(server, monkeypatch, caplog, capfd):
    """Not of the environment, not of a netrc file, whatever goes wrong."""
    Path("netrc").write_text("machine 127.0.0.1 login me password secret-netrc\n")
    monkeypatch.setenv("NETRC", "netrc")
    monkeypatch.setenv("HF_TOKEN", "secret-hf")
    caplog.set_level(logging.DEBUG)
    for how in ("403", "503", "mute", "hang", "changed"):
        with pytest.raises(UserError) as failure:
            fetch(server, f"{how}/a")
        assert "secret" not in str(failure.value)
    assert "secret" not in caplog.text + "".join(capfd.readouterr())


def write_lock(files: list[dict]) -> None:
    lock.jsonl.write_json(lock.LOCK, {"suites": {"x": {"test": {
        "source": "news@1", "licence": "none", "files": files}}}})


def test_relock_records_what_is_new_and_leaves_the_rest(server):
    old = {**locked(server.url("good/old")), "sha256": "0" * 64}
    write_lock([{"url": server.url("good/a"), "licence": "none"}, old])
    with pytest.raises(UserError, match=r"good/a has no hash yet\. Run `python"):
        lock.obtain("suites.x.test", "news@1")
    lock.relock(["suites.x"])
    found = json.loads(lock.LOCK.read_text())["suites"]["x"]["test"]["files"]
    assert found == [locked(server.url("good/a")), old]
    assert server.tries("good/old") == 0
    lock.relock(["another"])
    with pytest.raises(UserError, match=r"no entry suites\.x\.test for 'news@2'"):
        lock.obtain("suites.x.test", "news@2")


def test_relock_demands_what_the_lock_knows_already(server):
    write_lock([{"url": server.url("good/a"), "bytes": 9, "licence": "none"}])
    with pytest.raises(UserError, match="offers 10240 bytes, the lock says 9"):
        lock.relock(["suites.x"])


def test_no_files_are_no_asset(server):
    write_lock([])
    assert lock.obtain("suites.x.test", "news@1") == {}


def test_a_killed_download_leaves_no_file_and_is_continued(server, tmp_path):
    """kill -9 in the middle of a body: the next run asks for the rest."""
    address = locked(server.url("stall/k"))
    code = (f"from stages.corpus.sources import addresses\nfrom pathlib import Path\n"
            f"addresses.obtain([{address!r}], Path({str(lock.STORE)!r}))")
    child = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL,
                             env={**os.environ, "PYTHONPATH": str(Path(lock.__file__).parents[3])})
    target = lock.STORE / addresses.name_of(address["url"])
    part = target.with_name("k.part")
    for _ in range(1000):
        if server.asked and part.is_file():
            break
        time.sleep(0.01)
    child.kill()
    child.wait()
    assert not target.exists()
    kept = part.stat().st_size
    server.asked.clear()
    put(lock.STORE, server, "good/k.part", part.read_bytes())
    assert fetch(server, "good/k")[0].read_bytes() == BODY
    assert server.asked == [("/good/k", f"bytes={kept}-" if kept else None)]
