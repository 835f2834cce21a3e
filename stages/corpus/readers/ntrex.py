"""NTREX-128: news of 2019 and its professional translations, aligned by line.

NTREX-128/newstest2019-src.eng.txt and newstest2019-ref.<code>.txt, 1,997 lines each; the document
of each line stands in DOCUMENT_IDS.tsv. An official set: lines are counted, never changed.
https://github.com/MicrosoftTranslator/NTREX (Federmann, Kocmi, Xin 2022,
https://aclanthology.org/2022.sumeval-1.4). The files ref.eng-* are English rewrites, not the
source of the translations, and are not read.
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
    """Yield ("<line>", document, text): every line as it is but for its line end, in order.

    Line numbers are padded with zeros, so that they sort. Raises UserError where the language or a
    file is missing, or where the file has more or fewer lines than there are document ids.
    """
    code = languages.get(language).ntrex
    if not code:
        raise UserError(f"NTREX-128 has no {language}. Choose another language, or add its code to "
                        "stages/common/languages.py")
    kind = "src" if language == languages.PIVOT else "ref"
    file, ids = folder / f"NTREX-128/newstest2019-{kind}.{code}.txt", folder / "DOCUMENT_IDS.tsv"
    for needed in (file, ids):
        if not needed.is_file():
            raise UserError(f"{needed} is not there. Add it to the source in data/sources.lock "
                            "and run `dvc repro download`")
    documents = [text for _, text in texts(ids, bad)]
    count = 0
    for number, text in texts(file, bad):
        count = number
        if number <= len(documents):
            yield f"{number:0{len(str(len(documents)))}}", documents[number - 1], text
    if count != len(documents):
        raise UserError(f"{file} has {count} lines, {ids.name} has {len(documents)}. Fetch the set "
                        "again: delete the file and run `dvc repro download`")
