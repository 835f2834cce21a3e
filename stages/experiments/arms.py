"""Run the arms of ``params.yaml: arms`` as DVC experiments.

    python -m stages.experiments.arms list|run|collect|check

in     params arms, and everything that the pipeline reads; dvc.lock of its last run
       reports/<scale>/<suite>/arms/<arm>/<seed>/result.json of arms that are done
out    reports/<scale>/<suite>/arms/arms.json   every arm and its state, for the report
       .../<arm>/<seed>/   result.json {arm, seed, set, question, identity, commit, scores, drift,
                           quick checks, hashes, seconds}; unless screened only, the published rows
                           of the tuned system (see ``rows.published``)
       .../base.json       quick scores of the base
       .../checked.json    pairs of code, by hash, shown to give equal bytes

list     arms in order, minutes by recorded stage costs, state
run      every arm and seed that is not done, one after the other, each a DVC experiment named
         <arm>-<seed> in a temporary copy (`dvc exp run --temp`), then collects it
collect  collects an experiment that was run by hand under that name
check    runs the reference arm again after a change of code and compares bytes

A result is done while its identity holds: the parameters of every stage that the arm reruns, the
hashes of what it takes from the others (base, pairs, items), and the code of training and scoring.
No weights and no cache are needed to see that. A change of code makes results stale until ``check``
has found equal bytes. Results appear by a rename, so a stopped run leaves none half written; DVC
keeps the stages that had finished.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from ..common import jsonl, params
from ..common.command import run_stage
from ..common.errors import UserError
from ..common.hashes import of_json
from ..model.layers import chosen
from . import arm_graph, arm_list
from .arm_graph import Graph, Tree
from .arm_list import REFERENCE, SEED, Arm
from .arm_result import TESTS, TRAIN, gather, quick

Row = dict[str, Any]
OWN_CODE = "stages/experiments/arm_quick.py"
RUNNING, CHECKED = "running.part", "checked.json"  # git ignores *.part
# Paths whose uncommitted changes would go into an experiment that names another commit.
TRACKED = ("stages", "params.yaml", "dvc.yaml", "dvc.lock", "data/sources.lock")


class Run(NamedTuple):
    """One arm with one seed: its overrides, what identifies its result, the stages it reruns."""

    arm: Arm
    seed: int
    set: Row
    identity: Row
    reruns: list[str]

    @property
    def name(self) -> str:
        return f"{self.arm.name}-{self.seed}"


def load_json(file: Path, otherwise: Any) -> Any:
    return json.loads(file.read_text("utf-8")) if file.is_file() else otherwise


class Plan:
    """The arms of this repository at its scale and suite, and where their results lie."""

    def __init__(self) -> None:
        self.tree: Tree = arm_graph.load(arm_graph.FILE)
        self.lock: Tree = arm_graph.load(Path("dvc.lock"))
        self.graph: Graph = arm_graph.read_graph()
        self.run = Path("reports") / params.get("scale") / params.get("suite")
        self.folder = self.run / "arms"
        self.arms = arm_list.read(params.get("arms"))
        arm_list.refuse(self.arms, [*TRAIN, *TESTS], self.graph, self.tree)
        self.usual = arm_graph.signatures([*TRAIN, *TESTS], self.graph, self.tree)
        self.costs = costs(self.run / "runtime.json")

    def targets(self, arm: Arm) -> list[str]:
        return TRAIN if arm.screen else [*TRAIN, *TESTS]

    def result(self, arm: str, seed: int) -> Row | None:
        found: Row | None = load_json(self.folder / arm / str(seed) / "result.json", None)
        return found

    def gains(self) -> dict[str, float]:
        """Dev gain over the base of every arm whose seeds are all done, points."""
        if (about := load_json(self.folder / "base.json", None)) is None:
            return {}
        base, found = fmean(about["dev"].values()), {}
        for arm in self.arms.values():
            done = [self.result(arm.name, seed) for seed in arm.seeds]
            if done and all(done):
                found[arm.name] = fmean(fmean(one["quick"]["dev"].values()) - base
                                        for one in done if one)
        return found

    def one(self, arm: Arm, seed: int) -> Run | None:
        """None while the arm waits for others to be screened."""
        found = arm_list.resolved(arm, self.arms, self.gains())
        if found is None:
            return None
        overrides = {**found.set, SEED: seed}
        tree = arm_graph.changed(self.tree, overrides)
        targets = self.targets(arm)
        signatures = arm_graph.signatures(targets, self.graph, tree)
        reruns = [name for name in signatures if name in (*TRAIN, *TESTS)
                  or signatures[name] != self.usual.get(name)]
        stages = [self.graph[name] for name in reruns]
        return Run(arm, seed, overrides, {
            "settings": of_json({stage.name: arm_graph.settings(stage, tree) for stage in stages}),
            "inputs": arm_graph.locked(stages, self.lock), "screen": arm.screen,
            "code": arm_graph.code(stages, [OWN_CODE])}, reruns)

    def state(self, arm: Arm, seed: int) -> str:
        """done, stale, not run, waits, or running."""
        if arm.needs:
            return f"not run: needs {arm.needs}"
        found, run = self.result(arm.name, seed), self.one(arm, seed)
        if run is None:
            return "not run: waits for the arms it is chosen from"
        if found is None:
            return "running" if running(self.folder) == run.name else "not run"
        return "done" if self.holds(found["identity"], run.identity) else "stale"

    def holds(self, was: Row, now: Row) -> bool:
        """Does a result's identity hold? Its code may be other code shown to give equal bytes."""
        equal = load_json(self.folder / CHECKED, [])
        same = {key: value for key, value in was.items() if key != "code"} == {
            key: value for key, value in now.items() if key != "code"}
        if not same or was["code"] == now["code"]:
            return same
        links = {frozenset(pair) for pair in equal}
        reached, new = {was["code"]}, {was["code"]}
        while new:
            new = {one for pair in links if pair & reached for one in pair} - reached
            reached |= new
        return now["code"] in reached

    def minutes(self, run: Run, seen: set[str]) -> float | None:
        """By the recorded costs of the pipeline's stages, less what earlier arms in ``seen`` have
        made already; None without records. Training is scaled by pairs, passes and layers."""
        tree = arm_graph.changed(self.tree, run.set)
        signatures = arm_graph.signatures(self.targets(run.arm), self.graph, tree)
        total = quick_seconds(self.costs, self.tree)
        for name in run.reruns:
            if signatures[name] in seen:
                continue
            seen.add(signatures[name])
            if name not in self.costs:
                return None
            total += self.costs[name] * (work(name, tree) / work(name, self.tree)
                                         if name in TRAIN else 1)
        return total / 60


def costs(file: Path) -> dict[str, float]:
    """{stage: seconds} of the last recorded run."""
    return {row["stage"]: float(row["seconds"]) for row in load_json(file, [])}


def quick_seconds(recorded: Mapping[str, float], tree: Tree) -> float:
    """About what the quick scores take: a part of the translations, a share of the items."""
    suite = tree["suites"][tree["suite"]]
    share = suite["eval_reason"]["screen"]["share"]
    return (recorded.get(TESTS[0], 0.0) * min(1, 30 / suite["eval_mt"]["segments"])
            + recorded.get(TESTS[1], 0.0) * share / (1 - share))


def work(stage: str, tree: Tree) -> float:
    """Relative cost of a training stage: pairs, passes, and passes over the layers (forward all,
    back to the lowest trained one, weights of the trained ones)."""
    scale, settings = tree["scales"][tree["scale"]], tree[stage]
    depth, layers = scale["model"]["depth"], tree["layers"]
    blocks = (layers["bottom"],) if stage == TRAIN[0] else (
        layers["bottom"], layers["top"], layers["skip"])
    tuned = chosen(settings["layers"], depth, *blocks)
    if not tuned:
        return 0.02  # loading and the held-out loss
    start, end = settings["pairs"]
    pairs = sum(scale["qe"]["select"]["pairs"].values())
    return float(pairs * (end - start) * settings["epochs"] * (
        depth + (depth - min(tuned)) + len(tuned)))


def running(folder: Path) -> str | None:
    """Name of the experiment that a living `run` is busy with."""
    file = folder / RUNNING
    if not file.is_file():
        return None
    pid, _, name = file.read_text("utf-8").partition(" ")
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, ValueError):
        return None
    return name.strip()


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


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], check=True, text=True,
                          stdout=subprocess.PIPE).stdout.strip()


def clean() -> str:
    """The present commit, if the files an experiment is made of are those of it: DVC would take
    uncommitted changes along under the commit's name."""
    if dirty := git("status", "--porcelain", "--untracked-files=no", "--", *TRACKED):
        raise UserError(f"{dirty.split()[1]} has uncommitted changes, which an experiment would "
                        "take along under the name of the last commit. Commit them first")
    return git("rev-parse", "HEAD")


def reference_of(name: str, head: str) -> str:
    """Where DVC keeps the experiment of this name that started from ``head``."""
    return f"refs/exps/{head[:2]}/{head[2:]}/{name}"


def experiment(run: Run, targets: list[str], head: str) -> float:
    """Run an arm as a DVC experiment; return seconds. Raises UserError if it failed."""
    start = time.monotonic()
    subprocess.run(["git", "update-ref", "-d", reference_of(run.name, head)], check=True)
    done = subprocess.run([
        sys.executable, "-m", "dvc", "exp", "run", "--temp", "--name", run.name,
        *(part for key, value in run.set.items() for part in ("-S", override(key, value))),
        *targets], check=False)
    if done.returncode:
        raise UserError(f"arm {run.name}: `dvc exp run` ended with {done.returncode}; its messages "
                        "stand above. Mend that and run again: finished stages are kept")
    return round(time.monotonic() - start, 1)


def gathered(run: Run, head: str, seconds: float | None, out: Path) -> None:
    """The result of an experiment that started from ``head``, into the empty folder ``out``."""
    kept = subprocess.run(["git", "rev-parse", "--verify", "--quiet",
                           reference_of(run.name, head)], text=True, stdout=subprocess.PIPE,
                          check=False).stdout.strip()
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
    base, target = plan.folder / "base.json", plan.folder / run.arm.name / str(run.seed)
    if not base.is_file():
        jsonl.write_json(base, quick("base", Path()))
    part = target.with_name(f"{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    gathered(run, head, seconds, part)
    if target.exists():
        shutil.rmtree(target)
    part.rename(target)
    return target


def table(plan: Plan) -> list[Row]:
    """Every arm and seed in order: state, minutes, overrides."""
    rows: list[Row] = []
    seen = set(plan.usual.values())
    for arm in plan.arms.values():
        about = {"arm": arm.name, "question": arm.question, "expects": arm.expects,
                 "screen": arm.screen, "set": arm.set, "flip": arm.flip}
        for seed in arm.seeds or [None]:  # type: ignore[list-item]
            if seed is None:
                state = f"not run: needs {arm.needs}" if arm.needs else "from rows"
                rows.append({**about, "seed": None, "state": state, "minutes": None})
                continue
            run, state = plan.one(arm, seed), plan.state(arm, seed)
            minutes = plan.minutes(run, seen) if run and state != "done" else None
            rows.append({**about, "seed": seed, "state": state, "minutes": minutes,
                         "set": run.set if run else arm.set})
    return rows


def show(plan: Plan) -> list[Row]:
    """Print the plan, and write it for the report."""
    from rich import print
    from rich.table import Table

    rows = table(plan)
    jsonl.write_json(plan.folder / "arms.json", [
        {key: value for key, value in row.items() if key != "minutes"} for row in rows])
    out = Table("", "arm", "seed", "test", "minutes", "state")
    for place, row in enumerate(rows, 1):
        out.add_row(str(place), row["arm"], str(row["seed"] or ""),
                    "screen" if row["screen"] else "whole" if row["seed"] else "",
                    f"{row['minutes']:.0f}" if row["minutes"] is not None else "", row["state"])
    print(out)
    left = [row["minutes"] for row in rows if row["minutes"] is not None]
    print(f"{len(rows)} arms and seeds, {sum(row['state'] == 'done' for row in rows)} done; about "
          f"{sum(left):.0f} minutes for {len(left)} of the others")
    return rows


def run_all(only: str | None) -> None:
    """Run what is not done, one after the other, and collect each at once.

    The plan is read again before each: results and commits may have come in the meantime.
    """
    for name, seed in [(arm.name, seed) for arm in Plan().arms.values() if not arm.needs
                       for seed in arm.seeds]:
        if only and only not in (name, f"{name}-{seed}"):
            continue
        head, plan = clean(), Plan()
        arm = plan.arms[name]
        run, state = plan.one(arm, seed), plan.state(arm, seed)
        if run is None or state == "done":
            print(f"{name}-{seed}: {state}", flush=True)
            continue
        jsonl.write_text(plan.folder / RUNNING, f"{os.getpid()} {run.name}\n")
        try:
            seconds = experiment(run, plan.targets(arm), head)
            print(f"{run.name}: {collect(run, plan, head, seconds)}", flush=True)
        finally:
            (plan.folder / RUNNING).unlink(missing_ok=True)


def check(plan: Plan) -> None:
    """Run the reference arm's first seed again; equal bytes keep all results of its code."""
    head, arm = clean(), plan.arms[REFERENCE]
    run, was = plan.one(arm, arm.seeds[0]), plan.result(arm.name, arm.seeds[0])
    if run is None or was is None:
        raise UserError(f"{plan.folder / arm.name}: the reference arm has no result to compare "
                        "with. Run `make arms`")
    experiment(run, plan.targets(arm), head)
    with tempfile.TemporaryDirectory() as scratch:
        gathered(run, head, None, Path(scratch))
        now = json.loads((Path(scratch) / "result.json").read_text("utf-8"))
    if other := [key for key in ("rows", "quick", "training") if now[key] != was[key]]:
        raise UserError(f"{run.name} gives other bytes than its committed result: "
                        f"{', '.join(other)}. The results are stale; `make arms` runs them again")
    file, pair = plan.folder / CHECKED, sorted({was["identity"]["code"], run.identity["code"]})
    pairs = load_json(file, [])
    if len(pair) == 2 and pair not in pairs:
        jsonl.write_json(file, [*pairs, pair])
    print(f"{run.name}: equal bytes; results of code {was['identity']['code'][:12]} hold")


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    steps = parser.add_subparsers(dest="step", required=True)
    steps.add_parser("list", help="print every arm, its minutes and its state")
    only = steps.add_parser("run", help="run and collect what is not done")
    only.add_argument("--only", metavar="NAME", help="this arm, or this <arm>-<seed>")
    one = steps.add_parser("collect", help="collect an experiment that was run by hand")
    one.add_argument("arm")
    one.add_argument("seed", type=int)
    steps.add_parser("check", help="does changed code still give the reference arm's bytes?")
    args = parser.parse_args(argv)
    plan = Plan()
    match args.step:
        case "list":
            show(plan)
        case "run":
            run_all(args.only)
            show(Plan())
        case "check":
            check(plan)
        case "collect":
            run = plan.one(plan.arms[args.arm], args.seed) if args.arm in plan.arms else None
            if run is None:
                raise UserError(f"{args.arm}: no such arm, or it waits for others. "
                                "See `python -m stages.experiments.arms list`")
            print(collect(run, plan, git("rev-parse", "HEAD"), None))


if __name__ == "__main__":
    run_stage(main)
