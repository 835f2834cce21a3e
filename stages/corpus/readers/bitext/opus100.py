"""OPUS-100: <a>-<b>/train-*.parquet, one column {"translation": {"<a>": text, "<b>": text}}.

https://huggingface.co/datasets/Helsinki-NLP/opus-100 (Zhang et al. 2020, arXiv 2004.11867; licence
not stated by its makers). Sampled from OPUS, so it has no scores and no order.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ....common import languages
from ....common.errors import UserError

if TYPE_CHECKING:
    from ..message import Bad, Pair

BATCH = 10_000  # rows in memory


def read(folder: Path, language: str, bad: Bad) -> Iterator[Pair]:
    """Yield ("<row>", English, other, {}) of every training file."""
    code = languages.opus(language)
    for file in sorted(folder.rglob(f"{'-'.join(sorted(('en', code)))}/train-*.parquet")):
        for number, row in enumerate(_rows(file), 1):
            place = f"{number:09}"
            sides = row if isinstance(row, dict) else {}
            english, other = sides.get("en"), sides.get(code)
            if not isinstance(english, str) or not isinstance(other, str):
                bad(f"{file.parent.name}/{file.name}:{place}", "wrong_columns")
            elif "\x00" in english + other:
                bad(f"{file.parent.name}/{file.name}:{place}", "nul_character")
            else:
                yield place, english, other, {}


def _rows(file: Path) -> Iterator[object]:
    """The values of the column "translation"."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        for batch in pq.ParquetFile(file).iter_batches(BATCH, columns=["translation"]):
            yield from batch.column("translation").to_pylist()
    except (pa.ArrowException, KeyError, OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file}: not readable as OPUS-100 ({error}). Delete it and run `dvc "
                        "repro download` again") from error
