"""The part of NLLB that is CCMatrix: <a>-<b>.bitextf.tsv.gz, two-letter codes in their order.

Three columns, no header: margin score, sentence of the first code, of the second. Sorted by score,
best first. http://data.statmt.org/cc-matrix (Schwenk et al. 2021, arXiv 1911.04944). It holds
the forty languages with English that the other release lacks, German and Chinese among them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ....common import languages
from .tables import rows, score

if TYPE_CHECKING:
    from ..message import Bad, Pair


def read(folder: Path, language: str, bad: Bad) -> Iterator[Pair]:
    """Yield ("<line>", English, other, {"laser": margin score})."""
    code = languages.opus(language)
    for file in sorted(folder.rglob(f"{'-'.join(sorted(('en', code)))}.bitextf.tsv.gz")):
        for place, (number, one, other) in rows(file, 3, bad):
            if (laser := score(number)) is None:
                bad(f"{file.name}:{place}", "not_a_score")
            else:
                yield (place, *((other, one) if code < "en" else (one, other)), {"laser": laser})
