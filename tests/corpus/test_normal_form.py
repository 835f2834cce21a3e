"""What counts as the same text, in scripts whose marks are part of the word and in Latin."""

import re

import pytest

from stages.corpus.cleaning import letters, verdict
from stages.corpus.normal_form import normal
from stages.corpus.overlap import Overlap

RULES = {"min_words": 2, "max_words": 9, "max_ratio": 6.0, "min_letters": 0.9}
# Pairs that differ in combining marks alone: road or roads, stick or to read, ...
DIFFERENT = {"Hindi": ("कल काम करो", "कल कम करे"), "Bengali": ("আমি দান করি", "আমি দিন কর"),
             "Thai": ("ขาว นี้ ไกล", "ข่าว นี ไกล"), "Burmese": ("စာ ရေး ပါ", "စ ရာ ပါ")}
VOCALISED, BARE = "مُحَمَّدٌ كَتَبَ الدَّرْسَ", "محمد كتب الدرس"


@pytest.mark.parametrize("language", DIFFERENT)
def test_marks_make_a_different_text(language):
    one, other = DIFFERENT[language]
    assert normal(one) == one  # nothing lost, no word split
    assert normal(one) != normal(other)
    overlap = Overlap([one], 4, 0.99)
    assert overlap.reasons([normal(f"{one}!"), normal(other)]) == ["test_overlap_exact", None]


def test_arabic_is_the_same_text_with_and_without_harakat_and_tatweel():
    assert normal(VOCALISED) == normal("محمـــد كتب الدرس") == BARE
    assert Overlap([BARE], 4, 0.99).reasons([normal(VOCALISED)]) == ["test_overlap_exact"]


def test_hamza_of_an_alef_is_no_optional_sign():
    assert normal("أمل") == normal("\u0627\u0654مل") == "أمل"
    assert normal("أمل") != normal("امل")


@pytest.mark.parametrize("text", [*DIFFERENT["Hindi"], *DIFFERENT["Bengali"], *DIFFERENT["Thai"],
                                  *DIFFERENT["Burmese"], VOCALISED, BARE])
def test_marks_count_as_letters(text):
    assert letters(text) == 1.0
    assert verdict("One short sentence", text, RULES) == "kept"


def test_joiners_and_selectors_do_not_split_words():
    assert normal("क्\u200dष") == normal("क्ष")
    assert normal("می\u200cخواهم") == "میخواهم"
    assert normal("I \u2764\ufe0f it") == "i it"


def test_composed_and_decomposed_are_the_same():
    assert normal("cafe\u0301 ñandu\u0301") == normal("café ñandú") == "café ñandú"


@pytest.mark.parametrize("text", [
    "¿Está seguro de que quiere salir?", "Don't re-open snake_case files…", "1º y 2ª opción: m²",
    "Straße ÜBER Öl", "Tiếng Việt có dấu", "Fungua ukurasa wa mipangilio.", "ﬁne Ǆ ĳ", "AT&T 50 %",
    "", " \t", "ışık Şimdi", "2️⃣ steps", "Œuvre d’été", "naïve — façade", "Ångström ½"])
def test_composed_latin_is_as_before_marks_were_kept(text):
    assert normal(text) == " ".join(re.findall(r"\w+", text.casefold()))
