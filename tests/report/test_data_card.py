"""The data card says what the stages counted, and nothing in a pair acts."""

import json

import pytest

from stages.common import jsonl
from stages.common.errors import UserError
from stages.common.funnel import Funnel
from stages.report import data_card
from tests import stage_fixture

LOCK = {"s": {
    "train": {"source": "mined", "licence": "see each file", "files": [
        {"url": "http://data.example.org/a.gz", "licence": "ODC-BY", "bytes": 10, "sha256": "x"},
        {"url": "http://data.example.org/b.gz", "licence": "ODC-BY"}]},
    "test": {"source": "flores", "licence": "CC-BY-SA-4.0", "files": [
        {"url": "https://dl.example.org/f.tar.gz", "licence": "CC-BY-SA-4.0", "bytes": 5,
         "sha256": "y"}]},
    "lid": {"source": "lid==1", "licence": "MIT", "archive": "x.whl"},
    "encoder": {"source": "kiwi", "licence": "CC-BY-NC-SA-4.0", "files": []}}}


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stage_fixture.params(tmp_path, 3, limits={"Small": "Only a test."})
    jsonl.write_json("data/sources.lock", LOCK)
    return tmp_path


def test_the_card_holds_counts_terms_samples_and_limits(root):
    funnel = Funnel()
    for number in range(9):
        row = {"id": str(number), "src": f"text {number} | <b>", "tgt": "neno [x](http://e.x)",
               "tgt_lang": "swh_Latn"}
        funnel.see(row)
        funnel.drop(row, "length_ratio") if number < 5 else funnel.keep(row)
    funnel.write(root / "data/format/corpus")
    data_card.main([])
    text = (root / "reports/s/DATA_CARD.md").read_text()
    assert "| train | data.example.org | ODC-BY | 2 | 10 | 1 |" in text.replace("\\.", ".")
    assert "CC-BY-NC-SA-4.0" in text and "lid==1" in text.replace("\\", "")
    assert "| format | length ratio 5 | 9 | 4 |" in text
    assert text.count("- Swahili: text") == data_card.SHOWN
    assert "<b>" not in text and "(http:" not in text
    assert "- **Small**: Only a test." in text


def test_nothing_run_says_so(root):
    with pytest.raises(UserError, match="Run `make data` first"):
        data_card.main([])
    assert json.loads((root / "data/sources.lock").read_text()) == LOCK
