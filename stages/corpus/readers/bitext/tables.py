"""Tab-separated pairs in gzip files whose names hold both languages."""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ....common.errors import UserError
from ..lines import numbered

if TYPE_CHECKING:
    from ..message import Bad


def rows(file: Path, columns: int, bad: Bad) -> Iterator[tuple[str, list[str]]]:
    """Yield ("<line>", cells) of a gzip file; lines of another number of cells go to ``bad``."""
    try:
        with gzip.open(file, "rb") as lines:
            for number, text in numbered(lines, file.name, bad):  # type: ignore[arg-type]
                cells = text.split("\t")
                if len(cells) == columns:
                    yield f"{number:09}", cells
                else:
                    bad(f"{file.name}:{number}", "wrong_columns")
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{file}: a damaged gzip file ({error}). Delete it and run `dvc repro "
                        "download` again") from error


def score(cell: str) -> float | None:
    """A finite number, or None."""
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
