"""The stage with a tiny model: what is translated, what is shown, what the rows say."""

import json

import pytest

from stages import eval_mt
from stages.common import jsonl
from stages.common.errors import UserError
from stages.convert import assets
from stages.convert.lid import tiny

from . import stage_fixture

SYSTEM = {"base": "model", "weights": "model", "parent": "model", "derive": None, "shots": 0,
          "draw": 0, "system": "model", "dtype": "float32"}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory, fixtures, tiny_model):
    folder = tmp_path_factory.mktemp("eval_mt")
    (folder / "model").symlink_to(tiny_model)
    (folder / "lid").mkdir()
    tiny.lid(assets.labelled([fixtures / "tiny_train.jsonl", fixtures / "tiny_test.jsonl"]),
             folder / "lid")
    (folder / "spm").mkdir()
    (folder / "spm/one.model").write_text("a tokenizer")
    texts = list(jsonl.read(fixtures / "tiny_test.jsonl"))[:30]
    for name, rows, split in (("test", texts[:5], "devtest"), ("dev", texts[5:], "dev")):
        with jsonl.writer(folder / f"{name}.jsonl") as write:
            for row in rows:
                write({"id": row["id"], "src": row["eng_Latn"], "tgt": row["swh_Latn"],
                       "src_lang": "eng_Latn", "tgt_lang": "swh_Latn", "split": split,
                       "cluster": f"{split}.one"})
    return folder


def run(folder, monkeypatch, name, added=(), **system):
    monkeypatch.chdir(folder)
    stage_fixture.params(
        folder, 6, recipe={"systems": {name: SYSTEM | system}, "suites": {"s": {"eval_mt": {
            "test_set": "toy", "segments": None, "max_new_tokens": 4, "batch_tokens": 500,
            "spbleu_label": "toy", "engine": "hf", "protocol": "desk", "languages": None,
            "pivots": ["eng_Latn"]}, "format": {"languages": dict(added)}}}},
        format={"languages": {"swh_Latn": {"resource": "low"}}}, offline=True)
    eval_mt.main([name, "test.jsonl", "dev.jsonl", "lid", "spm", f"out/{name}"])
    return (list(jsonl.read(f"out/{name}/segments.jsonl")),
            json.loads((folder / f"out/{name}/meta.json").read_text()))


def test_every_segment_in_both_directions_with_all_flags(workspace, monkeypatch):
    rows, meta = run(workspace, monkeypatch, "base")
    ids = [row["id"] for row in jsonl.read("test.jsonl")]
    assert [(row["direction"], row["id"]) for row in rows] == [
        (direction, name) for direction in ("eng_Latn-swh_Latn", "swh_Latn-eng_Latn")
        for name in sorted(ids)]
    for row in rows:
        assert set(row) == {
            "id", "cluster", "direction", "src", "ref", "hyp", "hyp_lang", "hyp_lang_p",
            "ref_hash", "empty", "copy", "truncated", "off_target", "ref_off_target"}
        for flag in ("off_target", "ref_off_target"):
            assert list(row[flag]) == ["top1", "no_other_p50"]
        assert row["hyp"] or not any(row["off_target"].values())
    assert {row["cluster"] for row in rows} == {"devtest.one"}
    assert (meta["limit"], meta["shots"], meta["draw"]) == (None, 0, 0)
    assert meta["signature"]["decoding"] == (
        "greedy, first line, max_new_tokens=4, batch_tokens=500")


def test_shots_draw_and_system_turn_change_the_prompt_and_nothing_else(workspace, monkeypatch):
    systems = {"base": {}, "shown": {"shots": 2}, "drawn": {"shots": 2, "draw": 1},
               "turned": {"system": "Be brief."}}
    found = {name: run(workspace, monkeypatch, name, **system)[1]["signature"]
             for name, system in systems.items()}
    assert len({signature["prompt"] for signature in found.values()}) == 4
    for field in ("revision", "tokenizer", "template", "decoding", "dtype"):
        assert len({signature[field] for signature in found.values()}) == 1


def test_a_language_of_the_suite_alone_is_asked_without_examples(workspace, monkeypatch):
    """The corpus holds none of it; the scale's own languages keep theirs."""
    before, _ = run(workspace, monkeypatch, "shown", shots=2)
    with jsonl.writer("both.jsonl") as write:
        for row in jsonl.read("test.jsonl"):
            write(row)
            write({**row, "tgt_lang": "deu_Latn"})
    (workspace / "test.jsonl").rename("own.jsonl")
    (workspace / "both.jsonl").rename("test.jsonl")
    added = {"deu_Latn": {"resource": "high"}}
    try:
        rows, meta = run(workspace, monkeypatch, "shown", added, shots=2)
        plain, _ = run(workspace, monkeypatch, "base", added)
    finally:
        (workspace / "own.jsonl").rename("test.jsonl")

    def german(found):
        return [row for row in found if "deu_Latn" in row["direction"]]

    assert len(german(rows)) == len(before) == 10
    assert german(rows) == german(plain)
    assert [row for row in rows if row not in german(rows)] == before
    assert meta["languages"] == {"swh_Latn": {"resource": "low"}, **added}


def test_text_without_the_language_is_refused(workspace, monkeypatch):
    monkeypatch.setattr(eval_mt.translation, "routes", lambda *_: [("spa_Latn", "eng_Latn")])
    with pytest.raises(UserError, match=r"test.jsonl: no row for spa_Latn to eng_Latn\. Run"):
        run(workspace, monkeypatch, "base")
