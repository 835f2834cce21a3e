"""MAFAND-MT: African news, JSON Lines of {"translation": {"en": text, "<code>": text}}.

https://github.com/masakhane-io/lafand-mt (Adelani et al. 2022). Codes are ISO 639-3 but for
English; the files of one pair share their keys. The texts are CC-BY-NC-4.0: not for commercial use.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ...common import jsonl, languages
from ...common.errors import UserError

if TYPE_CHECKING:
    from .message import Bad, Message


def read(folder: Path, language: str, bad: Bad) -> Iterator[Message]:
    """Yield ("<file>:<row>", file, text) of every file that holds the language.

    A file holds the languages of its first row; what later rows lack is reported.
    """
    code = "en" if language == languages.PIVOT else languages.get(language).ntrex
    files = [file for file in sorted(folder.rglob("*.json")) if code in _languages(file)]
    if not files:
        raise UserError(f"{folder}: no MAFAND file (.json) holds {language} (code {code!r}). Add "
                        "it to data/sources.lock, or correct stages/common/languages.py")
    for file in files:
        name, broken = file.relative_to(folder).with_suffix("").as_posix(), 0

        def quarantine(error: jsonl.BadLine, name: str = name) -> None:
            bad(f"{name}:{error.number:06}", error.reason)
            nonlocal broken
            broken += 1

        for number, row in enumerate(jsonl.read(file, quarantine), 1):
            sides = row.get("translation")
            text = sides.get(code) if isinstance(sides, dict) else None
            place = f"{name}:{number + broken:06}"
            if isinstance(text, str) and "\x00" not in text:
                yield place, name, text
            else:
                bad(place, "wrong_columns")


def _languages(file: Path) -> set[str]:
    """Codes of the first row that can be read."""
    first = next(jsonl.read(file, lambda _: None), {}).get("translation")
    return set(first) if isinstance(first, dict) else set()
