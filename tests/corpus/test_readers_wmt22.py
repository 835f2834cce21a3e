"""The published texts and scores of WMT22, from a folder laid out as theirs; all self-written."""

import pytest

from stages.common.errors import UserError
from stages.corpus.readers import wmt22

NAME = "generaltest2022.de-en"
FILES = {
    f"txt/sources/{NAME}.src.de": "Hallo \nWelt\n",
    f"txt/references/{NAME}.ref.A.en": "Hello\nWorld\n",
    f"txt/references/{NAME}.ref.B.en": "Hi\nworld\n",
    f"txt/system-outputs/{NAME}.hyp.Lan-Bridge.en": "Hello\n\n",
    f"txt/system-outputs/{NAME}.hyp.LT22.en": "Hell\nWorld\n",
    "scores/automatic-scores.tsv":
        "pair\tsystem\tid\tis_constrained\tmetric\tscore\nde-en\tLT22\t605\tTRUE\tbleu-A\t26.5\n"
        "de-en\tLT22\t605\tTRUE\tchrf-all\t58.25\nde-fr\tLT22\t623\tTRUE\tbleu-A\t28.0\n"
        "de-en\tLan-Bridge\t587\tFALSE\tbleu-A\t33.4\n",
    "humaneval/DA/newstest2022-toen/ad-sys-ranking-de-en-z-names.csv":
        "68.8 0.004 1799 2181 Lan-Bridge.1 Lan-Bridge\n68.3 -0.086 1699 2127 HUMAN-B HUMAN\n"
        "64.8 -0.126 1669 2075 LT22.4 LT22\n",
    "humaneval/DA/newstest2022-toen/ad-DA-diff-wilcoxon-rs-deen.csv":
        " Lan-Bridge.1 HUMAN-B LT22.4\nLan-Bridge.1 - 0.09*** 0.13*  \nHUMAN-B -0.09 - 0  \n"
        "LT22.4 -0.13 0 -  \n",
}


@pytest.fixture
def folder(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_everything_published_of_one_direction(folder):
    assert wmt22.published(folder) == {
        "source": ["Hallo ", "Welt"],
        "references": {"A": ["Hello", "World"], "B": ["Hi", "world"]},
        "systems": {"LT22": ["Hell", "World"], "Lan-Bridge": ["Hello", ""]},
        "scores": {"LT22": {"bleu-A": 26.5, "chrf-all": 58.25}, "Lan-Bridge": {"bleu-A": 33.4}},
        "human": {"Lan-Bridge": {"raw": 68.8, "z": 0.004}, "HUMAN-B": {"raw": 68.3, "z": -0.086},
                  "LT22": {"raw": 64.8, "z": -0.126}},
        "human_pairs": {"Lan-Bridge": {"HUMAN-B": {"z": 0.09, "p_below": 0.001},
                                       "LT22": {"z": 0.13, "p_below": 0.05}},
                        "HUMAN-B": {"LT22": {"z": 0.0, "p_below": None}}, "LT22": {}}}


@pytest.mark.parametrize(("name", "text", "says"), [
    (f"txt/references/{NAME}.ref.B.en", "one line\n", r"texts of \[1, 2\] lines"),
    (f"txt/references/{NAME}.ref.B.en", b"a\n\xff\n", r"ref\.B\.en:2 invalid_utf8"),
    ("scores/automatic-scores.tsv", None, r"automatic-scores\.tsv is not there"),
    (f"txt/sources/{NAME}.src.de", None, r"src\.de is not there")])
def test_a_damaged_set_is_refused_by_name(folder, name, text, says):
    if text is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError, match=says):
        wmt22.published(folder)
