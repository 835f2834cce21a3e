"""Run the committed pipeline from nothing in a temporary clone and compare with what is committed.

    make replicate                      # the committed default
    make replicate RUN=desk/standard    # another committed run: <scale>/<suite>

Data stages must give the same bytes: the hashes of their outputs in dvc.lock are compared.
Training and evaluation repeat byte for byte on the same machine type; elsewhere, sums of floats
come in another order, so their numbers are held to the tolerances below. Prints one line per
check: reproduced, differs or not run. Exit status 1 unless everything is reproduced.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
EXACT = ("download", "format", "dedup", "langid")  # no floating-point model in them
VERDICTS = ("verdict", "stands")  # "stands": where a second contrast has to bear it out
# Largest accepted difference of a headline number (points), by the last part of its key.
TOLERANCE = {"delta": 1.5, "baseline": 1.0, "system": 1.0}


def outputs(lock: Path) -> dict[str, dict[str, str]]:
    """{stage: {output path: hash}} of a dvc.lock."""
    stages = YAML(typ="safe").load(lock.read_text(encoding="utf-8"))["stages"]
    return {name: {out["path"]: out["md5"] for out in stage.get("outs", [])}
            for name, stage in stages.items()}


def default_run() -> str:
    """The run that params.yaml names."""
    params = YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    return f"{params['scale']}/{params['suite']}"


def leaves(tree: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of a nested mapping, with its dotted key."""
    if isinstance(tree, dict):
        for name, value in tree.items():
            yield from leaves(value, f"{key}.{name}" if key else name)
    else:
        yield key, tree


def compare(committed: Path, rerun: Path, run: str) -> Iterator[tuple[str, str, str]]:
    """Yield (verdict, what, detail) for every stage output and every headline number."""
    before = outputs(committed / "reports" / run / "run.lock")
    after = outputs(rerun / "dvc.lock")
    for stage, outs in before.items():
        if stage.split("@")[0] == "significance":
            continue  # its numbers are compared below
        for path, digest in outs.items():
            found = after.get(stage, {}).get(path)
            if found is None:
                yield "not run", path, stage
            elif found == digest:
                yield "reproduced", path, "same bytes"
            elif stage.split("@")[0] in EXACT:
                yield "differs", path, f"{digest} is now {found}"
            else:
                yield "reproduced", path, "other bytes; its numbers are compared below"
    report = f"reports/{run}/significance.json"
    if not (rerun / report).is_file():
        yield "not run", report, ""
        return
    old, new = (dict(leaves(json.loads((root / report).read_text())["headline"]))
                for root in (committed, rerun))
    for key, value in old.items():
        last = key.rsplit(".", 1)[-1]
        if last not in VERDICTS and (last not in TOLERANCE or not isinstance(value, float | int)):
            continue  # a name or a number that is not compared
        if new.get(key) is None:
            yield "not run", key, ""
        elif last in VERDICTS:
            yield ("reproduced" if new[key] == value else "differs"), key, f"{value} → {new[key]}"
        else:
            close = abs(new[key] - value) <= TOLERANCE[last]
            yield ("reproduced" if close else "differs"), key, (
                f"{value:.3f} → {new[key]:.3f} (tolerance {TOLERANCE[last]})")


def run_again(folder: Path, run: str) -> None:
    """Clone the committed state into ``folder`` and run the pipeline there, with its own cache."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    scale, suite = run.split("/")
    params = folder / "params.yaml"
    text = re.sub(r"(?m)^scale: \w[\w.-]*", f"scale: {scale}", params.read_text())
    params.write_text(re.sub(r"(?m)^suite: \w[\w.-]*", f"suite: {suite}", text))
    (folder / "dvc.lock").unlink()
    shutil.rmtree(folder / "reports" / run)  # what is found there afterwards was made by this run
    done = subprocess.run([sys.executable, "-m", "dvc", "repro"], cwd=folder, env=environment,
                          check=False)
    if done.returncode:
        sys.exit(f"replicate: `dvc repro` ended with {done.returncode}; its messages stand above")


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", nargs="?", default=default_run(), help="<scale>/<suite>, a folder "
                        "of reports/ (default: that of params.yaml)")
    parser.add_argument("--against", type=Path, help="compare with this finished clone instead "
                        "of running a new one")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as scratch:
        rerun = args.against or Path(scratch) / "clone"
        if args.against is None:
            run_again(rerun, args.run)
        results = list(compare(ROOT, rerun, args.run))
    for verdict, what, detail in results:
        print(f"{verdict:<11} {what}  {detail}")
    count = {v: sum(r[0] == v for r in results) for v in ("reproduced", "differs", "not run")}
    print(", ".join(f"{n} {v}" for v, n in count.items()))
    sys.exit(0 if count["reproduced"] == len(results) else 1)


if __name__ == "__main__":
    main()
