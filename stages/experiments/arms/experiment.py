"""One arm as a DVC experiment: run it, take its result, and survive being stopped in between.

`dvc exp run --temp --single-item` runs exactly the stages that the arm changes, in a copy of the
last commit, so neither data stages nor the base can run again; DVC's cache keeps every stage that
had finished, and a stopped arm goes on from there. A result appears by a rename: whole or not at
all. All else below reports/<run>/arms is made again from results.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ...common import jsonl, params
from ...common.command import die_with_parent
from ...common.errors import UserError
from . import pipeline, record
from .definitions import REFERENCE
from .plan import CHECKED, RUNNING, Plan, Run, alive, load_json, named, running
from .result import gather, quick

Row = dict[str, Any]
# Paths whose uncommitted changes would go into an experiment that names another commit.
TRACKED = ("stages", "params.yaml", "dvc.yaml", "dvc.lock", "data/sources.lock")
COMPARED = ("rows", "quick", "training")  # of result.json: what `check` holds equal


def override(key: str, value: Any) -> str:
    """A parameter as `dvc exp run -S` takes it (Hydra's grammar)."""
    def text(one: Any) -> str:
        match one:
            case None:
                return "null"
            case bool():
                return str(one).lower()
            case dict():
                return "{" + ",".join(f"{name}:{text(inner)}" for name, inner in one.items()) + "}"
            case list():
                return "[" + ",".join(map(text, one)) + "]"
            case _:
                return str(one)
    return f"{key}={text(value)}"


def git(*arguments: str, check: bool = True) -> str:
    """What git prints; nothing where it fails and need not succeed."""
    return subprocess.run(["git", *arguments], check=check, text=True,
                          stdout=subprocess.PIPE).stdout.strip()


def dirty() -> list[str]:
    """Files an experiment is made of that differ from the last commit."""
    return [line[2:].strip() for line in git(
        "status", "--porcelain", "--untracked-files=no", "--", *TRACKED).splitlines()]


def recover() -> None:
    """Take back the overrides of an arm that was killed in the moment in which DVC had them in
    params.yaml: the marker of the dead run names them, and nothing else may differ."""
    marker = load_json(RUNNING, None)
    if marker is None or alive(marker["pid"]) or dirty() != [str(pipeline.FILE)]:
        return
    file = pipeline.FILE
    committed = pipeline.parse(git("show", f"HEAD:{file}"))
    if pipeline.parse(file.read_text("utf-8")) == pipeline.changed(committed, marker["set"]):
        git("checkout", "--quiet", "HEAD", "--", str(file))
        print(f"{file}: the overrides of {marker['name']}, which was stopped, are taken back")


def clean() -> str:
    """The present commit, if the files an experiment is made of are those of it: DVC would take
    uncommitted changes along under the commit's name."""
    if changed := dirty():
        raise UserError(f"{changed[0]} has uncommitted changes, which an experiment would "
                        "take along under the name of the last commit. Commit them first")
    return git("rev-parse", "HEAD")


def ready(plan: Plan, run: Run) -> None:
    """Raise UserError, before any work, where what the arm takes over is not there."""
    if other := plan.foreign(pipeline.load(Path("dvc.lock"))):
        raise UserError(f"dvc.lock: {other[0]} ran with other parameters. Run `dvc repro` at this "
                        "scale and suite, and commit dvc.lock")
    if missing := pipeline.missing([*run.identity["inputs"], "data/download", "data/format"]):
        raise UserError(f"{missing[0]} is not what dvc.lock says. Run `dvc checkout`, or `dvc "
                        "repro` where no cache holds it")


def reference_of(name: str, head: str) -> str:
    """Where DVC keeps the experiment of this name that started from ``head``."""
    return f"refs/exps/{head[:2]}/{head[2:]}/{name}"


def experiment(run: Run, head: str) -> float:
    """Run an arm as a DVC experiment; return seconds. Raises UserError if it failed."""
    start = time.monotonic()
    git("update-ref", "-d", reference_of(run.name, head))
    done = subprocess.run([
        sys.executable, "-m", "dvc", "exp", "run", "--temp", "--single-item", "--name", run.name,
        *(part for key, value in run.set.items() for part in ("-S", override(key, value))),
        *run.stages], check=False, preexec_fn=die_with_parent)
    if done.returncode:
        raise UserError(f"arm {run.name}: `dvc exp run` ended with {done.returncode}; its messages "
                        "stand above. Mend that and run again: finished stages are kept")
    return round(time.monotonic() - start, 1)


def gathered(run: Run, head: str, seconds: float | None, out: Path) -> None:
    """The result of an experiment that started from ``head``, into the empty folder ``out``."""
    kept = git("rev-parse", "--verify", "--quiet", reference_of(run.name, head), check=False)
    if not kept:
        raise UserError(f"there is no experiment {run.name} on commit {head[:12]}. Run "
                        f"`python -m stages.experiments.arms run --only {run.name}`")
    settings = {**params.get("significance"), "metrics": params.suite("metrics"),
                "primary_metric": params.suite("primary_metric")}
    gather(kept, run.arm.screen, settings, params.suite("evidence"), {
        "arm": run.arm.name, "seed": run.seed, "question": run.arm.question,
        "expects": run.arm.expects, "set": run.set, "screen": run.arm.screen,
        "identity": run.identity, "commit": head, "seconds": seconds}, out)


def collect(run: Run, plan: Plan, head: str, seconds: float | None) -> Path:
    """Put the result of a finished experiment into reports/, complete or not at all."""
    target = plan.folder / run.arm.name / str(run.seed)
    measure_base(plan)
    part = target.with_name(f"{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    gathered(run, head, seconds, part)
    if target.exists():
        shutil.rmtree(target)
    part.rename(target)
    return target


def measure_base(plan: Plan) -> None:
    """Quick scores of the base, unless those in base.json are of this base and these items."""
    file = plan.folder / "base.json"
    if load_json(file, {}).get("identity") != plan.quick:
        jsonl.write_json(file, {**quick("base", Path()), "identity": plan.quick})


def run_all(only: str | None, again: bool) -> None:
    """Run what has no result that holds, one after the other, and collect each at once.

    The plan is read again before each: results and commits may have come in the meantime. Stale
    results are run ``again`` only where that is asked for: ``check`` is cheaper.
    """
    plan = Plan()
    if busy := running():
        raise UserError(f"{RUNNING}: another `run` is busy with {busy}. Wait for it or stop it")
    asked = [(arm.name, seed) for arm in plan.arms.values() if not arm.needs for seed in arm.seeds
             if only in (None, arm.name, f"{arm.name}-{seed}")]
    if not asked:
        raise UserError(f"{only}: no such arm, or it waits for others. See `make arms-plan`")
    stale, failed = 0, []
    for name, seed in asked:
        head, plan = clean(), Plan()
        arm = plan.arms[name]
        run, state = plan.one(arm, seed), plan.state(arm, seed)
        stale += state == "stale"
        if run is None or state == "done" or (state == "stale" and not again):
            print(f"{name}-{seed}: {state}", flush=True)
            continue
        ready(plan, run)
        jsonl.write_json(RUNNING, {"pid": os.getpid(), "name": run.name, "set": run.set})
        try:
            seconds = experiment(run, head)
            if clean() != head:
                raise UserError(f"{run.name}: there was a commit while it ran, so its quick scores "
                                "would be those of other code. Run again: finished stages are kept")
            print(f"{run.name}: {collect(run, plan, head, seconds)}", flush=True)
        except (UserError, subprocess.CalledProcessError) as error:  # the others do not wait
            print(error, flush=True)
            failed.append(run.name)
        # Not where it is killed or interrupted: `recover` needs the marker then.
        RUNNING.unlink(missing_ok=True)
        record.write(Plan())
    if failed:
        raise UserError(f"{', '.join(failed)} failed: the messages stand above. Mend that and run "
                        "again")
    if stale and not again:
        print(f"{stale} results are stale, since code changed that made them. `make arms-check` "
              "shows whether it still gives equal bytes; `run --again` runs them again")


def check(plan: Plan) -> None:
    """Run the reference arm's first seed again; equal bytes keep all results of its code."""
    head, arm = clean(), plan.arms[REFERENCE]
    run, was = named(plan, arm.name, arm.seeds[0]), plan.result(arm.name, arm.seeds[0])
    if was is None:
        raise UserError(f"{plan.folder / arm.name}: the reference arm has no result to compare "
                        "with. Run `make arms`")
    ready(plan, run)
    experiment(run, head)
    with tempfile.TemporaryDirectory() as scratch:
        gathered(run, head, None, Path(scratch))
        now = load_json(Path(scratch) / "result.json", {})
    if other := [key for key in COMPARED if now[key] != was[key]]:
        raise UserError(f"{run.name} gives other bytes than its committed result: "
                        f"{', '.join(other)}. The results are stale; `python -m "
                        "stages.experiments.arms run --again` runs them again")
    file, before, after = plan.folder / CHECKED, was["identity"]["code"], run.identity["code"]
    pairs = load_json(file, [])
    new = [pair for pair in (sorted({before[stage], after[stage]}) for stage in after)
           if len(pair) == 2 and pair not in pairs]
    if new:
        jsonl.write_json(file, pairs + [pair for n, pair in enumerate(new) if pair not in new[:n]])
    print(f"{run.name}: equal bytes; results of the code that made it hold")

