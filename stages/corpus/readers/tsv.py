"""Tab-separated text with a header of languages, one message a line, nothing quoted or escaped.

The header names a language by a code of the language table or in English. A line of blank cells
ends a document (MAFAND-MT's doc_level_tsv).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ...common import languages
from ...common.errors import UserError
from .lines import texts

if TYPE_CHECKING:
    from .message import Bad, Message


def read(folder: Path, language: str, bad: Bad) -> Iterator[Message]:
    """Yield ("<file>:<line>", "<file>.<document>", text) of every file with the language."""
    languages.get(language)
    found = False
    for file in sorted(folder.rglob("*.tsv")):
        name = file.relative_to(folder).with_suffix("").as_posix()
        lines = texts(file, bad)
        header = [languages.named(cell) for cell in next(lines, (0, ""))[1].split("\t")]
        if language not in header:
            continue
        found, column, document = True, header.index(language), 0
        for number, text in lines:
            cells = text.split("\t")
            if not any(cell.strip() for cell in cells):
                document += 1
            elif len(cells) != len(header):
                bad(f"{file.name}:{number}", "wrong_columns")
            else:
                yield f"{name}:{number:09}", f"{name}.{document:05}", cells[column]
    if not found:
        raise UserError(f"{folder}: no .tsv file whose header names {language}. Add a first line "
                        "of language codes, or the code to stages/common/languages.py")
