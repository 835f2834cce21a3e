"""params.yaml, read as DVC reads it (YAML 1.2: ``1e-5`` is a number and ``no`` a word).

The only module that knows the file. Stages ask for literal keys: ``get("layers.top")`` for the
recipe and ``scaled("train.lr")`` for ``scales.<scale>.train.lr``; tests compare those keys with
dvc.yaml. The first read checks the layer choice, so that an impossible one stops any stage
before it works.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

from stages.common.cli import BAD_CONFIG, UserError
from stages.common.layers import check

FILE = Path("params.yaml")


@cache
def _load(path: Path, stamp: tuple[int, int]) -> dict[str, Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        tree = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except YAMLError as error:
        raise UserError(f"{path}: {error}", BAD_CONFIG) from error
    if tree["scale"] not in tree["scales"]:
        raise UserError(f"{path}: scale: {tree['scale']!r} is not one of "
                        f"{', '.join(tree['scales'])}", BAD_CONFIG)
    layers, model = tree["layers"], tree["scales"][tree["scale"]]["model"]
    try:
        check(layers["bottom"], layers["top"], layers["skip"], model["depth"])
    except ValueError as error:
        raise UserError(f"{path}: layers: {error} ({model['name']})", BAD_CONFIG) from error
    return tree


def _tree() -> dict[str, Any]:
    path = FILE.resolve()
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
