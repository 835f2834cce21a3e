"""FLORES-101: dev and devtest, aligned by line, files <code>.<split> of the published archive.

https://dl.fbaipublicfiles.com/flores101/dataset/flores101_dataset.tar.gz (Goyal et al. 2022,
arXiv 2106.03193; CC-BY-SA-4.0), 997 and 1012 lines. An official set: lines are counted, never
changed. Which document a line is from stands in FLORES-200's metadata_<split>.tsv, whose lines are
the same where the English of both sets is; else every line is a document of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ....common import languages
from ....common.errors import UserError
from ..lines import texts

if TYPE_CHECKING:
    from ..message import Bad, Message

LINES = {"dev": 997, "devtest": 1012}


def read(folder: Path, language: str, bad: Bad) -> Iterator[Message]:
    """Yield ("<split>:<line>", "<split>.<URL or line>", text) of both splits, or of the one there.

    Raises UserError where the language is missing or a file has not the publisher's lines.
    """
    code = languages.flores101(language)
    found = {split: file for split in LINES for file in folder.rglob(f"{code or ' '}.{split}")}
    if not found:
        raise UserError(f"{folder}: FLORES-101 has no {language} here. Add it to the source in "
                        "data/sources.lock, or its code to stages/common/languages.py")
    for split, file in found.items():
        lines = _lines(file, split)
        urls = _urls(folder, split)
        for number, text in enumerate(lines, 1):
            place = f"{number:04}"
            yield f"{split}:{place}", f"{split}.{urls[number - 1] if urls else place}", text


def _lines(file: Path, split: str) -> list[str]:
    """Every line of a file of a split; none may be lost."""
    lost: list[str] = []
    found = [text for _, text in
             texts(file, lambda place, reason: lost.append(f"{place} {reason}"))]
    if lost or len(found) != LINES[split]:
        raise UserError(f"{file}: {lost[0] if lost else f'{len(found)} lines'}, but FLORES-101 has "
                        f"{LINES[split]} lines of text in {split}. Fetch it again")
    return found


def _urls(folder: Path, split: str) -> list[str] | None:
    """URL of each line by FLORES-200, or None where it is not there or not proved to fit."""
    tables = [*folder.rglob(f"metadata_{split}.tsv")]
    others = [*folder.rglob(f"eng_Latn.{split}")]
    mine = [*folder.rglob(f"eng.{split}")]
    if not (tables and others and mine) or _lines(others[0], split) != _lines(mine[0], split):
        return None
    rows = [text.split("\t") for _, text in texts(tables[0], lambda *_: None)]
    if not rows or "URL" not in rows[0] or len(rows) != LINES[split] + 1:
        raise UserError(f"{tables[0]}: not a header with URL and {LINES[split]} rows. Fetch "
                        "FLORES-200 again")
    return [cells[rows[0].index("URL")] for cells in rows[1:]]
