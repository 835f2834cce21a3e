"""Parallel text as JSON Lines: {"id", "<FLORES code>": text, ...}, any number of languages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ...common import jsonl
from ...common.errors import UserError

if TYPE_CHECKING:
    from .message import Bad, Message


def read(folder: Path, language: str, bad: Bad) -> Iterator[Message]:
    """Yield (id, file name, text) of every row of every file that has the language."""
    files = sorted(folder.glob("*.jsonl"))
    if not files:
        raise UserError(f"{folder}: no .jsonl file here")
    for file in files:
        def quarantine(error: jsonl.BadLine, name: str = file.name) -> None:
            bad(f"{name}:{error.number}", error.reason)

        for row in jsonl.read(file, quarantine):
            key, text = row.get("id"), row.get(language)
            if isinstance(key, str) and isinstance(text, str):
                yield key, file.stem, text
            else:
                bad(f"{file.name}: id {key!r}", "wrong_columns")
