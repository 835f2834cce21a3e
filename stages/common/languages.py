"""One table of language codes. Inside the project a language is its FLORES code."""

from __future__ import annotations

from typing import NamedTuple

from .errors import BAD_CONFIG, UserError

PIVOT = "eng_Latn"


class Language(NamedTuple):
    """Codes of one language in the tools and sets that need them; "" where one lacks it."""

    name: str  # in prompts
    lid: str  # label of fastText lid.176
    chromium: str  # locale file in Chromium
    kolibri: str  # locale folder in Kolibri
    ntrex: str  # file in NTREX-128; ISO 639-3 as MAFAND-MT uses it, where it has no script


TABLE = {
    "eng_Latn": Language("English", "en", "en-US", "en", "eng"),
    "amh_Ethi": Language("Amharic", "am", "am", "", "amh"),
    "arb_Arab": Language("Arabic", "ar", "ar", "ar", "arb"),
    "azj_Latn": Language("Azerbaijani", "az", "", "", "aze-Latn"),
    "ben_Beng": Language("Bengali", "bn", "bn", "bn_BD", "ben"),
    "bul_Cyrl": Language("Bulgarian", "bg", "bg", "bg_BG", "bul"),
    "deu_Latn": Language("German", "de", "de", "de", "deu"),
    "ell_Grek": Language("Greek", "el", "el", "el", "ell"),
    "est_Latn": Language("Estonian", "et", "et", "", "est"),
    "fra_Latn": Language("French", "fr", "fr", "fr_FR", "fra"),
    "guj_Gujr": Language("Gujarati", "gu", "gu", "gu_IN", "guj"),
    "hat_Latn": Language("Haitian Creole", "ht", "", "", ""),
    "hau_Latn": Language("Hausa", "", "", "ha", "hau"),
    "hin_Deva": Language("Hindi", "hi", "hi", "hi_IN", "hin"),
    "ibo_Latn": Language("Igbo", "", "", "", "ibo"),
    "ind_Latn": Language("Indonesian", "id", "id", "id", "ind"),
    "ita_Latn": Language("Italian", "it", "it", "it", "ita"),
    "jpn_Jpan": Language("Japanese", "ja", "ja", "", "jpn"),
    "khm_Khmr": Language("Khmer", "km", "", "", "khm"),
    "kor_Hang": Language("Korean", "ko", "ko", "ko", "kor"),
    "lao_Laoo": Language("Lao", "lo", "", "", "lao"),
    "mar_Deva": Language("Marathi", "mr", "mr", "mr", "mar"),
    "mya_Mymr": Language("Burmese", "my", "", "my", "mya"),
    "npi_Deva": Language("Nepali", "ne", "", "", "nep"),
    "por_Latn": Language("Portuguese", "pt", "pt-BR", "pt_BR", "por"),
    "quy_Latn": Language("Quechua", "qu", "", "", ""),
    "rus_Cyrl": Language("Russian", "ru", "ru", "", "rus"),
    "spa_Latn": Language("Spanish", "es", "es", "es_ES", "spa"),
    "srp_Cyrl": Language("Serbian", "sr", "sr", "", "srp-Cyrl"),
    # FLORES has Serbian in Cyrillic alone; lid.176 takes the Latin script for its neighbours'.
    "srp_Latn": Language("Serbian (Latin)", "", "", "", "srp-Latn"),
    "swh_Latn": Language("Swahili", "sw", "sw", "sw_TZ", "swa"),
    "tam_Taml": Language("Tamil", "ta", "ta", "", "tam"),
    "tel_Telu": Language("Telugu", "te", "te", "te", "tel"),
    "tha_Thai": Language("Thai", "th", "th", "", "tha"),
    "tur_Latn": Language("Turkish", "tr", "tr", "", "tur"),
    "ukr_Cyrl": Language("Ukrainian", "uk", "uk", "uk", "ukr"),
    "urd_Arab": Language("Urdu", "ur", "ur", "ur_PK", "urd"),
    "vie_Latn": Language("Vietnamese", "vi", "vi", "vi", "vie"),
    "yor_Latn": Language("Yoruba", "yo", "", "yo", "yor"),
    "zho_Hans": Language("Chinese", "zh", "zh-CN", "zh_Hans", "zho-CN"),
    "zul_Latn": Language("Zulu", "", "", "", "zul"),
}
LID = {language.lid: code for code, language in TABLE.items() if language.lid}


def get(code: str) -> Language:
    """The table's entry of a FLORES code."""
    if code not in TABLE:
        raise UserError(f"language {code!r} is not in stages/common/languages.py. Add a line "
                        "with its name and codes", BAD_CONFIG)
    return TABLE[code]


def name(code: str) -> str:
    """English name of a FLORES code, as prompts use it."""
    return get(code).name


def named(label: str) -> str | None:
    """FLORES code of a column or file label: that code, a code of the table, or an English name.

    None for a label that says no language of the table.
    """
    short = label.strip().removeprefix("\ufeff")
    for code, (name, lid, _, _, ntrex) in TABLE.items():
        if short in (code, lid, ntrex) or short.casefold() == name.casefold():
            return code if short else None
    return None
