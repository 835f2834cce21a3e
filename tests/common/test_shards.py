"""Tables in shards: equal bytes wherever they are made, and nothing half made after a kill."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stages.common import jsonl, shards
from stages.common.errors import UserError

MACHINE = {"engine": "local", "threads": 1}


def double(source, target, settings):
    """Every row of a shard with n doubled; {"rows"}."""
    count = 0
    with jsonl.writer(target) as write:
        for row in jsonl.read(source):
            write({**row, "n": row["n"] * settings["by"]})
            count += 1
    return {"rows": count, "process": os.getpid() if settings.get("tell") else None}


def refuse(source, target, settings):
    raise UserError(f"{target.name}: refused", 78)


def first(source, target, settings):
    """A shard made from nothing but its name."""
    with jsonl.writer(target) as write:
        write({"n": 1, "name": target.name, "text": "é\u2028 كتاب"})
    return {"rows": 1}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(shards, "SCRATCH", Path("scratch"))
    names = ["b", "a", "c"]
    shards.made(first, dict.fromkeys(names, (tmp_path, "x")), (Path("in"), "pairs"), {}, {},
                MACHINE)
    return tmp_path


def content(folder):
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def test_a_table_is_its_shards_in_the_order_of_names(folder):
    assert list(shards.files(Path("in"), "pairs")) == ["a", "b", "c"]
    assert [row["name"][0] for row in shards.rows(Path("in"), "pairs")] == ["a", "b", "c"]
    known = shards.manifest(shards.files(Path("in"), "pairs")["a"])
    assert (known["rows"], known["result"]) == (1, {"rows": 1})
    jsonl.write_text("in/plain.jsonl", '{"n": 4}\n')
    assert list(shards.rows(Path("in"), "plain")) == [{"n": 4}]
    with pytest.raises(UserError, match=r"in/none\.jsonl is not there, nor a folder none"):
        shards.files(Path("in"), "none")


def test_shards_come_from_shards_and_a_plain_table_from_a_plain_one(folder):
    source, target = (Path("in"), "pairs"), (Path("out"), "twice")
    results = shards.mapped(double, source, target, {"by": 2}, {}, MACHINE)
    assert [result["rows"] for result in results] == [1, 1, 1]
    assert [row["n"] for row in shards.rows(*target)] == [2, 2, 2]
    assert not Path("scratch/out/twice").exists()
    jsonl.write_text("in/plain.jsonl", '{"n": 4}\n')
    shards.mapped(double, (Path("in"), "plain"), target, {"by": 2}, {}, MACHINE)
    assert Path("out/twice.jsonl").read_text() == '{"n": 8}\n'


def test_two_processes_give_the_bytes_of_one(folder):
    tell = {"by": 2, "tell": True}
    for runner in ("one", "two"):
        shards.mapped(double, (Path("in"), "pairs"), (Path(runner), "twice"), {"by": 2}, {},
                      {"engine": "local", "threads": 1 if runner == "one" else 2})
    assert content(Path("one/twice")) == content(Path("two/twice"))
    results = shards.mapped(double, (Path("in"), "pairs"), (Path("three"), "twice"), tell, {},
                            {"engine": "local", "threads": 2})
    assert len({result["process"] for result in results} - {os.getpid()}) == 2


@pytest.mark.parametrize("threads", [1, 2])
def test_a_refusal_of_a_task_is_the_steps(folder, threads):
    with pytest.raises(UserError, match=r"[ab]\.jsonl\.zst: refused") as caught:
        shards.mapped(refuse, (Path("in"), "pairs"), (Path("out"), "x"), {}, {},
                      {"engine": "local", "threads": threads})
    assert caught.value.code == 78
    assert not Path("out/x").exists()


def test_an_engine_of_another_name_is_refused(folder):
    with pytest.raises(UserError, match="'dask' is not one of local, ray"):
        shards.mapped(double, (Path("in"), "pairs"), (Path("out"), "x"), {"by": 2}, {},
                      {"engine": "dask", "threads": 1})


def test_a_changed_shard_is_refused(folder):
    file = shards.files(Path("in"), "pairs")["b"]
    with jsonl.writer(file) as write:
        write({"n": 5})
    with pytest.raises(UserError, match=r"b\.jsonl\.zst: differs from its manifest"):
        shards.mapped(double, (Path("in"), "pairs"), (Path("out"), "x"), {"by": 2}, {}, MACHINE)


CHILD = """
import sys, time
from pathlib import Path
from stages.common import jsonl, shards
from tests.common import test_shards
shards.SCRATCH = Path("scratch")

def slow(source, target, settings):
    with jsonl.writer(target) as write:
        for row in jsonl.read(source):
            write(row)
            if target.name.startswith(sys.argv[1]):
                print("half", flush=True)
                time.sleep(60)
    return {"rows": 1, "by": sys.argv[1]}

shards.mapped(slow, (Path("in"), "pairs"), (Path("out"), "x"), {}, {},
              {"engine": "local", "threads": 1})
"""


def environment():
    paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def start(argument):
    return subprocess.Popen([sys.executable, "-c", CHILD, argument], stdout=subprocess.PIPE,
                            env=environment(), text=True)


def test_kill_9_leaves_no_half_shard_and_the_next_run_does_only_the_others(folder):
    child = start("b")
    assert child.stdout.readline() == "half\n"
    child.send_signal(signal.SIGKILL)
    child.wait()
    scratch = Path("scratch/out/x")
    assert {file.name for file in scratch.iterdir() if file.suffix != ".part"} == {
        "a.json", "a.jsonl.zst"}
    assert not Path("out/x").exists()
    done = time.time_ns()
    assert start("none").wait() == 0
    assert [row["name"][0] for row in shards.rows(Path("out"), "x")] == ["a", "b", "c"]
    assert {file.name for file in Path("out/x").iterdir()} == {
        f"{name}{end}" for name in "abc" for end in (".json", ".jsonl.zst")}
    made = {name: (Path("out/x") / f"{name}.jsonl.zst").stat().st_mtime_ns for name in "ab"}
    assert made["a"] < done < made["b"]
    # The rows and the hashes of a run that was never killed.
    shards.mapped(double, (Path("in"), "pairs"), (Path("whole"), "x"), {"by": 1}, {}, MACHINE)
    for name in "abc":
        assert (Path("out/x") / f"{name}.jsonl.zst").read_bytes() == (
            Path("whole/x") / f"{name}.jsonl.zst").read_bytes()


ORPHANS = """
import os, time
from pathlib import Path
from stages.common import jsonl, shards

def slow(source, target, settings):
    Path(f"pid{os.getpid()}").write_text("")
    time.sleep(60)
    return {}

shards.SCRATCH = Path("scratch")
shards.made(slow, dict.fromkeys("ab", (Path("."), "x")), (Path("out"), "x"), {}, {},
            {"engine": "local", "threads": 2})
"""


def test_processes_of_the_pool_end_with_a_killed_step(tmp_path):
    child = subprocess.Popen([sys.executable, "-c", ORPHANS], cwd=tmp_path,
                             env=environment())
    deadline = time.monotonic() + 60
    while not (found := list(tmp_path.glob("pid*"))) and time.monotonic() < deadline:
        time.sleep(0.1)
    child.kill()
    child.wait()
    pids = [int(path.name.removeprefix("pid")) for path in found]
    assert pids
    while any(running(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(running(pid) for pid in pids)


def running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_other_settings_input_or_code_begin_anew(folder, monkeypatch):
    def made(settings, stamp="x", **inputs):
        def stop(tasks, _):
            todo.append([task[2].name.split(".")[0] for task in tasks])
            raise KeyboardInterrupt

        todo = []
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(shards, "_run", stop)
            shards.made(first, {"a": (folder, stamp)}, (Path("out"), "x"), settings, inputs,
                        MACHINE)
        return todo[0]

    def run_and_stop(*arguments):
        real(*arguments)
        raise KeyboardInterrupt

    real = shards._run
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):  # made, but not moved
        patch.setattr(shards, "_run", run_and_stop)
        shards.made(first, {"a": (folder, "x")}, (Path("out"), "x"), {}, {}, MACHINE)
    assert made({}) == []
    assert made({"n": 2}) == ["a"]
    assert made({}, "y") == ["a"]
    jsonl.write_text("lid/model", "bytes")
    assert made({}, lid=Path("lid")) == ["a"]
    monkeypatch.setattr(shards, "_code", lambda: {"stages/format.py": "another"})
    assert made({}) == ["a"]
