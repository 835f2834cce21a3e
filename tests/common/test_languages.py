"""The language table is total for what params and the sets name, and its codes are unambiguous."""

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from stages.common import languages
from stages.common.errors import UserError

ROOT = Path(__file__).parents[2]
# The NTREX-128 files that the sets of this project were looked at in; eng-US is a rewrite, no
# language of its own.
NTREX = [
    "amh", "arb", "aze-Latn", "ben", "deu", "eng", "fra", "hau", "hin", "ibo", "ind", "jpn", "khm",
    "kor", "lao", "mya", "nep", "por", "rus", "spa", "srp-Cyrl", "srp-Latn", "swa", "tam", "tel",
    "tha", "tur", "vie", "yor", "zho-CN", "zul"]
MAFAND = ["eng", "hau", "swa", "yor"]
XCOPA = ["et", "ht", "id", "it", "qu", "sw", "ta", "th", "tr", "vi", "zh"]
MGSM = ["bn", "de", "en", "es", "fr", "ja", "ru", "sw", "te", "th", "zh"]
CODE = re.compile(r"[a-z]{3}_[A-Z][a-z]{3}")


def named_in_params() -> set[str]:
    """Every FLORES code that is a key or a value anywhere in params.yaml."""
    found = set()

    def walk(node):
        for part in node if isinstance(node, list) else [*node, *node.values()]:
            if isinstance(part, dict | list):
                walk(part)
            elif isinstance(part, str) and CODE.fullmatch(part):
                found.add(part)

    walk(YAML(typ="safe").load((ROOT / "params.yaml").read_text()))
    return found


def test_every_language_of_params_is_in_the_table():
    found = named_in_params()
    assert {"spa_Latn", "swh_Latn"} <= found
    assert found <= set(languages.TABLE)


def test_every_set_has_its_languages():
    ntrex = {language.ntrex for language in languages.TABLE.values()}
    assert ntrex >= {*NTREX, *MAFAND}
    for code in [*XCOPA, *MGSM]:
        assert languages.named(code), code


@pytest.mark.parametrize("field", ["name", "lid", "chromium", "kolibri", "ntrex"])
def test_a_code_means_one_language(field):
    codes = [getattr(language, field) for language in languages.TABLE.values()]
    given = [code for code in codes if code]
    assert len(given) == len(set(given))


CODES = """
afr amh ara hye asm ast azj bel ben bos bul mya cat ceb zho_simpl zho_trad hrv ces dan nld eng est
tgl fin fra ful glg lug kat deu ell guj hau heb hin hun isl ibo ind gle ita jpn jav kea kam kan kaz
khm kor kir lao lav lin lit luo ltz mkd msa mal mlt mri mar mon npi nso nob nya oci ory orm pus fas
pol por pan ron rus srp snd sna slk slv som ckb spa swh swe tgk tam tel tha tur ukr umb urd uzb vie
cym wol xho yor zul"""
FLORES101 = CODES.split()


def test_the_table_holds_flores_101_and_each_of_its_files_is_one_language():
    files = {languages.flores101(code): code for code in languages.TABLE}
    assert len(FLORES101) == len(set(FLORES101)) == 102  # Chinese in two scripts
    assert set(FLORES101) <= set(files)
    assert files["zho_trad"] == "zho_Hant" and files["fas"] == "pes_Arab"
    assert files["ara"] == "arb_Arab" and files["ful"] == "fuv_Latn"


def test_every_language_of_flores_101_has_a_code_of_opus_of_its_own():
    codes = {code: languages.opus(code) for code in languages.TABLE
             if languages.flores101(code) in FLORES101}
    assert len(codes) == len(set(codes.values())) == 102 and all(codes.values())
    assert (codes["ckb_Arab"], codes["zho_Hans"], codes["nob_Latn"]) == ("ku_Arab", "zh", "no")
    assert languages.named("ha") == "hau_Latn" and languages.named("") is None


def test_codes_are_codes():
    for code, language in languages.TABLE.items():
        assert CODE.fullmatch(code)
        assert language.name
        assert languages.get(code) is language
        if code != "npi_Deva" and language.ntrex:  # a macrolanguage's code starts alike
            assert language.ntrex[:2] == code[:2], code


def test_a_label_names_a_language_or_none():
    for label in ("swh_Latn", "sw", "swa", "Swahili", "swahili", " swa ", "\ufeffswa"):
        assert languages.named(label) == "swh_Latn"
    for label in ("", " ", "xx", "sw_TZ", "SW", "hat"):
        assert languages.named(label) is None
    assert languages.named("hau") == "hau_Latn"


def test_detector_labels_lead_back_and_the_lacking_ones_do_not():
    assert languages.LID["sw"] == "swh_Latn"
    assert "" not in languages.LID
    assert {code for code, language in languages.TABLE.items() if not language.lid} == {
        "fuv_Latn", "gaz_Latn", "hau_Latn", "ibo_Latn", "kam_Latn", "kea_Latn", "lin_Latn",
        "lug_Latn", "luo_Latn", "mri_Latn", "nso_Latn", "nya_Latn", "sna_Latn", "srp_Latn",
        "umb_Latn", "wol_Latn", "xho_Latn", "zho_Hant", "zul_Latn"}


def test_an_unknown_code_is_refused_with_the_remedy():
    with pytest.raises(UserError, match=r"'tlh_Latn' is not in stages/common/languages\.py"):
        languages.name("tlh_Latn")
