"""Neural scores are comet's own, and what cannot be scored says why."""

import json
import math
import shutil
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import torch

from stages.comet import checkpoints, judges
from stages.common import jsonl
from stages.common.errors import UserError
from stages.convert.encoder import tiny

ROOT = Path(__file__).parents[2]
WORDS = {"word_layer": 2, "sent_layer": "mix"}
KINDS = {  # every published class, as its own checkpoints are configured where that shows
    "xcomet-xl": ("xcomet_metric", {"encoder_model": "XLM-RoBERTa-XL", **WORDS}),
    "xcomet-xxl": ("xcomet_metric", {"encoder_model": "XLM-RoBERTa", **WORDS,
                                     "layer_transformation": "sparsemax"}),
    "wmt22-comet-da": ("regression_metric", {"encoder_model": "XLM-RoBERTa", "pool": "avg"}),
    "wmt22-cometkiwi-da": ("unified_metric", {
        "encoder_model": "XLM-RoBERTa", "input_segments": ["mt", "src"], **WORDS,
        "word_level_training": True}),
}


@pytest.fixture(scope="module")
def rows(fixtures):
    """Segments of uneven length, one of them empty."""
    found = []
    for n, row in enumerate(jsonl.read(fixtures / "tiny_train.jsonl")):
        repeat = 1 + n % 4
        found.append({"direction": "eng_Latn-spa_Latn", "src": " ".join([row["eng_Latn"]] * repeat),
                      "ref": " ".join([row["spa_Latn"]] * repeat),
                      "hyp": row["swh_Latn"] if n else ""})
    return found[:60]


@pytest.fixture(scope="module")
def encoder(fixtures, tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoder") / "encoder"
    tiny.encoder([value for row in jsonl.read(fixtures / "tiny_train.jsonl")
                  for value in row.values()], folder)
    return folder


@pytest.fixture(scope="module")
def folders(encoder, tmp_path_factory):
    found = {}
    for metric, (kind, options) in KINDS.items():
        found[metric] = tmp_path_factory.mktemp(metric)
        checkpoints.random_metric(metric, kind, encoder, found[metric] / "m", **options)
        found[metric] = found[metric] / "m"
    return found


@pytest.mark.parametrize("metric", KINDS)
def test_scores_are_those_of_comets_own_predict(metric, folders, rows):
    import comet

    model = comet.load_from_checkpoint(str(folders[metric] / checkpoints.CHECKPOINT),
                                       local_files_only=True)
    assert type(model) is comet.models.str2model[KINDS[metric][0]]
    sides = {"src": "src", "mt": "hyp", "ref": "ref"}
    if metric == "wmt22-cometkiwi-da":
        del sides["ref"]
    expected = model.predict([{side: row[key] for side, key in sides.items()} for row in rows],
                             batch_size=7, gpus=0, num_workers=0, progress_bar=False).scores
    found = judges.score(metric, rows, folders[metric], 400)
    assert len(set(expected)) > 40  # else a constant would pass
    assert max(abs(a - b) for a, b in zip(found, expected, strict=True)) < 1e-5
    alone = judges.score(metric, rows, folders[metric], 1)  # a row a batch
    assert max(abs(a - b) for a, b in zip(found, alone, strict=True)) < 1e-5


def test_weights_are_float32_unless_asked_otherwise(folders, rows):
    loaded = checkpoints.load("wmt22-comet-da", folders["wmt22-comet-da"])
    assert {p.dtype for p in loaded.parameters()} == {torch.float32} and not loaded.training
    rough = judges.score("wmt22-comet-da", rows, folders["wmt22-comet-da"], 400, dtype="bfloat16")
    exact = judges.score("wmt22-comet-da", rows, folders["wmt22-comet-da"], 400)
    assert 1e-4 < max(abs(a - b) for a, b in zip(rough, exact, strict=True)) < 0.1


def test_batches_hold_every_row_once_and_what_fits():
    lengths = [5, 1, 9, 2, 2, 30, 4]
    found = judges.batches(lengths, 12)
    assert found == [[1, 3, 4, ], [6, 0], [2], [5]]
    assert sorted(i for batch in found for i in batch) == list(range(7))


def test_a_language_that_the_encoder_never_saw_has_no_score(folders, rows):
    mixed = [rows[1], {**rows[2], "direction": "eng_Latn-ceb_Latn"}, rows[3]]
    found = judges.score("xcomet-xl", mixed, folders["xcomet-xl"], 400)
    assert [value is None for value in found] == [False, True, False]
    assert found[::2] == judges.score("xcomet-xl", mixed[::2], folders["xcomet-xl"], 400)
    assert judges.unknown("xcomet-xl", "eng_Latn-ceb_Latn") == (
        "xcomet-xl does not know ceb_Latn: its encoder saw none")
    assert judges.score("xcomet-xl", mixed[1:2], Path("nowhere"), 400) == [None]
    # What WALAR leaves out of its xCOMET tables, and Swahili, which it keeps.
    assert not checkpoints.KNOWN & {"ltz_Latn", "ceb_Latn", "yor_Latn"}
    assert "swh_Latn" in checkpoints.KNOWN and len(checkpoints.KNOWN) == 91


def test_the_family_that_filtered_is_flagged():
    assert "of one family" in judges.kin("xcomet-xl", "wmt22-cometkiwi-da")
    assert judges.kin("xcomet-xl", "comet-desk-qe") is None


def test_a_score_that_is_no_number_is_refused(folders, rows, tmp_path):
    shutil.copytree(folders["wmt22-comet-da"], tmp_path / "m")
    file = tmp_path / "m" / checkpoints.CHECKPOINT
    saved = torch.load(file, weights_only=True)
    saved["state_dict"]["estimator.ff.0.weight"][0] = math.inf
    torch.save(saved, file)
    checkpoints.write_manifest("wmt22-comet-da", "random weights", tmp_path / "m")
    with pytest.raises(UserError, match=r"row \d+ \(eng_Latn-spa_Latn\) has the score nan"):
        judges.score("wmt22-comet-da", rows, tmp_path / "m", 400)


@pytest.mark.parametrize(("spoil", "message"), [
    (lambda m: (m / "metric.json").unlink(), r"holds no complete metric .*Fetch"),
    (lambda m: (m / "encoder/tokenizer.json").unlink(), "tokenizer.json is missing or was changed"),
    (lambda m: (m / "checkpoints/model.ckpt").write_bytes(
        (m / "checkpoints/model.ckpt").read_bytes()[:-9]), "model.ckpt is missing or was changed"),
    (lambda m: (m / "hparams.yaml").write_text(""), "hparams.yaml is missing or was changed")])
def test_half_a_metric_is_found_out(folders, tmp_path, spoil, message):
    shutil.copytree(folders["xcomet-xxl"], tmp_path / "m")
    spoil(tmp_path / "m")
    with pytest.raises(UserError, match=message):
        checkpoints.load("xcomet-xxl", tmp_path / "m")


def test_a_checkpoint_that_lacks_weights_or_is_another_is_refused(folders, tmp_path):
    shutil.copytree(folders["xcomet-xxl"], tmp_path / "m")
    file = tmp_path / "m" / checkpoints.CHECKPOINT
    saved = torch.load(file, weights_only=True)
    del saved["state_dict"]["estimator.ff.0.weight"]
    torch.save(saved, file)
    checkpoints.write_manifest("xcomet-xxl", "random weights", tmp_path / "m")
    with pytest.raises(UserError, match=r"lacks 1 weights, such as estimator\.ff\.0\.weight"):
        checkpoints.load("xcomet-xxl", tmp_path / "m")
    with pytest.raises(UserError, match="holds xcomet-xxl, not xcomet-xl"):
        checkpoints.load("xcomet-xl", tmp_path / "m")
    checkpoints.write_manifest("xcomet-xxl", checkpoints.METRICS["xcomet-xxl"].revision,
                               tmp_path / "m")
    with pytest.raises(UserError, match="is not the published xcomet-xxl: its SHA-256 is"):
        checkpoints.load("xcomet-xxl", tmp_path / "m")


def test_encoder_and_mixture_of_a_published_checkpoint(folders, rows, tmp_path):
    """Published ones name the hub's encoder, and some a mixture that comet takes as softmax."""
    metric = "wmt22-comet-da"
    shutil.copytree(folders[metric], tmp_path / "m")
    file, hparams = tmp_path / "m" / checkpoints.CHECKPOINT, tmp_path / "m" / checkpoints.HPARAMS
    saved = torch.load(file, weights_only=True)
    saved["hyper_parameters"] |= {"pretrained_model": "xlm-roberta-large",
                                  "layer_transformation": "sparsemax"}
    torch.save(saved, file)
    hparams.write_text("class_identifier: regression_metric\n"
                       "layer_transformation: sparsemax_patch\n")
    checkpoints.write_manifest(metric, "random weights", tmp_path / "m")
    found = judges.score(metric, rows[:9], tmp_path / "m", 400)
    assert found == judges.score(metric, rows[:9], folders[metric], 400)
    mixture = checkpoints.load(metric, tmp_path / "m").layerwise_attention
    assert mixture.transform_fn is torch.softmax


class Evil:
    def __reduce__(self):
        return exec, ("raise SystemExit('run')",)


def test_a_pickle_that_runs_code_is_not_opened(folders, tmp_path):
    shutil.copytree(folders["xcomet-xl"], tmp_path / "m")
    torch.save({"state_dict": {}, "hyper_parameters": Evil()},
               tmp_path / "m" / checkpoints.CHECKPOINT)
    checkpoints.write_manifest("xcomet-xl", "random weights", tmp_path / "m")
    with pytest.raises(UserError, match="holds more than tensors"):
        checkpoints.load("xcomet-xl", tmp_path / "m")


class Hub(BaseHTTPRequestHandler):
    """A model hub that refuses, with the headers by which the client tells why."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        code, status = {"XCOMET-XL": ("GatedRepo", 403), "XCOMET-XXL": ("RevisionNotFound", 404),
                        "wmt22-comet-da": ("", 503)}.get(
            self.path.split("/")[4], ("RepoNotFound", 401))
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()


def test_what_the_hub_refuses_is_said_in_one_line(tmp_path):
    hub = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    Thread(target=hub.serve_forever, daemon=True).start()
    script = ("import json, os; from pathlib import Path\n"
              "from stages.comet import checkpoints; from stages.common.errors import UserError\n"
              "said = {}\n"
              "for metric in checkpoints.METRICS:\n"
              "    try: checkpoints.fetch(metric, Path(metric))\n"
              "    except UserError as error: said[metric] = str(error)\n"
              "print(json.dumps(said))")

    def said(**more):
        found = subprocess.run(
            [sys.executable, "-c", script], cwd=tmp_path, check=True, capture_output=True,
            text=True, env={"PYTHONPATH": f"{ROOT}", "HOME": str(tmp_path), **more}).stdout
        return json.loads(found)

    online = said(HF_ENDPOINT=f"http://127.0.0.1:{hub.server_address[1]}")
    hub.shutdown()
    hub.server_close()
    assert ("accept its terms at https://huggingface.co/Unbabel/XCOMET-XL, then set HF_TOKEN"
            in online["xcomet-xl"])
    assert "has no revision 873bac1b1c46" in online["xcomet-xxl"]
    assert "is not there or not for you" in online["wmt22-cometkiwi-da"]
    assert "Unbabel/wmt22-comet-da" in online["wmt22-comet-da"]  # 503
    offline = said(HF_HUB_OFFLINE="1")
    assert len(online) == len(offline) == 4 and not any("\n" in line for line in online.values())
    assert all("could not be reached" in line for line in offline.values())
    # Offline, the client is content with any folder that is not empty.
    (tmp_path / "xcomet-xl").mkdir(exist_ok=True)
    (tmp_path / "xcomet-xl/hparams.yaml").write_text("class_identifier: xcomet_metric")
    assert "xcomet-xl" in said(HF_HUB_OFFLINE="1")
