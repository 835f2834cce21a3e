"""One table of language codes. Inside the project a language is its FLORES code."""

from __future__ import annotations

from typing import NamedTuple

from .errors import BAD_CONFIG, UserError

PIVOT = "eng_Latn"


class Language(NamedTuple):
    """Codes of one language in the tools and sets that need them; "" where one lacks it."""

    name: str  # in prompts
    lid: str  # label of fastText lid.176: ISO 639-1, or 639-3 where there is none
    chromium: str = ""  # locale file in Chromium
    kolibri: str = ""  # locale folder in Kolibri
    ntrex: str = ""  # file in NTREX-128; ISO 639-3 as MAFAND-MT uses it, where it has no script


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
# What else FLORES-101 holds. Where no scale asks for one of these, a guess of it keeps its label:
# committed rows keep theirs.
TABLE |= {
    "afr_Latn": Language("Afrikaans", "af"),
    "asm_Beng": Language("Assamese", "as"),
    "ast_Latn": Language("Asturian", "ast"),
    "bel_Cyrl": Language("Belarusian", "be"),
    "bos_Latn": Language("Bosnian", "bs"),
    "cat_Latn": Language("Catalan", "ca"),
    "ceb_Latn": Language("Cebuano", "ceb"),
    "ces_Latn": Language("Czech", "cs"),
    "ckb_Arab": Language("Sorani Kurdish", "ckb"),
    "cym_Latn": Language("Welsh", "cy"),
    "dan_Latn": Language("Danish", "da"),
    "fin_Latn": Language("Finnish", "fi"),
    "fuv_Latn": Language("Fula", ""),
    "gaz_Latn": Language("Oromo", ""),
    "gle_Latn": Language("Irish", "ga"),
    "glg_Latn": Language("Galician", "gl"),
    "heb_Hebr": Language("Hebrew", "he"),
    "hrv_Latn": Language("Croatian", "hr"),
    "hun_Latn": Language("Hungarian", "hu"),
    "hye_Armn": Language("Armenian", "hy"),
    "isl_Latn": Language("Icelandic", "is"),
    "jav_Latn": Language("Javanese", "jv"),
    "kam_Latn": Language("Kamba", ""),
    "kan_Knda": Language("Kannada", "kn"),
    "kat_Geor": Language("Georgian", "ka"),
    "kaz_Cyrl": Language("Kazakh", "kk"),
    "kea_Latn": Language("Kabuverdianu", ""),
    "khk_Cyrl": Language("Mongolian", "mn"),
    "kir_Cyrl": Language("Kyrgyz", "ky"),
    "lin_Latn": Language("Lingala", ""),
    "lit_Latn": Language("Lithuanian", "lt"),
    "ltz_Latn": Language("Luxembourgish", "lb"),
    "lug_Latn": Language("Ganda", ""),
    "luo_Latn": Language("Luo", ""),
    "lvs_Latn": Language("Latvian", "lv"),
    "mal_Mlym": Language("Malayalam", "ml"),
    "mkd_Cyrl": Language("Macedonian", "mk"),
    "mlt_Latn": Language("Maltese", "mt"),
    "mri_Latn": Language("Maori", ""),
    "nld_Latn": Language("Dutch", "nl"),
    "nob_Latn": Language("Norwegian", "no"),
    "nso_Latn": Language("Northern Sotho", ""),
    "nya_Latn": Language("Nyanja", ""),
    "oci_Latn": Language("Occitan", "oc"),
    "ory_Orya": Language("Oriya", "or"),
    "pan_Guru": Language("Punjabi", "pa"),
    "pbt_Arab": Language("Pashto", "ps"),
    "pes_Arab": Language("Persian", "fa"),
    "pol_Latn": Language("Polish", "pl"),
    "ron_Latn": Language("Romanian", "ro"),
    "slk_Latn": Language("Slovak", "sk"),
    "slv_Latn": Language("Slovenian", "sl"),
    "sna_Latn": Language("Shona", ""),
    "snd_Arab": Language("Sindhi", "sd"),
    "som_Latn": Language("Somali", "so"),
    "swe_Latn": Language("Swedish", "sv"),
    "tgk_Cyrl": Language("Tajik", "tg"),
    "tgl_Latn": Language("Filipino", "tl"),
    "umb_Latn": Language("Umbundu", ""),
    "uzn_Latn": Language("Uzbek", "uz"),
    "wol_Latn": Language("Wolof", ""),
    "xho_Latn": Language("Xhosa", ""),
    "zho_Hant": Language("Traditional Chinese", ""),
    "zsm_Latn": Language("Malay", "ms"),
}
# Codes of OPUS and CCMatrix that are no labels of lid.176, and files of FLORES-101 that are not
# named by the code's first part.
OPUS = {
    "ckb_Arab": "ku_Arab", "fuv_Latn": "ff", "gaz_Latn": "om", "hau_Latn": "ha", "ibo_Latn": "ig",
    "kam_Latn": "kam", "kea_Latn": "kea", "lin_Latn": "ln", "lug_Latn": "lg", "luo_Latn": "luo",
    "mri_Latn": "mi", "nso_Latn": "nso", "nya_Latn": "ny", "sna_Latn": "sn", "umb_Latn": "umb",
    "wol_Latn": "wo", "xho_Latn": "xh", "zho_Hant": "zh_TW", "zul_Latn": "zu",
}
FLORES101 = {
    "arb_Arab": "ara", "fuv_Latn": "ful", "lvs_Latn": "lav", "khk_Cyrl": "mon", "gaz_Latn": "orm",
    "pes_Arab": "fas", "pbt_Arab": "pus", "uzn_Latn": "uzb", "zsm_Latn": "msa",
    "zho_Hans": "zho_simpl", "zho_Hant": "zho_trad", "srp_Latn": "",
}


def get(code: str) -> Language:
    """The table's entry of a FLORES code."""
    if code not in TABLE:
        raise UserError(f"language {code!r} is not in stages/common/languages.py. Add a line "
                        "with its name and codes", BAD_CONFIG)
    return TABLE[code]


def name(code: str) -> str:
    """English name of a FLORES code, as prompts use it."""
    return get(code).name


def opus(code: str) -> str:
    """Code of OPUS and CCMatrix: ISO 639-1, else 639-3, with a script where they need one."""
    return OPUS.get(code) or get(code).lid


def flores101(code: str) -> str:
    """File name in FLORES-101: ISO 639-3, for some that of the macro-language."""
    return FLORES101.get(code, code.split("_")[0])


def named(label: str) -> str | None:
    """FLORES code of a column or file label: that code, a code of the table, or an English name.

    None for a label that says no language of the table.
    """
    short = label.strip().removeprefix("\ufeff")
    for code, (name, lid, _, _, ntrex) in TABLE.items():
        if short in (code, lid, ntrex, OPUS.get(code)) or short.casefold() == name.casefold():
            return code if short else None
    return None
