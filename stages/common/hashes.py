"""The three hashes this project writes into its files."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal. Raises OSError where it cannot be read."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def text16(text: str) -> str:
    """First 16 hex digits of the SHA-256 of a text; enough to tell prompts and rows apart."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def of_json(value: Any) -> str:
    """SHA-256 of the canonical JSON of a value: sorted keys, no spaces, UTF-8."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
