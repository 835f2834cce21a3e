"""What counts as the same text: one normal form, and the n-grams that similarity is measured on."""

from __future__ import annotations

import re


def normal(text: str) -> str:
    """Lower case, letters and digits only, single spaces."""
    return " ".join(re.findall(r"\w+", text.casefold()))


def grams(text: str, n: int) -> frozenset[str]:
    """The set of character n-grams of a normalised text."""
    padded = text.ljust(n)
    return frozenset(padded[i:i + n] for i in range(len(padded) - n + 1))
