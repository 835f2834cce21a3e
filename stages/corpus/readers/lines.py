"""Plain text, one message a line: files <name>.<code>, aligned by line (OPUS moses, FLORES).

The code is a FLORES code or one of the language table. Lines end with LF or CRLF; no other
character ends one, so a form feed or U+2028 stays part of its text.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

from ...common import languages
from ...common.errors import UserError

if TYPE_CHECKING:
    from .message import Bad, Message

MAX_LINE = 1 << 20  # bytes


def texts(file: Path, bad: Bad) -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, text without its line end); what cannot be text goes to ``bad``.

    Streams; a line above 1 MiB is reported without being held in memory.
    """
    with open(file, "rb") as lines:
        yield from numbered(lines, file.name, bad)


def numbered(lines: IO[bytes], name: str, bad: Bad) -> Iterator[tuple[int, str]]:
    """The same of an open file that ``name`` stands for."""
    number = 0
    while line := lines.readline(MAX_LINE + 2):
        number += 1
        if not line.endswith(b"\n") and len(line) > MAX_LINE:
            bad(f"{name}:{number}", "line_too_long")
            while (rest := lines.readline(MAX_LINE)) and not rest.endswith(b"\n"):
                pass
            continue
        try:
            text = line.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8")
        except UnicodeDecodeError:
            bad(f"{name}:{number}", "invalid_utf8")
            continue
        if "\x00" in text:
            bad(f"{name}:{number}", "nul_character")
        else:
            yield number, text


def read(folder: Path, language: str, bad: Bad) -> Iterator[Message]:
    """Yield ("<name>:<line>", name, text) of every file of the language."""
    languages.get(language)
    files = [file for file in sorted(folder.rglob("*"))
             if file.is_file() and languages.named(file.suffix[1:]) == language]
    if not files:
        raise UserError(f"{folder}: no file ends in a code of {language}. Add it to the source, or "
                        "its code to stages/common/languages.py")
    for file in files:
        name = file.relative_to(folder).with_suffix("").as_posix()
        for number, text in texts(file, bad):
            yield f"{name}:{number:09}", name, text
