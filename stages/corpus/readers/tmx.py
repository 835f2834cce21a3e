"""Translation Memory eXchange (TMX 1.4): <tu> with one <tuv xml:lang="…"><seg> a language.

https://www.gala-global.org/tmx-14b. Inline tags inside a segment are left out, their text is kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from ...common import languages
from ...common.errors import UserError

if TYPE_CHECKING:
    from .message import Bad, Message

LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"


def _code(variant: ElementTree.Element) -> str | None:
    """FLORES code of a <tuv>: "sw", "SW" and "sw-TZ" are Swahili."""
    label = variant.get(LANGUAGE) or variant.get("lang") or ""
    return languages.named(label) or languages.named(label.split("-")[0].lower())


def read(folder: Path, language: str, bad: Bad) -> Iterator[Message]:
    """Yield ("<file>:<unit>", file, text) of every unit with the language; streams.

    A unit that says the language twice or has no segment in it is reported; one that lacks the
    language is another pair's. Raises UserError for a file that is no XML.
    """
    languages.get(language)
    files = sorted(folder.rglob("*.tmx"))
    if not files:
        raise UserError(f"{folder}: no .tmx file here. Add it to the source in data/sources.lock")
    for file in files:
        name, number = file.relative_to(folder).with_suffix("").as_posix(), 0
        try:
            for _, unit in ElementTree.iterparse(file):
                if unit.tag != "tu":
                    continue
                number += 1
                place = f"{name}:{number:09}"
                mine = [variant for variant in unit.iter("tuv") if _code(variant) == language]
                segment = mine[0].find("seg") if len(mine) == 1 else None
                if segment is not None:
                    yield place, name, "".join(segment.itertext())
                elif mine:
                    bad(place, "wrong_columns")
                unit.clear()
        except ElementTree.ParseError as error:
            raise UserError(f"{file}: not readable as XML ({error}). Mend it or fetch it "
                            "again") from error
