"""Cleaning and rules on literal texts."""

import sys
import unicodedata

import pytest

from stages.corpus.cleaning import clean, letters, verdict

RULES = {"min_words": 2, "max_words": 6, "max_ratio": 3.0, "min_letters": 0.6}


@pytest.mark.parametrize(("raw", "expected"), [
    ("  Save\n the\tfile ", "Save the file"),
    ("<b>Save</b> the <a href='x'>file</a>", "Save the file"),
    ("Fish &amp; chips &lt;3", "Fish & chips <3"),
    ("cafe\u0301", "café"),
    ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
    ("rock&amp;roll, R&D at AT&amp;T", "rock&roll, R&D at AT&T"),
    ("rock&roll", "rock&roll"),
])
def test_clean(raw, expected):
    assert clean(raw) == expected


@pytest.mark.parametrize(("src", "tgt", "reason"), [
    ("Save the file", "Hifadhi faili", "kept"),
    ("Save the file", "", "empty"),
    ("Save \u202e the file", "Hifadhi faili", "control_character"),
    ("Save the file", "Hifadhi\x00 faili", "control_character"),
    ("Save $1 files", "Hifadhi faili", "placeholder"),
    ("Save {n} files", "Hifadhi faili", "placeholder"),
    ("See https://x.org now", "Angalia sasa", "placeholder"),
    ("File", "Faili", "length"),
    ("one two three four five six seven", "moja mbili tatu", "length"),
    ("Save the file", "Hi", "length_ratio"),
    ("No 12345 67890", "Na 12345 67890", "few_letters"),
    ("Google Chrome", "google chrome", "untranslated"),
    ("I am here", "मैं यहाँ हूँ", "kept"),
])
def test_verdict(src, tgt, reason):
    assert verdict(src, tgt, RULES) == reason


def test_a_character_counts_as_what_unicode_says_it_is():
    # All of the basic plane, every seventh of the others.
    for char in map(chr, [*range(1 << 16), *range(1 << 16, sys.maxunicode + 1, 7)]):
        category = unicodedata.category(char)
        control = category in ("Cc", "Cf", "Cs", "Co", "Cn") and char not in "\u200c\u200d"
        assert (verdict(f"one {char} two", "moja mbili", RULES) == "control_character") == control
        solid = [one for one in f"a{char}" if not one.isspace()]
        assert letters(f"a{char}") == sum(
            unicodedata.category(one)[0] in "LM" for one in solid) / len(solid), hex(ord(char))
