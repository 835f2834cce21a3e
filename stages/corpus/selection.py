"""Orders and directions that hashes of ids decide: the same everywhere, and for every subset."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from typing import Any

Row = dict[str, Any]


def order(row: Row, salt: str) -> str:
    """Sort key that shuffles rows the same way everywhere."""
    return hashlib.sha256(f"{salt}:{row['id']}:{row['tgt_lang']}".encode()).hexdigest()


def by_language(rows: list[Row], salt: str) -> dict[str, list[Row]]:
    """Rows of each language, each in its shuffled order."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: order(row, salt)):
        groups[row["tgt_lang"]].append(row)
    return dict(sorted(groups.items()))


def directed(row: Row, into_english: float) -> Row:
    """The pair in training direction, drawn by a hash of its id."""
    if int(order(row, "direction")[:8], 16) >= into_english * 16**8:
        return row
    return {**row, "src": row["tgt"], "tgt": row["src"],
            "src_lang": row["tgt_lang"], "tgt_lang": row["src_lang"]}
