"""What a stage's process shows its user: one line, an exit code, its cost."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def stage(folder, body, name="demo"):
    """Run a stage whose main has ``body`` in ``folder``."""
    script = ("from stages.common import command, errors, jsonl\ndef main():\n    " + body
              + "\ncommand.run_stage(main)\n")
    return subprocess.run([sys.executable, "-c", script], cwd=folder, text=True,
                          capture_output=True, check=False, env={
                              **os.environ, "PYTHONPATH": str(ROOT), "DVC_STAGE": name})


@pytest.mark.parametrize(("body", "code", "line"), [
    ("raise errors.UserError('row 3 is bad. Mend it')", 65, "demo: row 3 is bad. Mend it"),
    ("raise errors.UserError('no such key', errors.BAD_CONFIG)", 78, "demo: no such key"),
    ("open('none.txt')", 74, "none.txt'. Check the path, free disk space and permissions")])
def test_what_the_user_can_mend_is_one_line(tmp_path, body, code, line):
    done = stage(tmp_path, body)
    assert done.returncode == code
    assert line in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "data").exists()


def test_a_bug_of_ours_keeps_its_traceback(tmp_path):
    done = stage(tmp_path, "1 / 0")
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr


def test_the_cost_of_a_run_is_written_down(tmp_path):
    assert stage(tmp_path, "pass", "eval_mt@base").returncode == 0
    found = json.loads((tmp_path / "data/runtime/eval_mt@base.json").read_text())
    assert found["stage"] == "eval_mt@base"
    assert found["seconds"] >= 0
    assert 5 < found["peak_mib"] < 2000


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux")
def test_a_stage_dies_with_its_parent(tmp_path):
    """`dvc repro` killed: the stage must not go on writing."""
    body = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    script = (f"from stages.common import command\ndef main():\n    {body}\n"
              "command.run_stage(main)\n")
    parent = subprocess.Popen([sys.executable, "-c", (
        "import subprocess, sys\n"
        f"subprocess.run([sys.executable, '-c', {script!r}])")], cwd=tmp_path, text=True,
        stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)})
    child = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    for _ in range(100):
        state = Path(f"/proc/{child}/stat")
        if not state.exists() or state.read_text().split()[2] == "Z":
            return
        time.sleep(0.05)
    pytest.fail("the stage outlived its parent")
