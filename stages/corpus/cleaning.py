"""Cleaning of one text and the rules that a pair must pass. All of them are ours."""

from __future__ import annotations

import html
import re
import unicodedata
from typing import Any

TAG = re.compile(r"</?[A-Za-z][^<>]*>")
PLACEHOLDER = re.compile(r"[{}|]|\$\d|\$\$|%\d|%[sd@]|%\(|&\w+;|https?:|www\.", re.IGNORECASE)


def unmarked(text: str) -> str:
    """The text of a piece of markup: a space for each tag, characters for entities."""
    return html.unescape(TAG.sub(" ", text))


def clean(text: str) -> str:
    """NFC; markup and entities resolved; white space squeezed."""
    return " ".join(unicodedata.normalize("NFC", unmarked(text)).split())


def letters(text: str) -> float:
    """Share of letters and combining marks among the characters that are not spaces."""
    solid = [c for c in text if not c.isspace()]
    return sum(unicodedata.category(c)[0] in "LM" for c in solid) / max(1, len(solid))


def verdict(src: str, tgt: str, rules: dict[str, Any]) -> str:
    """Return "kept", or the first rule that the cleaned pair breaks."""
    if not src or not tgt:
        return "empty"
    if any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Cn") and c not in "\u200c\u200d"
           for c in src + tgt):
        return "control_character"
    if PLACEHOLDER.search(src) or PLACEHOLDER.search(tgt):
        return "placeholder"
    if not rules["min_words"] <= len(src.split()) <= rules["max_words"]:
        return "length"
    if not 1 / rules["max_ratio"] <= len(tgt) / len(src) <= rules["max_ratio"]:
        return "length_ratio"
    if min(letters(src), letters(tgt)) < rules["min_letters"]:
        return "few_letters"
    return "untranslated" if src.casefold() == tgt.casefold() else "kept"
