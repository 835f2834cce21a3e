"""Kolibri's interface strings: <locale>/LC_MESSAGES/<module>-messages.json, key to text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ...common import languages
from ...common.errors import UserError

if TYPE_CHECKING:
    from .message import Bad, Message


def read(folder: Path, language: str, bad: Bad) -> Iterator[Message]:
    """Yield (key, module, text) of one locale, files and keys in order."""
    locale = languages.get(language).kolibri
    files = sorted((folder / locale / "LC_MESSAGES").glob("*-messages.json")) if locale else []
    if not files:
        raise UserError(f"{folder}: Kolibri has no messages for {language}. Choose another "
                        "language, or add its locale to data/sources.lock and relock")
    for file in files:
        try:
            tree = json.loads(file.read_bytes().decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise UserError(f"{file}: not readable as JSON ({error}). Delete data/archives and "
                            "run `dvc repro` again") from error
        if not isinstance(tree, dict):
            raise UserError(f"{file}: holds a {type(tree).__name__}, not messages by key")
        document = file.name.removesuffix("-messages.json")
        for key, value in sorted(tree.items()):
            text = value.get("message") if isinstance(value, dict) else value
            if isinstance(text, str):
                yield key, document, text
            else:
                bad(f"{locale}/{file.name}: {key}", "not_a_text")
