"""Chromium's interface strings: data packs (.pak), one file a locale.

Version 5, little endian: u32 version, u8 encoding (1 is UTF-8), 3 bytes padding, u16 number of
resources, u16 number of aliases; then resources + 1 times (u16 id, u32 offset). The text of an
entry ends where the next begins. Ids agree across the locales of one build.
https://www.chromium.org/developers/design-documents/ (resource packs)

The strings are markup, and "&amp;" before a letter marks the key that a menu underlines. Only
this source has such marks, so they are resolved here.
"""

from __future__ import annotations

import html
import re
import struct
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from ...common import languages
from ...common.errors import UserError
from ..cleaning import unmarked

if TYPE_CHECKING:
    from .message import Bad, Message

HEADER, ENTRY = struct.Struct("<IB3xHH"), struct.Struct("<HI")
ACCELERATOR = re.compile(r"(?<![A-Z])&(?=\w)")  # "Copy &image", "p&icha"; not "AT&T"


def without_accelerators(text: str) -> str:
    """The string, still as markup, without its menu keys.

    A mark shows only once entities are resolved. What is left is escaped again, so that cleaning,
    which resolves markup, cannot resolve a literal "&lt;b&gt;" a second time.
    """
    return html.escape(ACCELERATOR.sub("", unmarked(text)), quote=False)


def read(folder: Path, language: str, bad: Bad) -> Iterator[Message]:
    """Yield ("<id>", "chromium", text) of one locale. See the package docstring."""
    locale = languages.get(language).chromium
    if not locale:
        raise UserError(f"Chromium has no strings in {language}. Choose another language, or add "
                        "its locale to stages/common/languages.py and data/sources.lock")
    file = folder / f"{locale}.pak"
    data = file.read_bytes()
    if len(data) < HEADER.size:
        raise UserError(f"{file}: {len(data)} bytes are no data pack. Delete data/download/train "
                        "and run `dvc repro` again")
    version, encoding, count, _ = HEADER.unpack_from(data)
    table = HEADER.size + (count + 1) * ENTRY.size
    if (version, encoding) != (5, 1) or table > len(data):
        raise UserError(f"{file}: not a data pack of version 5 in UTF-8 (version {version}, "
                        f"encoding {encoding}, {count} entries in {len(data)} bytes)")
    entries = [ENTRY.unpack_from(data, HEADER.size + i * ENTRY.size) for i in range(count + 1)]
    for (key, start), (_, end) in pairwise(entries):
        if not table <= start <= end <= len(data):
            bad(f"{file.name}: resource {key}", "offset_outside_file")
            continue
        try:
            text = data[start:end].decode("utf-8")
        except UnicodeDecodeError:
            bad(f"{file.name}: resource {key}", "invalid_utf8")
            continue
        yield str(key), "chromium", without_accelerators(text)
