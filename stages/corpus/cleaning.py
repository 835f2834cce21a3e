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


class _Kinds(dict[int, str]):
    """What a character counts as, for str.translate: asked of Unicode once for each."""

    def __missing__(self, code: int) -> str:
        category, space = unicodedata.category(chr(code)), chr(code).isspace()
        self[code] = (SPACED_CONTROL if space else CONTROL) if (
            category in ("Cc", "Cf", "Cs", "Co", "Cn") and chr(code) not in "\u200c\u200d") else (
            SPACE if space else LETTER if category[0] in "LM" else OTHER)
        return self[code]


SPACE, LETTER, CONTROL, SPACED_CONTROL, OTHER = " LCc-"
KINDS = _Kinds()


def letters(text: str) -> float:
    """Share of letters and combining marks among the characters that are not spaces."""
    kinds = text.translate(KINDS)
    solid = len(kinds) - kinds.count(SPACE) - kinds.count(SPACED_CONTROL)
    return kinds.count(LETTER) / max(1, solid)


def verdict(src: str, tgt: str, rules: dict[str, Any]) -> str:
    """Return "kept", or the first rule that the cleaned pair breaks."""
    if not src or not tgt:
        return "empty"
    kinds = (src + tgt).translate(KINDS)
    if CONTROL in kinds or SPACED_CONTROL in kinds:
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
