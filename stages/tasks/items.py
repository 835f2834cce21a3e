"""Which items of a task screen it and which test it.

A system chosen because the base does well on an item regresses to the mean on it, which looks like
harm. So the tasks are chosen on one part of each task's items (stages.experiments.screen), and only
the rest is ever tested. Both go by a hash of the item's id alone: the order of the file plays no
part, and parallel items of several languages stay together.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from ..common import jsonl


def place(item: int | str) -> float:
    """Where an item's id falls between 0 and 1."""
    return int(hashlib.sha256(str(item).encode()).hexdigest()[:13], 16) / 16**13


def _ordered(file: Path) -> list[tuple[float, int]]:
    """(place, row number) of a task's items, by place."""
    return sorted((place(row["id"]), number) for number, row in enumerate(jsonl.read(file)))


def screening(file: Path, share: float, limit: int) -> list[int]:
    """Row numbers of the items below ``share``, at most ``limit``; these are never tested."""
    return sorted([row for at, row in _ordered(file) if at < share][:limit])


def tested(file: Path, share: float, limit: int) -> list[int]:
    """Row numbers of the other items, at most ``limit``."""
    return sorted([row for at, row in _ordered(file) if at >= share][:limit])
