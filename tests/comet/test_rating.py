"""A published scorer over shards: its own scores, streamed, continued after a kill, no secrets."""

import json
from pathlib import Path

import pytest

from stages import download, qe
from stages.comet import checkpoints, judges, rating
from stages.common import jsonl, shards
from stages.common.errors import UserError
from stages.convert.encoder import tiny
from tests import stage_fixture

METRIC = "wmt22-cometkiwi-da"
SETTINGS = {"metric": METRIC, "tokens": 300, "dtype": "float32", "dev_rows": 4}


@pytest.fixture(scope="module")
def scorer(fixtures, tmp_path_factory):
    """CometKiwi's true class with random weights."""
    root = tmp_path_factory.mktemp("kiwi")
    tiny.encoder([value for row in jsonl.read(fixtures / "tiny_train.jsonl")
                  for value in row.values()], root / "encoder")
    checkpoints.random_metric(METRIC, "unified_metric", root / "encoder", root / METRIC,
                              encoder_model="XLM-RoBERTa", input_segments=["mt", "src"],
                              word_layer=2, sent_layer="mix", word_level_training=True)
    return root / METRIC


@pytest.fixture
def workspace(tmp_path, monkeypatch, fixtures):
    """Pairs of a language that the encoder knows and of one that it does not, a shard each."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(shards, "SCRATCH", Path("scratch"))
    monkeypatch.setattr(shards, "BATCH", 7)
    texts = list(jsonl.read(fixtures / "tiny_train.jsonl"))[:20]

    def one(source, target, settings):
        language = target.name.split(".")[0]
        with jsonl.writer(target) as write:
            for row in texts:
                write({"id": row["id"], "src": row["eng_Latn"], "tgt": row["swh_Latn"],
                       "src_lang": "eng_Latn", "tgt_lang": language, "origin": "t"})
        return {}

    shards.made(one, dict.fromkeys(["swh_Latn", "yor_Latn"], (tmp_path, "x")),
                (Path("in"), "pairs"), {}, {}, {"engine": "local", "threads": 1})
    with jsonl.writer("test.jsonl") as write:
        for row in shards.rows(Path("in"), "pairs"):
            write({**row, "split": "dev"})
    return tmp_path


def rate(scorer, out):
    stage_fixture.params(Path(), 3, qe={"score": SETTINGS})
    qe.main(["score", "in", str(scorer.parent), "test.jsonl", out])


def test_scores_are_the_judges_and_unknown_languages_have_none(workspace, scorer):
    rate(scorer, "out")
    rows = list(shards.rows(Path("out"), "pairs"))
    known = [row for row in rows if row["tgt_lang"] == "swh_Latn"]
    expected = judges.score(METRIC, [{"src": row["src"], "hyp": row["tgt"],
                                      "direction": "eng_Latn-swh_Latn"} for row in known],
                            scorer, 10_000)
    assert [row["qe"] for row in known] == [round(value, 4) for value in expected]
    assert len({row["qe"] for row in known}) > 3  # random weights tell little apart
    assert all("qe" not in row for row in rows if row["tgt_lang"] == "yor_Latn")
    stats = json.loads(Path("out/stats.json").read_text())
    assert (stats["seen"], stats["kept"], stats["metric"]) == (40, 40, METRIC)
    auc = json.loads(Path("out/auc.json").read_text())
    assert list(auc["by_lang"]) == ["swh_Latn"] and auc["note"].startswith(METRIC)


def test_a_shard_that_is_done_is_not_scored_again(workspace, scorer, monkeypatch):
    rate(scorer, "whole")
    real, scored = rating.scores, []

    def stop(model, samples, settings):
        scored.append(len(samples))
        if len(scored) == 4:  # the first shard has three batches of rows, the second none to score
            raise KeyboardInterrupt
        return real(model, samples, settings)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(rating, "scores", stop)
        rate(scorer, "out")
    assert not Path("out").exists()
    scored.clear()
    monkeypatch.setattr(rating, "scores", lambda *args: (scored.append(len(args[1])),
                                                         real(*args))[1])
    rate(scorer, "out")
    assert sum(scored[:3]) == 0  # the other language's, of which none is scored
    for name in ("pairs/swh_Latn.jsonl.zst", "pairs/yor_Latn.jsonl.zst", "stats.json", "auc.json"):
        assert (Path("out") / name).read_bytes() == (Path("whole") / name).read_bytes()


def test_a_scorer_that_cannot_be_fetched_says_why(tmp_path):
    """What a gated one says: test_judges.py."""
    asset = {"convert": "judges", "metrics": [METRIC]}
    with pytest.raises(UserError, match="wmt22-cometkiwi-da could not be reached"):
        download.build({}, tmp_path, asset)
    with pytest.raises(UserError, match="'cometkiwi' is not one of"):
        download.build({}, tmp_path, asset | {"metrics": ["cometkiwi"]})


def test_a_score_that_is_no_number_says_what_to_set(monkeypatch):
    monkeypatch.setattr(judges, "predict", lambda *_: [0.5, float("nan")])
    with pytest.raises(UserError, match=r"no number in bfloat16\. Set qe\.score\.dtype"):
        rating.scores(None, [{}, {}], {**SETTINGS, "dtype": "bfloat16"})
