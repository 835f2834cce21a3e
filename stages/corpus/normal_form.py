"""What counts as the same text: one normal form, and the n-grams that similarity is measured on."""

from __future__ import annotations

import re
import sys
import unicodedata

# Vowel signs, tones and viramas are part of the word: without them different Hindi, Thai or
# Burmese sentences look alike. Enclosing marks (Me) are ornaments of symbols and stay out.
MARKS = "".join(c for c in map(chr, range(sys.maxunicode + 1))
                if unicodedata.category(c) in ("Mn", "Mc"))
WORD = re.compile(rf"\w[\w{MARKS}]*")  # \w alone is letters (L), numbers (N) and "_"
# Signs that a writer may set or leave out without changing the text: Arabic harakat and tatweel
# (most text has none, a vocalised copy of it is still a copy), joiners, variation selectors.
OPTIONAL = re.compile("[\u064b-\u065f\u0670\u0640\u200c\u200d\ufe00-\ufe0f\U000e0100-\U000e01ef]")


def normal(text: str) -> str:
    """Case-folded NFC; letters, their marks and digits only; single spaces.

    Composed before the optional signs go, so that the hamza of an alef stays. Not NFKC, which
    would call "1º" and "1o" the same.
    """
    composed = unicodedata.normalize("NFC", text.casefold())
    return " ".join(WORD.findall(OPTIONAL.sub("", composed)))


def grams(text: str, n: int) -> frozenset[str]:
    """The set of character n-grams of a normalised text."""
    padded = text.ljust(n)
    return frozenset(padded[i:i + n] for i in range(len(padded) - n + 1))
