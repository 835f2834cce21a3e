"""What an arm reruns and what its result rests on, read from the pipeline's own graph.

A stage's *signature* is a hash of the parameters it reads and of the signatures of the stages it
takes its inputs from. Two settings rerun a stage only where they give it two signatures, so the
comparison of signatures is DVC's own decision, made beforehand and without any data.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from ...common.errors import BAD_CONFIG, UserError
from ...common.hashes import file_sha256, of_json

Tree = dict[str, Any]
FILE = Path("params.yaml")
CODE = "stages"  # dependencies below this folder are code, all others data


class Stage(NamedTuple):
    """``params``: {file: dotted keys}; ``deps`` and ``outs`` are paths below the root; ``parents``
    are the stages that write what it reads."""

    name: str
    params: dict[str, list[str]]
    deps: list[str]
    outs: list[str]
    parents: list[str]


Graph = Mapping[str, Stage]


def read_graph() -> dict[str, Stage]:
    """The stages of dvc.yaml in this folder, templates filled in by params.yaml."""
    from dvc.repo import Repo

    with Repo(".") as repo:
        found = {stage.addressing: Stage(
            stage.addressing,
            {dep.def_path: list(dep.params) for dep in stage.deps if hasattr(dep, "params")},
            [dep.def_path for dep in stage.deps if not hasattr(dep, "params")],
            [out.def_path for out in stage.outs], []) for stage in repo.index.stages}
    return {name: stage._replace(parents=sorted(
        other.name for other in found.values() if any(
            within(dep, out) for dep in stage.deps for out in other.outs)))
        for name, stage in found.items()}


def parse(text: str) -> Tree:
    """YAML as DVC reads it."""
    from ruamel.yaml import YAML

    return YAML(typ="safe").load(text) or {}


@cache
def _loaded(file: Path, stamp: tuple[int, int]) -> Tree:
    return parse(file.read_text("utf-8"))


def load(file: Path) -> Tree:
    """A YAML file, not to be changed in place; one that is not there is empty."""
    if not file.is_file():
        return {}
    status = file.stat()
    return _loaded(file, (status.st_mtime_ns, status.st_size))


def at(tree: Tree, key: str) -> Any:
    """The value at a dotted key. Raises KeyError where there is none."""
    found: Any = tree
    for part in key.split("."):
        if not isinstance(found, dict) or part not in found:
            raise KeyError(key)
        found = found[part]
    return found


def changed(tree: Tree, settings: Mapping[str, Any]) -> Tree:
    """A copy of ``tree`` with other values at dotted keys, all of which have to exist."""
    made = deepcopy(tree)
    for key, value in settings.items():
        at(made, key)
        *parents, last = key.split(".")
        (at(made, ".".join(parents)) if parents else made)[last] = value
    return made


def within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def above(targets: Iterable[str], graph: Graph) -> list[Stage]:
    """The targets and all that they rest on, inputs first, in an order that files do not decide."""
    found: dict[str, Stage] = {}

    def visit(stage: Stage) -> None:
        if stage.name not in found:
            for parent in stage.parents:
                visit(graph[parent])
            found[stage.name] = stage

    for name in targets:
        if name not in graph:
            raise UserError(f"dvc.yaml: there is no stage {name}", BAD_CONFIG)
        visit(graph[name])
    return list(found.values())


def settings(stage: Stage, tree: Tree) -> dict[str, Any]:
    """The parameters that a stage reads: of params.yaml from ``tree``, of other files as is."""
    found = {}
    for file, keys in stage.params.items():
        values = tree if file == str(FILE) else load(Path(file))
        for key in keys:
            try:
                found[key] = at(values, key)
            except KeyError:
                found[key] = None
    return found


def signatures(targets: Iterable[str], graph: Graph, tree: Tree) -> dict[str, str]:
    """{stage: signature} of the targets and all that they rest on."""
    found: dict[str, str] = {}
    for stage in above(targets, graph):
        found[stage.name] = of_json([stage.name, settings(stage, tree),
                                     [found[parent] for parent in stage.parents]])
    return found


def foreign(targets: Iterable[str], graph: Graph, tree: Tree, lock: Tree) -> list[str]:
    """Stages, of the targets and all that they rest on, that a lock file does not hold with the
    parameters of ``tree``: it is of another scale or suite, or older."""
    def recorded(stage: Stage) -> dict[str, Any]:
        entry = lock.get("stages", {}).get(stage.name) or {}
        found: dict[str, Any] = {}
        for values in entry.get("params", {}).values():
            found |= values
        return found

    return [stage.name for stage in above(targets, graph)
            if recorded(stage) != settings(stage, tree)]


def missing(paths: Iterable[str]) -> list[str]:
    """Those of these data, or what lies below them, that are not here as dvc.lock has them."""
    from dvc.repo import Repo

    wanted = list(paths)
    with Repo(".") as repo:
        return sorted({out.def_path for stage in repo.index.stages for out in stage.outs
                       if any(within(out.def_path, path) or within(path, out.def_path)
                              for path in wanted) and out.workspace_status()})


@cache
def _content(path: str, stamps: tuple[tuple[str, int, int], ...]) -> str:
    return of_json([[name, file_sha256(Path(name))] for name, *_ in stamps])


def content(path: str) -> str:
    """SHA-256 of a file of code, or of all files of a folder with their names."""
    root = Path(path)
    files = [root] if root.is_file() else sorted(
        file for file in root.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
    return _content(path, tuple((str(file), file.stat().st_mtime_ns, file.stat().st_size)
                                for file in files))


def code(paths: Iterable[str]) -> str:
    """One hash of the code among these dependencies."""
    return of_json({path: content(path) for path in sorted(paths)
                    if within(path, CODE)})


def locked(stages: Iterable[Stage], lock: Tree) -> dict[str, str]:
    """{path: hash} of the data that these stages take from outside of them, as dvc.lock has it.

    Raises UserError where it does not: the pipeline has not run with these settings yet.
    """
    stages = list(stages)
    made = [out for stage in stages for out in stage.outs]
    found = {}
    for stage in stages:
        entries = {entry["path"]: entry.get("md5") for entry in
                   (lock.get("stages", {}).get(stage.name) or {}).get("deps", [])}
        for dep in stage.deps:
            if within(dep, CODE) or any(within(dep, out) for out in made):
                continue
            if dep not in entries:
                raise UserError(f"dvc.lock: {stage.name} has no hash of {dep}. Run `dvc repro`")
            found[dep] = entries[dep]
    return dict(sorted(found.items()))


