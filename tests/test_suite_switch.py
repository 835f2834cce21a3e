"""Another suite judges the same systems: nothing up to ``train_s2`` changes, as DVC resolves it.

Read from the resolved pipeline, not from the text of dvc.yaml: a stage may reach a suite through a
variable, through the value of a key, or through what it depends on.
"""

import json
from functools import reduce
from pathlib import Path
from typing import Any

import networkx
import pytest
from dvc.dependency.param import ParamsDependency
from ruamel.yaml import YAML

from tests import resolved as pipeline

ROOT = Path(__file__).parents[1]
TRAINED = {"download@model", "download@encoder", "download@spm", "download@lid", "download@train",
           "download@test", "format@corpus", "dedup", "langid", "qe@score", "qe@select", "train_s1",
           "train_s2"}
JUDGING = {"download@judges", "download@items", "download@suite_test", "download@calibration",
           "format@suite", "significance"}


def value(tree: Any, key: str) -> Any:
    """What a dotted key of a settings file holds."""
    return reduce(lambda node, step: node[step], key.split("."), tree)


def resolved(folder: Path, suite: str, edit: tuple[str, str] = ("", "")) -> dict[str, Any]:
    """{stage: command, deps, values of its params, outs, the stages it rests on} as DVC has them
    for a suite, after one ``edit`` of dvc.yaml."""
    files = {name: (ROOT / name).read_text() for name in (
        "params.yaml", "dvc.yaml", "data/sources.lock")}
    assert "\nsuite: desk" in files["params.yaml"] and edit[0] in files["dvc.yaml"]
    files["params.yaml"] = files["params.yaml"].replace("\nsuite: desk", f"\nsuite: {suite}")
    files["dvc.yaml"] = files["dvc.yaml"].replace(*edit, 1)
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    trees = {"params.yaml": YAML(typ="safe").load(files["params.yaml"]),
             "data/sources.lock": json.loads(files["data/sources.lock"])}
    index = pipeline.index(folder)
    return {stage.name: {
        "cmd": stage.cmd, "deps": [dep.def_path for dep in stage.deps],
        "params": {(dep.def_path, key): value(trees[dep.def_path], key) for dep in stage.deps
                   if isinstance(dep, ParamsDependency) for key in dep.params},
        "outs": [out.def_path for out in stage.outs],
        "rests on": {found.name for found in networkx.descendants(index.graph, stage)}}
        for stage in index.stages}


def touched(folder: Path, edit: tuple[str, str] = ("", "")) -> set[str]:
    """Stages that ``train_s2`` rests on, itself included, and that the suite changes."""
    desk, standard = (resolved(folder / suite, suite, edit) for suite in ("desk", "standard"))
    assert set(desk) == set(standard)
    needed = {"train_s2"} | desk["train_s2"]["rests on"] | standard["train_s2"]["rests on"]
    return {stage for stage in needed if desk[stage] != standard[stage]}


def test_everything_up_to_train_s2_is_untouched(tmp_path):
    assert touched(tmp_path) == set()


def test_what_training_rests_on_and_what_judges_are_told_apart(tmp_path):
    """Nothing that trains is missing above, and a suite does change what judges."""
    desk, standard = (resolved(tmp_path / suite, suite) for suite in ("desk", "standard"))
    # spm is the scale's too, and only scores.
    assert desk["train_s2"]["rests on"] | {"train_s2", "download@spm"} == TRAINED
    assert desk["download@spm"] == standard["download@spm"]
    changed = {stage for stage in desk if desk[stage] != standard[stage]}
    assert changed == JUDGING | {stage for stage in desk if stage.startswith("eval_")}
    assert all(desk[stage]["params"] for stage in TRAINED)


PARAMS = "    params:\n    - layers\n    - train\n    - train_s2\n"


@pytest.mark.parametrize(("old", "new", "found"), [
    (PARAMS, f"{PARAMS}    - suites.${{suite}}.eval_mt\n", {"train_s2"}),
    (PARAMS, f"{PARAMS}    - suite\n", {"train_s2"}),  # the key is the same, its value is not
    ("data/format/corpus/test.jsonl data/train_s2\n",
     "data/format/corpus/test.jsonl data/train_s2 "
     "${suite}\n", {"train_s2"}),
    ("    - data/dedup\n    - data/download/lid\n",
     "    - data/dedup\n    - data/download/suite_test\n    - data/download/lid\n",
     {"download@suite_test"})],  # by way of what it depends on
    ids=["key", "value", "command", "dependence"])
def test_a_stage_that_reaches_for_a_suite_is_found(tmp_path, old, new, found):
    assert touched(tmp_path, (old, new)) == found
