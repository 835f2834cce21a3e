"""The frame around every stage: one-line errors, exit codes, orphan protection, run cost.

A stage ends with ``if __name__ == "__main__": run_stage(main)``. What that adds to ``main``:

* ``UserError`` becomes one line on stderr and its exit code; anything else keeps its traceback,
  because it is a bug of ours and the reader of the log needs it.
* On Linux the process asks to be killed with its parent. DVC starts a stage without a process
  group, so a killed ``dvc repro`` would otherwise leave a second writer behind.
* Under DVC, wall seconds, peak resident memory and the processor go to
  ``data/runtime/<stage>.json``. They differ from run to run, so they are no DVC output; the report
  shows them.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from . import jsonl
from .errors import IO_FAILED, UserError

RUNTIME = Path("data/runtime")


def die_with_parent() -> None:
    """Ask Linux to send SIGKILL to this process when its parent ends (no-op elsewhere)."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        parent = os.getppid()
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
        if os.getppid() != parent:  # it died between the two calls
            sys.exit(IO_FAILED)


def offline(wanted: bool) -> None:
    """Forbid every model hub, where a scale says so. Before the libraries that ask are imported."""
    if wanted:
        os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}


def processor() -> str:
    """Name of the processor as far as the system tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def run_stage(main: Callable[[], None]) -> None:
    """Run ``main`` as a process of its own and exit with 0, 65, 74 or 78."""
    die_with_parent()
    # DVC names the stage, e.g. "eval_mt@base"; by hand the module name has to do, or its folder's.
    script = Path(sys.argv[0])
    by_hand = script.parent.name if script.stem == "__main__" else script.stem
    name = os.environ.get("DVC_STAGE") or by_hand
    start = time.monotonic()
    try:
        main()
    except UserError as error:
        print(f"{name}: {error}", file=sys.stderr)
        sys.exit(error.code)
    except OSError as error:
        print(f"{name}: {error}. Check the path, free disk space and permissions, then run again.",
              file=sys.stderr)
        sys.exit(IO_FAILED)
    seconds = round(time.monotonic() - start, 1)
    peak = max(resource.getrusage(who).ru_maxrss
               for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    kib = peak if sys.platform == "linux" else peak // 1024  # macOS counts bytes
    if "DVC_STAGE" in os.environ:
        jsonl.write_json(RUNTIME / f"{name}.json",
                         {"stage": name, "seconds": seconds, "peak_mib": round(kib / 1024),
                          "machine": f"{processor()}, {os.cpu_count()} cores"})
    print(f"{name}: done in {seconds} s, peak memory {kib // 1024} MiB", file=sys.stderr)
