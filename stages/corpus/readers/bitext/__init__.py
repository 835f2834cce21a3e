"""Readers of mined pairs: both sides of a pair stand together, and files are larger than memory.

A reader is a module with

    read(folder: Path, language: str, bad: Bad) -> Iterator[Pair]

that streams the pairs of English and one FLORES code, (key, English, other, scores), in the order
of its files; nothing where it has no file of the language. Scores are what the source says of the
pair, by name. What cannot be read goes to ``bad(place, reason)``; a damaged file raises UserError.

A reader of messages (the package above: tsv, tmx, lines, parallel_jsonl and others) serves too: its
English is held in memory, so it is for folders that fit there.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from ....common.errors import BAD_CONFIG, UserError
from ....common.languages import PIVOT
from ... import readers as messages
from ..message import Bad, Pair
from . import ccmatrix, moses, nllb, opus100

READERS: dict[str, ModuleType] = {
    module.__name__.rsplit(".", 1)[-1]: module for module in (ccmatrix, moses, nllb, opus100)}


def read(reader: str, folder: Path, language: str, bad: Bad) -> Iterator[Pair]:
    """Pairs of English and ``language`` in ``folder``, through the named reader."""
    if reader in READERS:
        yield from READERS[reader].read(folder, language, bad)
    elif reader in messages.READERS:
        english = {key: text for key, _, text in messages.read(reader, folder, PIVOT, bad)}
        for key, _, other in messages.read(reader, folder, language, bad):
            if key in english:
                yield key, english[key], other, {}
            else:
                bad(key, "missing_side")
    else:
        raise UserError(f"params.yaml: bitext: {reader!r} is not one of "
                        f"{', '.join([*READERS, *messages.READERS])}", BAD_CONFIG)
