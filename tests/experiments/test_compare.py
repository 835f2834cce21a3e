"""A comparator with its own tokenizer and protocol, through the stages' own commands."""

import json
import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from stages import eval_mt, eval_reason
from stages.common import jsonl
from stages.common.errors import UserError
from stages.convert import assets
from stages.convert.encoder import tiny as tiny_spm
from stages.convert.lid import tiny as tiny_lid
from stages.convert.model import tiny
from stages.decoding import engines
from stages.experiments import compare
from stages.model import protocols
from tests import stage_fixture
from tests.decoding import model_server
from tests.rows.result_files import SETTINGS, SUITE
from tests.test_eval_mt import SYSTEM

PARAMS = YAML(typ="safe").load((Path(__file__).parents[2] / "params.yaml").read_text())
OTHER = {"folder": "other", "licence": "ours", "restricted": None, "protocol": "benchmax",
         "engine": "hf", "dtype": "float32", "reason": True,
         "published": {"source": "a table", "metric": "chrf++", "into_eng": 10.0}}


def settings(folder, comparators):
    stage_fixture.params(
        folder, 6, recipe={
            "systems": {"base": SYSTEM | {"weights": "model", "base": "model", "parent": "model"}},
            "comparators": comparators,
            "significance": {name: value for name, value in SETTINGS.items() if name not in SUITE},
            "suites": {"s": {
                **{name: SETTINGS[name] for name in SUITE}, "evidence": "A toy.",
                "judge": {"tokens": 100, "dtype": "float32"},
                "eval_mt": {"test_set": "toy", "segments": None, "max_new_tokens": 4,
                            "batch_tokens": 500, "spbleu_label": "toy", "engine": "hf",
                            "protocol": "desk", "languages": None, "pivots": ["eng_Latn"]},
                "format": {"languages": {}},
                "eval_reason": {"tasks": {"toy": {"metric": "acc", "carries": True}},
                                "screen": {"share": 0.0}, "items": 9, "batch": 64,
                                "engine": "hf"}}}},
        format={"languages": {"swh_Latn": {"resource": "low"}}}, offline=True, qe={"score": {}})


@pytest.fixture(scope="module")
def place(tmp_path_factory, fixtures, tiny_model):
    folder = tmp_path_factory.mktemp("compare")
    model_server.talkative(tiny_model, folder / "model")
    texts = [text for _, text in assets.labelled([fixtures / "tiny_train.jsonl"])]
    tiny.qwen3(texts[::3], folder / "plain", depth=2)
    model_server.talkative(folder / "plain", folder / "other")
    (folder / "data/download/lid").mkdir(parents=True)
    (folder / "data/download/judges").mkdir()
    tiny_lid.lid(assets.labelled([fixtures / "tiny_train.jsonl"]), folder / "data/download/lid")
    tiny_spm.spm(texts, folder / "data/download/spm")
    rows = list(jsonl.read(fixtures / "tiny_test.jsonl"))[:12]
    for part in ("suite", "corpus"):
        with jsonl.writer(folder / f"data/format/{part}/test.jsonl") as write:
            for number, row in enumerate(rows):
                write({"id": row["id"], "src": row["eng_Latn"], "tgt": row["swh_Latn"],
                       "src_lang": "eng_Latn", "tgt_lang": "swh_Latn", "split": "devtest",
                       "cluster": f"toy.{number // 2}"})
    with jsonl.writer(folder / "data/download/items/toy.jsonl") as write:
        for number in range(6):
            write({"id": number, "question": f"Number {number}?", "choices": ["a", "b"],
                   "gold": number % 2})
    return folder


@pytest.fixture
def folder(place, monkeypatch):
    monkeypatch.chdir(place)
    return place


def test_rows_of_a_comparator_pair_with_the_bases(folder):
    settings(folder, {"other": OTHER})
    with pytest.raises(UserError, match="Run `dvc repro eval_mt@base eval_reason@base` first"):
        compare.main(["other"])
    eval_mt.main(["base", *compare.TRANSLATE, "data/eval_mt/base"])
    eval_reason.main(["base", "data/eval_reason/base"])
    compare.main(["other"])
    out = Path("reports/s/s/comparators/other")
    model = json.loads((out / "significance.json").read_text())
    assert model["meta"]["contrasts"] == ["other-base"]
    [paired] = [table for table in model["tables"] if table["id"].startswith("t0_pairing")
                or "prompts" in (table["rows"] or [{}])[0]]
    assert {row["prompts"] for row in paired["rows"]} == {"own tokenizer and template"}
    assert {row["set"] for row in paired["rows"]} == {
        "eng_Latn-swh_Latn", "swh_Latn-eng_Latn", "toy"}
    assert {path.name for path in (out / "rows").iterdir()} >= {"base", "other", "copy_source"}
    [row] = json.loads((out / "calibration.json").read_text())
    into = model["headline"]["other-base"]["translation"]["into_eng"]["chrf++"]
    assert (row["published"], row["ours"]) == (10.0, into["system"])
    assert row["off"] == pytest.approx(into["system"] - 10)
    [work] = Path("data/comparators/runs").iterdir()
    meta = json.loads((work / "mt/other/meta.json").read_text())
    assert meta["comparator"] is True and "protocol benchmax" in meta["signature"]["decoding"]
    before = (work / "mt/other/segments.jsonl").stat().st_mtime_ns
    compare.main(["other"])  # translates nothing again
    assert (work / "mt/other/segments.jsonl").stat().st_mtime_ns == before


def test_nothing_is_fetched_before_its_licence_is_accepted(folder, capsys):
    settings(folder, PARAMS["comparators"])
    (folder / "data/eval_mt/base").mkdir(parents=True, exist_ok=True)
    (folder / "data/eval_mt/base/segments.jsonl").touch()
    with pytest.raises(UserError, match=r"not valid in the EU, the UK and South Korea.*--accept"):
        compare.main(["hunyuan_mt"])
    assert "licence: Tencent Hunyuan Community" in capsys.readouterr().err
    with pytest.raises(UserError, match="nobody has seen a revision of LLaMAX/LLaMA"):
        compare.main(["llamax3_alpaca"])
    with pytest.raises(UserError, match=r"could not be reached\. Connect"):
        compare.main(["hunyuan_mt", "--accept"])
    with pytest.raises(UserError, match="comparators has no 'gpt', only qwen3_base"):
        compare.main(["gpt"])


@pytest.mark.parametrize("name", PARAMS["comparators"])
def test_every_comparator_is_described_in_full(name):
    about = PARAMS["comparators"][name]
    assert set(about) == {"hub", "revision", "licence", "restricted", "gated", "protocol", "engine",
                          "dtype", "reason", "published"}
    assert re.fullmatch(r"[0-9a-f]{40}|unchecked", about["revision"])
    suite = PARAMS["suites"]["paper"]["eval_mt"]
    protocol = protocols.named(about["protocol"] or suite["protocol"])
    assert engines.named(about["engine"]) == "hf" or protocol.beams == 1
    assert set(about["published"]) <= {"source", "metric", "into_eng", "out_of_eng"}
