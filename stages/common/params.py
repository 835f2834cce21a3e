"""params.yaml, read as DVC reads it (YAML 1.2: ``1e-5`` is a number and ``no`` a word).

The only module that knows the file. Stages ask for literal keys: ``get("layers.top")`` for the
recipe, ``scaled("train.lr")`` for ``scales.<scale>.train.lr``, ``suite("eval_mt.batch")`` for
``suites.<suite>.eval_mt.batch``; tests compare those keys with dvc.yaml. The first read checks the
layer counts against the model's depth, as plain numbers: an impossible choice stops any stage
before it works, and no stage depends on the recipe for it.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

from .errors import BAD_CONFIG, UserError
from .layer_choice import impossible, impossible_stage

FILE = Path("params.yaml")
SHIPPED = Path(__file__).parents[1] / FILE  # only in an installed package: its defaults


@cache
def _load(path: Path, stamp: tuple[int, int]) -> dict[str, Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        tree = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except YAMLError as error:
        raise UserError(f"{path}: {error}", BAD_CONFIG) from error
    for key, group in (("scale", "scales"), ("suite", "suites")):
        if tree.get(key) not in tree.get(group, {}):
            raise UserError(f"{path}: {key}: {tree.get(key)!r} is not one of "
                            f"{', '.join(tree.get(group, {}))}", BAD_CONFIG)
    layers, model = tree["layers"], tree["scales"][tree["scale"]]["model"]
    if why := impossible(layers["bottom"], layers["top"], layers["skip"], model["depth"]):
        raise UserError(f"{path}: layers: {why} ({model['name']})", BAD_CONFIG)
    for stage in {"train_s1", "train_s2"} & set(tree):
        if why := impossible_stage(stage, tree[stage], tree["train"]["method"], model["depth"]):
            raise UserError(f"{path}: {stage}: {why} ({model['name']})", BAD_CONFIG)
    return tree


def _tree() -> dict[str, Any]:
    path = (FILE if FILE.is_file() else SHIPPED).resolve()
    if not path.is_file():
        raise UserError("params.yaml is not in this folder. Run from the root of the repository",
                        BAD_CONFIG)
    status = os.stat(path)
    return _load(path, (status.st_mtime_ns, status.st_size))


def get(key: str) -> Any:
    """Return the value at a dotted key of params.yaml, e.g. ``get("layers.top")``."""
    node: Any = _tree()
    for part in key.split("."):
        if not isinstance(node, dict) or part not in node:
            raise UserError(f"params.yaml has no key {key!r}", BAD_CONFIG)
        node = node[part]
    return node


def scaled(key: str) -> Any:
    """Return the value at ``scales.<scale>.<key>`` for the chosen scale."""
    return get(f"scales.{get('scale')}.{key}")


def suite(key: str) -> Any:
    """Return the value at ``suites.<suite>.<key>`` for the chosen suite."""
    return get(f"suites.{get('suite')}.{key}")


def system(name: str) -> dict[str, Any]:
    """The description of a system (``systems.<name>``), the scale's system turn filled in."""
    found = get("systems")
    if name not in found:
        raise UserError(f"params.yaml: systems has no {name!r}, only {', '.join(found)}",
                        BAD_CONFIG)
    turn = found[name]["system"]
    return {**found[name], "system": scaled("model.system") if turn == "model" else turn}
