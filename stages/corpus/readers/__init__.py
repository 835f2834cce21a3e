"""Readers: one file per kind of source. Adding a source is adding a file here.

A reader is a module with

    read(folder: Path, language: str, bad: Bad) -> Iterator[tuple[str, str, str]]

that yields (key, document, text) for one FLORES code. Texts of one key are translations of each
other across languages. What cannot be read is never skipped in silence: ``bad(place, reason)``
records it, and a file that is unusable as a whole raises UserError.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from ...common.errors import BAD_CONFIG, UserError
from . import chromium_pak, kolibri_json, lines, mafand, ntrex, parallel_jsonl, tmx, tsv
from .message import Bad, Message
from .official import flores101

READERS: dict[str, ModuleType] = {
    module.__name__.rsplit(".", 1)[-1]: module
    for module in (chromium_pak, flores101, kolibri_json, lines, mafand, ntrex, parallel_jsonl,
                   tmx, tsv)}


def read(reader: str, folder: Path, language: str, bad: Bad) -> Iterator[Message]:
    """Messages of ``language`` in ``folder``, through the named reader."""
    if reader not in READERS:
        raise UserError(f"params.yaml: reader {reader!r} is not one of {', '.join(READERS)}",
                        BAD_CONFIG)
    return READERS[reader].read(folder, language, bad)
