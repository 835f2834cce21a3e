"""The job script without Slurm: who gets its TERM, and what follows.

Stand-ins for DVC and scontrol write down what they are asked; the script itself is the real one.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "stages/launch/slurm.sh"
STAGE = """
import pathlib, signal, sys, time
def told(*_):
    pathlib.Path("saved").touch()
    sys.exit(75)
assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN
signal.signal(signal.SIGTERM, told)
pathlib.Path("started").touch()
time.sleep(30)
"""


def program(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("#!/bin/bash\n" + text)
    file.chmod(0o755)


@pytest.fixture
def job(tmp_path):
    """Start the script in a folder; DVC, here ``python -m dvc repro``, runs ``dvc``."""
    def start(dvc: str, *arguments: str) -> subprocess.Popen:
        program(tmp_path / "bin/python", f'echo "$@" > asked\n{dvc}')
        program(tmp_path / "bin/scontrol", 'echo "$@" > scontrol\n')
        (tmp_path / ".venv/bin").mkdir(parents=True)
        (tmp_path / ".venv/bin/activate").write_text('PATH="$PWD/bin:$PATH"\n')
        return subprocess.Popen(["bash", SCRIPT, *arguments], cwd=tmp_path,
                                env=os.environ | {"SLURM_JOB_ID": "17"})
    return start


def test_term_reaches_the_stage_and_queues_the_job_again(job, tmp_path):
    (tmp_path / "stage.py").write_text(STAGE)
    process = job(f'"{sys.executable}" stage.py; exit 255')
    while not (tmp_path / "started").exists():
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)  # Slurm sends it to the script alone
    assert process.wait() == 0
    assert (tmp_path / "saved").exists()
    assert (tmp_path / "scontrol").read_text() == "requeue 17\n"


@pytest.mark.parametrize("code", [0, 255])
def test_without_term_the_code_is_that_of_the_run(job, tmp_path, code):
    assert job(f"exit {code}", "train_s1", "--force").wait() == code
    assert (tmp_path / "asked").read_text() == "-m dvc repro train_s1 --force\n"
    assert not (tmp_path / "scontrol").exists()
