"""OPUS's moses archives: a zip of <corpus>.<a>-<b>.<a> and .<b>, aligned by line.

https://opus.nlpl.eu (Tiedemann 2012); NLLB v1 there holds both of its releases, without scores.
The archive is read as it is, nothing is unpacked.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import IO, TYPE_CHECKING

from ....common import languages
from ....common.errors import UserError
from ..lines import numbered

if TYPE_CHECKING:
    from ..message import Bad, Pair


def read(folder: Path, language: str, bad: Bad) -> Iterator[Pair]:
    """Yield ("<line>", English, other, {}). Raises UserError where the sides differ in length."""
    code = languages.opus(language)
    pair = "-".join(sorted(("en", code)))
    for file in sorted(folder.rglob(f"*{pair}.txt.zip")):
        try:
            with zipfile.ZipFile(file) as archive:
                names = {side: [name for name in archive.namelist()
                                if name.endswith(f".{pair}.{side}")] for side in ("en", code)}
                if [len(found) for found in names.values()] != [1, 1]:
                    raise UserError(f"{file}: holds not one file of each language of {pair}. Do "
                                    "not use this archive")
                with archive.open(names["en"][0]) as english, archive.open(names[code][0]) as other:
                    yield from _aligned(english, other, file, bad)
        except (zipfile.BadZipFile, EOFError, zlib.error) as error:
            raise UserError(f"{file}: a damaged archive ({error}). Delete it and run `dvc repro "
                            "download` again") from error


def _aligned(english: IO[bytes], other: IO[bytes], file: Path, bad: Bad) -> Iterator[Pair]:
    """Pairs of equal line numbers; a line that is no text on one side is left out on both."""
    sides = [_whole(lines, f"{file.name}({side})", bad)
             for side, lines in (("en", english), ("other", other))]
    for number, (one, two) in enumerate(zip_longest(*sides, fillvalue=""), 1):
        if one == "" or two == "":
            raise UserError(f"{file}: one side has only {number - 1} lines. Fetch it again")
        if one and two:
            yield f"{number:09}", one[0], two[0], {}


def _whole(lines: IO[bytes], name: str, bad: Bad) -> Iterator[tuple[str] | None]:
    """Every line: (its text,), or None for one that went to ``bad``."""
    lost: list[str] = []

    def note(place: str, reason: str) -> None:
        lost.append(reason)
        bad(place, reason)

    for _, text in numbered(lines, name, note):
        while lost:
            lost.pop()
            yield None
        yield (text,)
    yield from (None for _ in lost)
