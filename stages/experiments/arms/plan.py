"""Which arms there are, what identifies the result of each, and which of them have one.

in     params.yaml (arms, arm_scores and all that the pipeline reads), dvc.yaml, dvc.lock
       reports/<scale>/<suite>/arms/   results, base.json, checked.json

A result is *done* while its identity holds: the settings of every stage that the arm runs, the
hashes of what it takes from the others (base, pairs, items), and the code of training and scoring.
No weights and no cache are needed to see that. It is *outdated* once settings or inputs are others,
and *stale* where only code is: then ``check`` can show that the code still gives equal bytes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from ...common import params
from ...common.errors import UserError
from ...common.hashes import of_json
from ...model.layers import chosen
from . import definitions, pipeline
from .definitions import SEED, Arm
from .pipeline import Graph, Tree
from .result import SYSTEM, TESTS, TRAIN

Row = dict[str, Any]
# What the quick scores of an arm are computed with, beside the code of the stages that test.
OWN_CODE = ["stages/decoding/drift.py", "stages/experiments/arms/quick.py",
            "stages/rows/extraction.py", "stages/rows/lexical.py", "stages/rows/results.py",
            "stages/rows/seeded.py", "stages/rows/segments.py"]
RUNNING, CHECKED = Path("data/arms_running.json"), "checked.json"
BASE = [name.replace(SYSTEM, "base") for name in TESTS]


class Run(NamedTuple):
    """One arm with one seed: its overrides, what identifies its result, the stages it runs."""

    arm: Arm
    seed: int
    set: Row
    identity: Row
    stages: list[str]

    @property
    def name(self) -> str:
        return f"{self.arm.name}-{self.seed}"


def load_json(file: Path, otherwise: Any) -> Any:
    return json.loads(file.read_text("utf-8")) if file.is_file() else otherwise


class Plan:
    """The arms of this repository at its scale and suite, and where their results lie."""

    def __init__(self) -> None:
        self.tree: Tree = pipeline.load(pipeline.FILE)
        self.graph: Graph = pipeline.read_graph()
        self.run = Path("reports") / params.get("scale") / params.get("suite")
        self.folder = self.run / "arms"
        self.arms = definitions.read(params.get("arms"))
        definitions.refuse(self.arms, [*TRAIN, *TESTS], self.graph, self.tree)
        self.usual = pipeline.signatures([*TRAIN, *TESTS], self.graph, self.tree)
        self.lock = self.find_lock()
        self.costs = costs(self.run / "runtime.json")
        base = [self.graph[name] for name in BASE]
        self.quick = of_json([[pipeline.settings(stage, self.tree) for stage in base],
                              params.get("arm_scores"), pipeline.locked(base, self.lock)])

    def find_lock(self) -> Tree:
        """dvc.lock, or where that is of another scale or suite, the lock of this run's report."""
        found = pipeline.load(Path("dvc.lock"))
        if (kept := self.run / "run.lock").is_file() and self.foreign(found):
            return pipeline.load(kept)
        return found

    def foreign(self, lock: Tree) -> list[str]:
        """Stages that ``lock`` has with other parameters than the present ones."""
        return pipeline.foreign([*TRAIN, *TESTS, *BASE], self.graph, self.tree, lock)

    def targets(self, arm: Arm) -> list[str]:
        return TRAIN if arm.screen else [*TRAIN, *TESTS]

    def result(self, arm: str, seed: int) -> Row | None:
        found: Row | None = load_json(self.folder / arm / str(seed) / "result.json", None)
        return found

    @cached_property
    def gains(self) -> dict[str, float]:
        """Dev gain over the base of every arm whose seeds all have a result, points. Stale ones
        count: what was chosen by them stays chosen until other bytes are seen."""
        if (about := load_json(self.folder / "base.json", None)) is None:
            return {}
        base, found = fmean(about["dev"].values()), {}
        for arm in self.arms.values():
            # An arm that is chosen needs others' gains itself, and nothing is chosen by its own.
            if arm.choose is None and arm.seeds and all(
                    self.state(arm, seed) in ("done", "stale") for seed in arm.seeds):
                results = [self.result(arm.name, seed) for seed in arm.seeds]
                found[arm.name] = fmean(fmean(one["quick"]["dev"].values()) - base
                                        for one in results if one)
        return found

    def one(self, arm: Arm, seed: int) -> Run | None:
        """None while the arm waits for others to be screened."""
        found = arm if arm.choose is None else definitions.resolved(arm, self.arms, self.gains)
        return None if found is None else self.written(found, seed)

    def supposed(self, arm: Arm, seed: int) -> Run:
        """A waiting arm as if the first it may be chosen from were it: for its cost alone."""
        return self.written(arm._replace(
            set=self.arms[arm.choose.of[0]].set | arm.set if arm.choose else arm.set), seed)

    def written(self, arm: Arm, seed: int) -> Run:
        """The run of an arm that waits for nothing."""
        overrides = {**arm.set, SEED: seed}
        tree, targets = pipeline.changed(self.tree, overrides), self.targets(arm)
        signatures = pipeline.signatures(targets, self.graph, tree)
        names = [name for name in signatures
                 if name in targets or signatures[name] != self.usual.get(name)]
        stages = [self.graph[name] for name in names]
        return Run(arm, seed, overrides, {
            "settings": of_json({stage.name: pipeline.settings(stage, tree) for stage in stages}),
            "inputs": pipeline.locked(stages, self.lock), "quick": self.quick, "screen": arm.screen,
            "code": {stage.name: pipeline.code(stage.deps) for stage in stages}
            | {"quick": pipeline.code(OWN_CODE)}}, names)

    def state(self, arm: Arm, seed: int) -> str:
        """done, stale, outdated, running, or not run and why."""
        if arm.needs:
            return f"not run: needs {arm.needs}"
        found, run = self.result(arm.name, seed), self.one(arm, seed)
        if run is None:
            return "not run: waits for the arms it is chosen from"
        if running() == run.name:
            return "running"
        if found is None:
            return "not run"
        return held(found["identity"], run.identity, load_json(self.folder / CHECKED, []))

    def minutes(self, run: Run, seen: set[str]) -> float | None:
        """By the recorded costs of the pipeline's stages, less what earlier arms in ``seen`` have
        made already; None without records. Training is scaled by pairs, passes and layers."""
        tree = pipeline.changed(self.tree, run.set)
        signatures = pipeline.signatures(self.targets(run.arm), self.graph, tree)
        total = quick_seconds(self.costs, self.tree)
        for name in run.stages:
            if signatures[name] in seen:
                continue
            seen.add(signatures[name])
            if name not in self.costs:
                return None
            total += self.costs[name] * (work(name, tree) / work(name, self.tree)
                                         if name in TRAIN else 1)
        return total / 60


def held(was: Row, now: Row, checked: list[list[str]]) -> str:
    """done, outdated or stale: does a result's identity hold? The code of a stage may be other code
    that ``check`` has shown to give equal bytes, at one remove or several."""
    if any(was.get(key) != now[key] for key in now if key != "code"):
        return "outdated"
    same = was["code"].keys() == now["code"].keys() and all(
        now["code"][stage] in equals(code, checked) for stage, code in was["code"].items())
    return "done" if same else "stale"


def equals(code: str, checked: list[list[str]]) -> set[str]:
    """The code, by hash, that gives the same bytes as this one."""
    reached = {code}
    for _ in checked:
        reached |= {one for pair in checked if reached & set(pair) for one in pair}
    return reached


def costs(file: Path) -> dict[str, float]:
    """{stage: seconds} of the last recorded run."""
    return {row["stage"]: float(row["seconds"]) for row in load_json(file, [])}


def quick_seconds(recorded: Mapping[str, float], tree: Tree) -> float:
    """About what the quick scores take, by the share of segments and items that they ask for."""
    suite, asked = tree["suites"][tree["suite"]], tree["arm_scores"]
    segments = suite["eval_mt"]["segments"] or 120  # null: all of them
    return (recorded.get(TESTS[0], 0.0) * min(1, asked["segments"] / segments)
            + recorded.get(TESTS[1], 0.0) * min(1, asked["items"] / suite["eval_reason"]["items"]))


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


def running() -> str | None:
    """Name of the arm and seed that a living `run` is busy with."""
    marker = load_json(RUNNING, None)
    return str(marker["name"]) if marker and alive(marker["pid"]) else None


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def named(plan: Plan, arm: str, seed: int) -> Run:
    """The run of that name. Raises UserError where there is none, or not yet."""
    run = plan.one(plan.arms[arm], seed) if arm in plan.arms and not plan.arms[arm].needs else None
    if run is None:
        raise UserError(f"{arm}: no such arm, or it waits for others. See `make arms-plan`")
    return run
