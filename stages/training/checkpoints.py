"""Where a training stands, kept so that a crash costs minutes and no bit of the result.

    data/checkpoints/<key>/step-<n>/
        layers.safetensors    the trained tensors
        moments.safetensors   the optimiser's state of each of them
        schedule.json         the learning rate and its schedule
        order.safetensors     the random state that the order of this pass over the data came from
        rng_state*.pth        the random state of each process
        trainer_state.json    steps done, log: the position in the data
        SHA256SUMS            hash of every file above

``<key>`` is a hash of all that decides the result, so a folder is only found by the training that
wrote it. A checkpoint is written under another name, synced and renamed; the last two are kept,
and the newest whose files all match their hashes is the one to go on from. None of it is an output
of the pipeline: the folder is deleted once the stage's outputs are there.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..common import jsonl, manifest
from ..launch import processes

if TYPE_CHECKING:
    import torch
    from torch import Tensor

KEPT = 2
LAYERS, MOMENTS, SCHEDULE, ORDER = (
    "layers.safetensors", "moments.safetensors", "schedule.json", "order.safetensors")


class Store:
    """The checkpoints of one training, in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def steps(self) -> list[Path]:
        """Checkpoints, newest first, whatever state they are in."""
        found = [path for path in self.folder.glob("step-*") if path.name[5:].isdecimal()]
        return sorted(found, key=lambda path: int(path.name[5:]), reverse=True)

    def newest(self) -> Path | None:
        """The newest checkpoint whose files are whole; says on stderr which ones are not."""
        for path in self.steps():
            if whole(path):
                return path
            print(f"{path}: a file is missing or was changed; going on from the checkpoint before",
                  file=sys.stderr)
        return None

    def part(self, step: int) -> Path:
        """An empty folder to write a checkpoint into."""
        part = self.folder / f"step-{step}.part"
        if processes.first():
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
        processes.wait()
        return part

    def add(self, part: Path) -> None:
        """Make what was written into ``part`` the newest checkpoint; drop all but the last two."""
        processes.wait()
        if processes.first():
            manifest.write(part)
            for path in (*part.iterdir(), part):
                sync(path)
            done = part.with_suffix("")
            shutil.rmtree(done, ignore_errors=True)  # a broken one of the same step
            part.rename(done)
            sync(self.folder)
            for old in self.steps()[KEPT:]:
                old = old.rename(old.with_suffix(".part"))  # never half of it under its name
                shutil.rmtree(old)
        processes.wait()

    def clear(self) -> None:
        """Delete all of them, and the folder of all trainings where this was the last."""
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.folder.parent.is_dir() and not any(self.folder.parent.iterdir()):
            self.folder.parent.rmdir()


def whole(folder: Path) -> bool:
    """Whether every file of a checkpoint is there, as its manifest lists it to the byte."""
    listed = folder / manifest.NAME
    return listed.is_file() and listed.read_bytes() == manifest.text(folder).encode()


def sync(path: Path) -> None:
    """Have the disk hold a file or folder before anything relies on it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write(folder: Path, parameters: dict[str, Tensor], optimizer: torch.optim.Optimizer,
          scheduler: Any, order: Tensor) -> None:
    """Write the state of the named trained parameters. Every process calls it, the first writes."""
    from safetensors.torch import save_file

    state = optimizer.state
    tensors = {name: processes.gathered(parameter) for name, parameter in parameters.items()}
    moments = {f"{name}:{key}": processes.gathered(value) for name, parameter in parameters.items()
               for key, value in state[parameter].items()}
    if processes.first():
        save_file(tensors, folder / LAYERS)
        save_file(moments, folder / MOMENTS)
        save_file({"order": order}, folder / ORDER)
        jsonl.write_json(folder / SCHEDULE, {
            "scheduler": scheduler.state_dict(),
            "lr": [group["lr"] for group in optimizer.param_groups]})


def read_layers(folder: Path, parameters: dict[str, Tensor]) -> None:
    """Give the named parameters the values of a checkpoint."""
    import torch
    from safetensors.torch import load_file

    stored = load_file(folder / LAYERS)
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(processes.laid_out(stored[name], parameter))


def read_optimizer(folder: Path, parameters: dict[str, Tensor], optimizer: torch.optim.Optimizer,
                   scheduler: Any) -> None:
    """Give optimiser and schedule the state of a checkpoint."""
    from safetensors.torch import load_file

    moments: dict[str, dict[str, Tensor]] = {name: {} for name in parameters}
    for at, value in load_file(folder / MOMENTS).items():
        name, _, key = at.rpartition(":")
        moments[name][key] = (processes.laid_out(value, parameters[name]) if value.ndim
                              else value)
    names = {id(parameter): name for name, parameter in parameters.items()}
    stored = json.loads((folder / SCHEDULE).read_text(encoding="utf-8"))
    state = optimizer.state_dict()
    state["state"] = {
        number: moments[names[id(parameter)]]
        for described, group in zip(state["param_groups"], optimizer.param_groups, strict=True)
        for number, parameter in zip(described["params"], group["params"], strict=True)}
    optimizer.load_state_dict(state)
    for group, lr in zip(optimizer.param_groups, stored["lr"], strict=True):
        group["lr"] = lr
    scheduler.load_state_dict(stored["scheduler"])


def read_order(folder: Path) -> Tensor:
    """The random state that the order of the interrupted pass over the data was drawn from."""
    from safetensors.torch import load_file

    return load_file(folder / ORDER)["order"]
