"""Which tensors of two models differ, and by how much: shows which layers a training changed.

    python -m stages.model.diff data/download/model data/train_s2
    python -m stages.model.diff Qwen3-8B Qwen3-XPlus-8B --json diff.json

in     two local folders: ordinary ones (one file or shards of safetensors) or a training stage's
       output, whose parents are laid under it
out    a table, and with --json the same per tensor

Read in slices of 64 MiB, so any size of model fits any machine. Compared in float32, so a tensor
that was only stored in another type and lost nothing counts as equal.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..common import jsonl
from ..common.command import run_stage
from ..common.errors import UserError
from . import weights

if TYPE_CHECKING:
    from torch import Tensor

NUMBERS = 1 << 24  # of a slice


def tensors(folder: Path) -> dict[str, Path]:
    """Name of each tensor of a model and the file that holds it, parents first."""
    from safetensors import safe_open

    found: dict[str, Path] = {}
    for part in weights.chain(folder):
        for file in sorted(part.glob("*.safetensors")):
            with safe_open(file, "pt") as opened:
                found |= dict.fromkeys(opened.keys(), file)
    if any(name.endswith(weights.LORA_A) for name in found):
        raise UserError(f"{folder} holds LoRA factors: merge them first, with `python -m "
                        "stages.model.export`")
    if not found:
        raise UserError(f"{folder} holds no weights (*.safetensors). Fetch or build it first")
    return found


def group(name: str) -> str:
    """Layer, embeddings, head, or what else a tensor belongs to.

    >>> group("model.layers.3.mlp.experts.7.up_proj.weight"), group("model.norm.weight")
    ('layer 3', 'norm')
    """
    if layer := re.search(r"\.(\d+)\.", name):
        return f"layer {layer[1]}"
    for part, label in (("embed", "embeddings"), ("wte", "embeddings"), ("lm_head", "head")):
        if part in name:
            return label
    return name.removesuffix(".weight").split(".")[-1]


def slices(name: str, *files: Path) -> Iterator[tuple[Tensor, ...]]:
    """The same rows of a tensor in several files, in float32, one slice after the other."""
    from safetensors import safe_open

    with ExitStack() as stack:
        opened = [stack.enter_context(safe_open(file, "pt")) for file in files]
        shape = opened[0].get_slice(name).get_shape()
        if not shape:
            yield tuple(file.get_tensor(name).float() for file in opened)
            return
        numbers = 1
        for size in shape[1:]:
            numbers *= size
        rows = max(1, NUMBERS // max(numbers, 1))
        for start in range(0, shape[0], rows):
            yield tuple(file.get_slice(name)[start:start + rows].float() for file in opened)


def compare(name: str, a: Path, b: Path) -> dict[str, Any]:
    """``changed`` and ``size`` in numbers, largest difference, sums of squares of B - A and A."""
    found = {"size": 0, "changed": 0, "largest": 0.0, "moved": 0.0, "norm": 0.0}
    for first, second in slices(name, a, b):
        delta = second - first
        found["size"] += delta.numel()
        found["changed"] += int((delta != 0).sum())
        found["largest"] = max(found["largest"], float(delta.abs().max()))
        found["moved"] += float(delta.double().square().sum())
        found["norm"] += float(first.double().square().sum())
    return found


def total(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Shares and sizes of several tensors together."""
    size, norm = sum(row["size"] for row in rows), sum(row["norm"] for row in rows)
    moved = sum(row["moved"] for row in rows)
    return {"tensors": len(rows), "differ": sum(row["changed"] > 0 for row in rows),
            "changed_share": sum(row["changed"] for row in rows) / max(size, 1),
            "largest": max(row["largest"] for row in rows),
            "relative": (moved / norm) ** 0.5 if norm else float(moved > 0)}


def difference(a: Path, b: Path) -> dict[str, Any]:
    """What differs: ``groups`` in the models' order, ``layers`` by number, ``tensors`` by name.

    ``relative`` is the Frobenius norm of B - A over that of A. Tensors of one model only, or of
    another shape (vocabularies can differ), are named and not compared.
    """
    from safetensors import safe_open

    def shape(name: str, file: Path) -> list[int]:
        with safe_open(file, "pt") as opened:
            return list(opened.get_slice(name).get_shape())

    first, second = tensors(a), tensors(b)
    both = [name for name in first if name in second]
    shapes = {name: (shape(name, first[name]), shape(name, second[name])) for name in both}
    alike = [name for name in both if shapes[name][0] == shapes[name][1]]
    found = {name: compare(name, first[name], second[name]) for name in alike}
    groups: dict[str, list[dict[str, Any]]] = {}
    for name, row in found.items():
        groups.setdefault(group(name), []).append(row)
    order = sorted(groups, key=lambda name: (name.split()[0], int(name.split()[-1])
                                             if name.startswith("layer ") else 0))
    totals = {name: total(groups[name]) for name in order}
    return {
        "a": str(a), "b": str(b), "groups": totals,
        "layers": [int(name.split()[1]) for name in order
                   if name.startswith("layer ") and totals[name]["differ"]],
        "tensors": {name: total([row]) for name, row in found.items() if row["changed"]},
        "only_a": sorted(first.keys() - second.keys()),
        "only_b": sorted(second.keys() - first.keys()),
        "other_shape": {name: shapes[name] for name in both if name not in found}}


def show(result: dict[str, Any]) -> None:
    """Print the groups that differ, and what could not be compared."""
    from rich import print
    from rich.table import Table

    table = Table("part", "tensors that differ", "numbers changed", "largest change", "|B-A| / |A|",
                  title=f"{result['b']} against {result['a']}")
    for name, row in result["groups"].items():
        if row["differ"]:
            table.add_row(name, f"{row['differ']} of {row['tensors']}",
                          f"{row['changed_share']:.2%}", f"{row['largest']:.3g}",
                          f"{row['relative']:.3g}")
    same = [name for name, row in result["groups"].items() if not row["differ"]]
    print(table if table.rows else "no number differs")
    print(f"unchanged: {', '.join(same) or 'nothing'}")
    for key, text in (("only_a", "only in A"), ("only_b", "only in B"),
                      ("other_shape", "of another shape")):
        if result[key]:
            print(f"{text}: {', '.join(result[key])}")


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("a", type=Path, help="model folder, the one before")
    parser.add_argument("b", type=Path, help="model folder, the one after")
    parser.add_argument("--json", type=Path, help="file to write the numbers to")
    args = parser.parse_args(argv)
    result = difference(args.a, args.b)
    show(result)
    if args.json:
        jsonl.write_json(args.json, result)


if __name__ == "__main__":
    run_stage(main)
