"""One table of language codes. Inside the project a language is its FLORES code."""

from __future__ import annotations

from typing import NamedTuple

from .errors import BAD_CONFIG, UserError

PIVOT = "eng_Latn"


class Language(NamedTuple):
    """Codes of one language in the tools that need them."""

    name: str  # in prompts
    lid: str  # label of fastText lid.176
    chromium: str  # locale file in Chromium
    kolibri: str  # locale folder in Kolibri; "" where it has none


TABLE = {
    "eng_Latn": Language("English", "en", "en-US", "en"),
    "amh_Ethi": Language("Amharic", "am", "am", ""),
    "arb_Arab": Language("Arabic", "ar", "ar", "ar"),
    "ben_Beng": Language("Bengali", "bn", "bn", "bn_BD"),
    "bul_Cyrl": Language("Bulgarian", "bg", "bg", "bg_BG"),
    "deu_Latn": Language("German", "de", "de", "de"),
    "ell_Grek": Language("Greek", "el", "el", "el"),
    "fra_Latn": Language("French", "fr", "fr", "fr_FR"),
    "guj_Gujr": Language("Gujarati", "gu", "gu", "gu_IN"),
    "hin_Deva": Language("Hindi", "hi", "hi", "hi_IN"),
    "ind_Latn": Language("Indonesian", "id", "id", "id"),
    "ita_Latn": Language("Italian", "it", "it", "it"),
    "kor_Hang": Language("Korean", "ko", "ko", "ko"),
    "mar_Deva": Language("Marathi", "mr", "mr", "mr"),
    "por_Latn": Language("Portuguese", "pt", "pt-BR", "pt_BR"),
    "spa_Latn": Language("Spanish", "es", "es", "es_ES"),
    "swh_Latn": Language("Swahili", "sw", "sw", "sw_TZ"),
    "tel_Telu": Language("Telugu", "te", "te", "te"),
    "tur_Latn": Language("Turkish", "tr", "tr", ""),
    "ukr_Cyrl": Language("Ukrainian", "uk", "uk", "uk"),
    "urd_Arab": Language("Urdu", "ur", "ur", "ur_PK"),
    "vie_Latn": Language("Vietnamese", "vi", "vi", "vi"),
    "zho_Hans": Language("Chinese", "zh", "zh-CN", "zh_Hans"),
}
LID = {language.lid: code for code, language in TABLE.items()}


def get(code: str) -> Language:
    """The table's entry of a FLORES code."""
    if code not in TABLE:
        raise UserError(f"language {code!r} is not in stages/common/languages.py. Add a line "
                        "with its name and codes", BAD_CONFIG)
    return TABLE[code]


def name(code: str) -> str:
    """English name of a FLORES code, as prompts use it."""
    return get(code).name
