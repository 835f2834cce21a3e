"""The log of everything ever tried on the dev split: reports/<scale>/dev_log.csv.

What is chosen on dev looks better there than it is, the more so the more was tried. So each
configuration is a row in a committed file, whether it won or not. Rows have no date, so that
running an experiment again changes nothing.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from ..common import jsonl


class Tried(NamedTuple):
    """One configuration; ``score`` is n/a where the history does not tell it."""

    configuration: str
    segments: str  # or pairs, or texts, as the purpose says
    metric: str
    score: str
    purpose: str
    commit: str = ""  # that put the choice down; empty where the row's own commit does


def read(file: Path) -> list[Tried]:
    if not file.is_file():
        return []
    with open(file, encoding="utf-8", newline="") as lines:
        return [Tried(**row) for row in csv.DictReader(lines)]


def add(file: Path, rows: Iterable[Tried]) -> None:
    """Append the rows that the log does not hold, in order; the file is replaced as a whole."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(Tried._fields)
    table.writerows(dict.fromkeys([*read(file), *rows]))
    jsonl.write_text(file, text.getvalue())
