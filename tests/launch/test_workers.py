"""Work is spread over processes without anything of it being lost, changed or left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from stages.common.errors import BAD_CONFIG, IO_FAILED, UserError
from stages.launch import workers

ROOT = Path(__file__).parents[2]
CPU = torch.device("cpu")


@pytest.fixture(params=[1, 2, 3])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_every_part_is_done_once_by_processes_of_one_thread(threads):
    seen = torch.arange(7)  # copied with the process, not sent

    def work(part):
        return int(seen[part]) ** 2, torch.get_num_threads(), os.getpid()

    found = dict(workers.mapped(work, list(range(7)), CPU))
    assert {place: result[0] for place, result in found.items()} == {n: n * n for n in range(7)}
    assert {result[1] for result in found.values()} == {1}
    by = {result[2] for result in found.values()}
    assert (by == {os.getpid()}) == (threads == 1) and len(by) <= threads
    assert torch.get_num_threads() == threads


def test_nothing_to_do(threads):
    assert list(workers.mapped(len, [], CPU)) == []


def test_what_a_part_raises_is_raised_here(threads):
    def work(part):
        if part == 1:
            raise UserError("params.yaml: of no use", BAD_CONFIG)
        return part

    with pytest.raises(UserError, match="of no use") as error:
        list(workers.mapped(work, [0, 1, 2, 3], CPU))
    assert error.value.code == BAD_CONFIG
    assert torch.get_num_threads() == threads
    assert dict(workers.mapped(abs, [-1, -2], CPU)) == {0: 1, 1: 2}


@pytest.mark.skipif(sys.platform != "linux", reason="there all parts are done in one process")
def test_a_killed_worker_is_named_with_the_remedy(threads):
    if threads == 1:
        return
    with pytest.raises(UserError, match=r"killed.*memory.*machine\.threads") as error:
        list(workers.mapped(lambda part: os.kill(os.getpid(), signal.SIGKILL), [0, 1], CPU))
    assert error.value.code == IO_FAILED


SLEEPERS = """
import os, sys, time, torch
from stages.launch import workers
torch.set_num_threads(2)
def work(part):
    print(os.getpid(), flush=True)
    time.sleep(600)
list(workers.mapped(work, [0, 1], torch.device("cpu")))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="there all parts are done in one process")
def test_a_killed_stage_leaves_no_worker():
    with subprocess.Popen([sys.executable, "-c", SLEEPERS], cwd=ROOT, stdout=subprocess.PIPE,
                          text=True) as parent:
        pids = [int(parent.stdout.readline()) for _ in range(2)]
        assert all(Path(f"/proc/{pid}").exists() for pid in pids)
        parent.kill()
    end = time.monotonic() + 20
    while any(state(pid) not in ("", "Z") for pid in pids):
        assert time.monotonic() < end
        time.sleep(0.05)


def state(pid):
    """Of a process as Linux tells it: Z of one that nobody has waited for yet, "" of none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""
