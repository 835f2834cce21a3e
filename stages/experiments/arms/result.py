"""The result of one arm and seed, out of the commit of its DVC experiment.

in     an experiment's commit: its params.yaml, dvc.lock, weights, translations and answers
out    a folder with result.json and, unless the arm is screened only, the published rows of the
       tuned system
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from ...common import jsonl
from ...common.hashes import file_sha256
from ...rows import published
from .pipeline import parse

Row = dict[str, Any]
TRAIN = ["train_s1", "train_s2"]
SYSTEM = "xplus"
TESTS = [f"eval_mt@{SYSTEM}", f"eval_reason@{SYSTEM}"]
ROWS = ("segments.jsonl.gz", "translation.json", "items.jsonl.gz", "reasoning.json")
ROOT = Path(__file__).parents[3]


def out_of(stage: str) -> str:
    """The folder that a stage writes: data/eval_mt/xplus of eval_mt@xplus."""
    return f"data/{stage.replace('@', '/')}"


def quick(system: str, folder: Path) -> Row:
    """Quick scores by the settings in ``folder``, in a process of its own: it frees its memory."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "quick.json"
        subprocess.run([sys.executable, "-m", "stages.experiments.arms.quick", system, str(out)],
                       cwd=folder, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
        found: Row = json.loads(out.read_text("utf-8"))
    return found


def checks(folder: Path) -> Row:
    """What a training stage trained, and the paper's quick checks: held-out loss before and after,
    size of every layer's gradient."""
    about = json.loads((folder / "config.json").read_text("utf-8"))
    with open(folder / "sensitivity.csv", encoding="utf-8", newline="") as lines:
        table = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(lines)]
    return {**{key: about[key] for key in ("layers", "dev_loss", "pairs", "steps", "tokens",
                                           "trained_parameters")},
            "weights": file_sha256(folder / "layers.safetensors"), "sensitivity": table}


def gather(commit: str, screen: bool, settings: Row, evidence: str, about: Row, out: Path) -> None:
    """Write an experiment's result into ``out``, an empty folder.

    ``screen``: nothing was tested, so there are no rows. ``settings``: of `significance` and the
    suite, for the rows; ``about``: what else result.json says of the arm.
    """
    from dvc.api import DVCFileSystem

    files = DVCFileSystem(".", rev=commit)
    lock = parse(files.read_text("dvc.lock"))
    with tempfile.TemporaryDirectory() as scratch:
        fetched = Path(scratch)
        (fetched / "params.yaml").write_text(files.read_text("params.yaml"), encoding="utf-8")
        for stage in TRAIN if screen else [*TRAIN, *TESTS]:
            (fetched / out_of(stage)).parent.mkdir(parents=True, exist_ok=True)
            files.get(out_of(stage), str(fetched / out_of(stage)), recursive=True)
        for name in ("download", "format"):
            (fetched / "data" / name).symlink_to(Path("data", name).resolve())
        training = {stage: checks(fetched / out_of(stage)) for stage in TRAIN}
        scores = quick(SYSTEM, fetched)
        if not screen:
            publish(fetched, settings, evidence, out)
    jsonl.write_json(out / "result.json", {
        **about, "quick": scores, "training": training,
        "read": {entry["path"]: entry["md5"] for entry in lock["stages"][TRAIN[0]]["deps"]
                 if entry["path"].startswith("data/")},
        "rows": {name: file_sha256(out / name) for name in ROWS if (out / name).is_file()}})


def publish(fetched: Path, settings: Row, evidence: str, out: Path) -> None:
    """The rows of the tuned system, checked to pair with those of this run's base."""
    for stage in TESTS:
        kind = Path(out_of(stage)).parent
        (fetched / kind / "base").symlink_to((kind / "base").resolve())
    published.publish(fetched / "data/eval_mt", fetched / "data/eval_reason",
                      {**settings, "contrasts": [[SYSTEM, "base"]], "confirm": None, "later": []},
                      evidence, fetched / "rows")
    for name in ROWS:
        shutil.copy(fetched / "rows" / SYSTEM / name, out / name)
