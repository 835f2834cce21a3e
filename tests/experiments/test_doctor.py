"""Every check can be well and wrong, and what is wrong says what to do."""

import json
import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from stages.common.errors import UserError
from stages.experiments import doctor

ROOT = Path(__file__).parents[2]


class Other(BaseHTTPRequestHandler):
    """A hub on which one repository is open, one gated and the rest unknown; and a server."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        if self.path == "/v1/models":
            return self.reply(200, {"object": "list", "data": [
                {"id": "tiny", "object": "model", "created": 0, "owned_by": "me"}]})
        if "wmt22-comet-da" in self.path:
            return self.reply(200, {"id": "Unbabel/wmt22-comet-da", "sha": "5ea" * 13 + "5"})
        gated = "XCOMET-XL/" in self.path
        self.reply(403 if gated else 401, {}, "GatedRepo" if gated else "RepoNotFound")

    def reply(self, status, value, code=""):
        data = json.dumps(value).encode()
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture(scope="module")
def other():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Other)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def settings(folder, metrics=("chrf++",), tasks=("question", "piqa"), languages=("spa_Latn",),
             offline=True, plan=None, judges=(), engine="hf", protocol="desk", pivots=(),
             metric="acc", sources=(), comparators=None):
    (folder / "requirements.lock").write_text(f"pytest=={pytest.__version__}\n")
    (folder / "data").mkdir(exist_ok=True)
    (folder / "data/sources.lock").write_text('{"suites": {"s": {"judges": {}}}}')
    for n in range(len(tasks)):
        (folder / "data/download/items").mkdir(parents=True, exist_ok=True)
        (folder / f"data/download/items/t{n}.jsonl").touch()
    (folder / "params.yaml").write_text(json.dumps({
        "scale": "s", "suite": "s", "machine": {"device": "cpu", "server": None},
        "layers": {"bottom": 1, "top": 1, "skip": []}, "comparators": comparators or {},
        "suites": {"s": {"metrics": metrics, "eval_reason": {"engine": engine, "tasks": {
            f"t{n}": {"metric": metric, "stock": form} for n, form in enumerate(tasks)}},
            "eval_mt": {"engine": engine, "protocol": protocol, "languages": None,
                        "pivots": pivots},
            "download": {"judges": {"metrics": judges}, **{name: {} for name in sources}}}},
        "scales": {"s": {"model": {"name": "m", "depth": 6}, "offline": offline, "download": {},
                         "format": {"languages": dict.fromkeys(languages)},
                         **({"plan": {"machine": plan}} if plan else {})}}}))


def test_all_is_well(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "150")
    settings(tmp_path, plan={"gpus": 0, "memory_gib": 0.1, "disk_gib": 0.001})
    doctor.main([])
    printed = capsys.readouterr().out
    assert printed.count(" well ") == 10 and "wrong" not in printed


@pytest.mark.parametrize(("change", "line", "step"), [
    ({"languages": ["spa_Latn", "xxx_Xxxx"]}, "no xxx_Xxxx", "stages/common/languages.py"),
    ({"metrics": ["bleurt"]}, "no bleurt", "stages/comet/checkpoints.py"),
    ({"tasks": ["piqa", "nonsense"]}, "no nonsense", "'nonsense' is not one of"),
    ({"metric": "bleu"}, "question has no metric bleu", "stages/tasks/stock.py"),
    ({"judges": ["bleurt"]}, "no bleurt", "stages/comet/checkpoints.py"),
    ({"protocol": "own"}, "no own", "stages/model/protocols.py"),
    ({"engine": "vllm"}, "no vllm, vllm", "hf, or server"),
    ({"engine": "server"}, "no address", "set machine.server.url"),
    ({"pivots": ["yyy_Yyyy"]}, "no yyy_Yyyy", "stages/common/languages.py"),
    ({"plan": {"memory_gib": 1e6}}, "memory", "the plan counts on 1000000.0 GiB"),
    ({"plan": {"disk_gib": 1e6}}, "disk", "free some, or mend plan.machine"),
    ({"plan": {"gpus": 64}}, "GPU", "run where the scale's GPUs are")])
def test_what_is_missing_is_named_with_a_next_step(tmp_path, monkeypatch, capsys, change, line,
                                                   step):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    settings(tmp_path, **change)
    with pytest.raises(UserError, match="not ready"):
        doctor.main([])
    printed = capsys.readouterr().out
    assert printed.count(" wrong ") == 1
    assert line in " ".join(printed.split()) and step in " ".join(printed.split())


def test_packages_are_those_of_the_lock(tmp_path):
    lock = tmp_path / "lock"
    lock.write_text(f"pytest=={pytest.__version__}\n")
    assert [line.state for line in doctor.packages(lock)] == ["well"]
    lock.write_text("pytest==0.1\nno-such-thing==1\n")
    [line] = doctor.packages(lock)
    assert line.state == "wrong" and line.step == "make setup"
    assert line.found == f"pytest {pytest.__version__}, not 0.1, no no-such-thing"


def test_repositories_and_endpoint(tmp_path, other):
    """In a process of its own: the hub's client reads its address when it is imported."""
    settings(tmp_path, judges=["wmt22-comet-da", "xcomet-xl", "xcomet-xxl"], offline=False)

    def run(*arguments, **env):
        return subprocess.run(
            [sys.executable, "-m", "stages.experiments.doctor", *arguments], cwd=tmp_path,
            capture_output=True, text=True, env={
                "PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}", "HOME": str(tmp_path),
                "COLUMNS": "200", "HF_ENDPOINT": other, "PATH": os.environ["PATH"], **env})

    done = run("--endpoint", f"{other}/v1", "--model", "tiny")
    rows = {row.split("│")[1].strip(): row for row in done.stdout.splitlines() if "│" in row}
    assert " well " in rows["Unbabel/wmt22-comet-da"]
    assert "accept the terms at https://huggingface.co/Unbabel/XCOMET-XL, then" in rows[
        "Unbabel/XCOMET-XL"]
    assert "GatedRepoError" in rows["Unbabel/XCOMET-XL"]
    assert "RepositoryNotFoundError" in rows["Unbabel/XCOMET-XXL"]
    assert " well " in rows[f"{other}/v1"]
    assert done.returncode == 78
    assert "not ready: Unbabel/XCOMET-XL, Unbabel/XCOMET-XXL. The table" in done.stderr
    settings(tmp_path, judges=["xcomet-xl"])
    done = run("--endpoint", f"{other}/v1", "--model", "large")
    assert " unchecked " in done.stdout and "; the scale stays offline" in done.stdout
    assert "serve large, or name what is served" in done.stdout
    assert doctor.endpoint("http://127.0.0.1:9/v1", "tiny").step == (
        "start the server, or mend the address")


def test_what_nobody_has_seen_reads_unchecked(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "220")
    settings(tmp_path, sources=["items"], comparators={"other": {
        "hub": "a/b", "revision": "unchecked", "licence": "MIT", "gated": False}})
    (tmp_path / "data/download/items/t1.jsonl").unlink()
    doctor.main([])
    rows = {row.split("│")[1].strip(): row for row in capsys.readouterr().out.splitlines()
            if "│" in row}
    assert "not in data/sources.lock: suites.s.items" in rows["sources"]
    assert "--relock" in rows["sources"]
    assert "none yet of 1 tasks; their sets on the hub: baber/piqa" in rows["items"]
    for name in ("sources", "items", "a/b"):
        assert " unchecked " in rows[name]


def test_a_revision_that_is_not_pinned_is_shown_and_not_taken(tmp_path, other):
    script = ("from stages.experiments import doctor\n"
              "print(doctor.repository(doctor.Repository('Unbabel/wmt22-comet-da', None, 'MIT', "
              "False, 'params.yaml'), True))")
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True, text=True,
                          capture_output=True, env={"PYTHONPATH": f"{ROOT}", "HOME": str(tmp_path),
                                                    "HF_ENDPOINT": other})
    assert "state='unchecked'" in done.stdout and f"now at {'5ea' * 13}5" in done.stdout
    assert "pin it: params.yaml" in done.stdout
