"""Which pairs a stage trains on, and the placebo that breaks them."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from ..common import jsonl
from ..common.errors import UserError
from ..common.hashes import text16

Row = dict[str, Any]


def by_direction(rows: list[Row], salt: str) -> list[list[int]]:
    """Positions of the rows of each direction, in an order hashed from their ids and ``salt``."""
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for at in sorted(range(len(rows)), key=lambda at: text16(f"{salt} {rows[at]['id']}")):
        groups[rows[at]["src_lang"], rows[at]["tgt_lang"]].append(at)
    return list(groups.values())


def share(rows: list[Row], start: float, end: float) -> list[Row]:
    """The rows from ``start`` to ``end`` (0 to 1) of every direction's hashed order, in file order.

    Neighbouring shares are disjoint and complete: [0, 0.5] and [0.5, 1] are halves.
    """
    kept = {at for group in by_direction(rows, "share")
            for at in group[round(start * len(group)):round(end * len(group))]}
    return [row for at, row in enumerate(rows) if at in kept]


def shuffled(rows: list[Row], seed: int) -> list[Row]:
    """Each row with the target of another of its direction: the same texts, translating nothing."""
    wrong = list(rows)
    for group in by_direction(rows, f"{seed} target"):
        for at, other in zip(group, [*group[1:], group[0]], strict=True):
            wrong[at] = {**rows[at], "tgt": rows[other]["tgt"]}
    return wrong


def chosen(file: Path, part: list[float], shuffle: bool, seed: int) -> list[Row]:
    """The rows of a file of pairs that a stage trains on. Raises UserError where there is none."""
    rows = share(list(jsonl.read(file)), *part)
    if not rows:
        raise UserError(f"{file} is empty, or its share {part} is: every pair was filtered out. "
                        "Look at the stats.json of format, dedup, langid and qe")
    return shuffled(rows, seed) if shuffle else rows


def held_out(file: Path, limit: int) -> list[Row]:
    """Both directions of up to ``limit`` dev rows a language."""
    taken: dict[str, int] = defaultdict(int)
    rows = []
    for row in jsonl.read(file):
        lang = row["tgt_lang"]
        if row["split"] == "dev" and taken[lang] < limit:
            taken[lang] += 1
            rows += [row, {"src": row["tgt"], "tgt": row["src"],
                           "src_lang": row["tgt_lang"], "tgt_lang": row["src_lang"]}]
    return rows
