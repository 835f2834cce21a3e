"""The card of an exported model tells what the reports found of these weights, and nothing else."""

import json

import huggingface_hub
import pytest

from stages.common.errors import UserError
from stages.report import model_card
from tests.report import finished_run
from tests.report.finished_run import RUN


@pytest.fixture
def exported(tmp_path, monkeypatch):
    """A finished run and the folder that `stages.model.export` leaves, without its weights."""
    root = finished_run.build(tmp_path)
    params = json.loads((root / "params.yaml").read_text())
    params["scales"]["desk"] |= {"format": {"languages": {"swh_Latn": {}, "deu_Latn": {}}}}
    params["scales"]["desk"]["model"]["system"] = None
    (root / "params.yaml").write_text(json.dumps(params))
    (root / "data/sources.lock").write_text(json.dumps({"desk": {"model": {
        "source": "owner/model@0123abcd", "licence": "Apache-2.0 (SmolLM2)", "archive": "a.whl",
        "members": {"w": "0"}}}}))
    judged = root / RUN / "rows/xplus/translation.json"
    judged.parent.mkdir(parents=True, exist_ok=True)
    judged.write_text(json.dumps({"test_set": "Kolibri", "signature": {"revision": "abc"}}))
    made_of = {"base": {"revision": "0", "layers": []}, "data/train_s2": {
        "revision": "abc", "layers": [5]}}
    (root / "export").mkdir()
    (root / "export/trained.json").write_text(json.dumps(made_of))
    (root / "export/model.safetensors").write_bytes(b"12345")
    monkeypatch.chdir(root)
    return root / "export"


def test_the_card_holds_recipe_results_limits_and_terms(exported):
    model_card.main([str(exported)])
    text = (exported / "README.md").read_text()
    data = huggingface_hub.ModelCard(text).data
    assert data.base_model == "owner/model" and data.license == "apache-2.0"
    assert data.language == ["en", "sw", "de"]
    headline = (exported.parent / RUN / "significance.json").read_text()
    assert "xplus against base" in text and json.loads(headline)["headline"]
    for words in ("## Training", "## Results on Kolibri (suite kolibri)", "## Limits",
                  "What it cannot show.", "Apache-2.0 (SmolLM2)",
                  "Translate from English to Swahili", "a replication, not one of the paper's"):
        assert words in text, words
    assert '"role": "system"' not in text


def test_results_of_other_weights_are_never_printed(exported):
    made_of = json.loads((exported / "trained.json").read_text())
    made_of["data/train_s2"]["revision"] = "another"
    (exported / "trained.json").write_text(json.dumps(made_of))
    with pytest.raises(UserError, match=r"no report below reports/desk judged these weights"):
        model_card.main([str(exported)])
    assert not (exported / "README.md").exists()


def test_nothing_is_uploaded_unless_asked(exported, monkeypatch, capsys):
    sent = []

    class Api:
        def create_repo(self, repo, private, exist_ok):
            sent.append((repo, private))

        def upload_folder(self, repo_id, folder_path):
            sent.append((repo_id, folder_path))

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    model_card.main([str(exported), "--repo", "me/model"])
    listed = capsys.readouterr().out
    assert "would upload              5 bytes  me/model/model.safetensors" in listed
    assert not sent
    model_card.main([str(exported), "--repo", "me/model", "--push"])
    assert sent == [("me/model", True), ("me/model", exported)]
    with pytest.raises(UserError, match="--push needs --repo"):
        model_card.main([str(exported), "--push"])


def test_a_folder_that_is_no_export_is_refused(exported):
    with pytest.raises(UserError, match=r"no trained\.json, so no exported model"):
        model_card.main([str(exported.parent)])
