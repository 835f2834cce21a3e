"""NLLB's mined pairs as the Allen Institute released them: <first>-<second>.gz, FLORES-200 codes.

Nine columns, no header: sentence of the first language, of the second, LASER3 score, language-ID
probability of either, source and URL of either. Sorted by score, best first.
https://huggingface.co/datasets/allenai/nllb (ODC-BY; NLLB Team 2022, arXiv 2207.04672). The loader
on the hub is a script; these are its files. Which language stands first is not computed but looked
up, since the names follow no rule.
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
    """Yield ("<line>", English, other, {"laser": about 1.0 to 1.3, "lid": the lower of both})."""
    languages.get(language)
    for english_first in (True, False):
        pair = (languages.PIVOT, language) if english_first else (language, languages.PIVOT)
        for file in sorted(folder.rglob(f"{pair[0]}-{pair[1]}.gz")):
            for place, cells in rows(file, 9, bad):
                one, other, *numbers = cells[0], cells[1], *map(score, cells[2:5])
                laser, first, second = numbers
                if laser is None or first is None or second is None:
                    bad(f"{file.name}:{place}", "not_a_score")
                else:
                    yield (place, *((one, other) if english_first else (other, one)),
                           {"laser": laser, "lid": min(first, second)})
