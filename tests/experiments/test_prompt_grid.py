"""The grid with a tiny model: screening, choice, going on after a break, what is written."""

import gzip
import json
from statistics import fmean

import numpy as np
import pytest

from stages.common import jsonl
from stages.common.errors import UserError
from stages.convert import assets
from stages.convert.lid import tiny
from stages.decoding import translation
from stages.experiments import dev_log, prompt_grid
from stages.rows import lexical
from tests import stage_fixture

SYSTEM = {"base": "model", "weights": "model", "parent": "model", "derive": None, "shots": 0,
          "draw": 0, "system": "model", "dtype": "float32"}
ROWS = translation.POOL + 5


def settings(folder, metric="chrf++"):
    stage_fixture.params(
        folder, 6, recipe={"systems": {"base": SYSTEM}, "suites": {"s": {
            "metrics": ["chrf++"], "primary_metric": metric, "eval_mt": {
                "max_new_tokens": 4, "batch_tokens": 2000, "spbleu_label": "toy"}}}},
        format={"languages": {"swh_Latn": {"resource": "low"}}}, offline=True)


@pytest.fixture
def workspace(tmp_path, monkeypatch, fixtures, tiny_model):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").symlink_to(tiny_model)
    for name in ("lid", "spm"):
        (tmp_path / "data/download" / name).mkdir(parents=True)
    labelled = assets.labelled([fixtures / "tiny_train.jsonl"])
    tiny.lid(labelled, tmp_path / "data/download/lid")
    (tmp_path / "data/download/spm/one.model").write_text("a tokenizer")
    texts = [row for row in jsonl.read(fixtures / "tiny_train.jsonl") if "swh_Latn" in row]
    with jsonl.writer("data/format/corpus/test.jsonl") as write:
        for row in texts[:ROWS + 3]:
            write({"id": row["id"], "src": row["eng_Latn"], "tgt": row["swh_Latn"],
                   "src_lang": "eng_Latn", "tgt_lang": "swh_Latn", "cluster": "c",
                   "split": "dev" if row in texts[:ROWS] else "devtest"})
    settings(tmp_path)
    monkeypatch.setattr(prompt_grid, "SHOTS", (0, 2))
    monkeypatch.setattr(prompt_grid, "DRAWS", 2)
    monkeypatch.setattr(prompt_grid, "SCREENED", 2)
    monkeypatch.setattr(prompt_grid, "BEST", 2)
    return tmp_path


def published(folder):
    with gzip.open(folder / "reports/s/s/prompt_grid/rows.jsonl.gz", "rt") as lines:
        return [json.loads(line) for line in lines]


def result(folder):
    return json.loads((folder / "reports/s/s/prompt_grid/result.json").read_text())


def test_all_are_screened_and_the_best_translate_all(workspace):
    prompt_grid.main([])
    table, rows = result(workspace)["configurations"], published(workspace)
    assert sorted(row["configuration"] for row in table) == [
        "default-0", "default-2-draw0", "default-2-draw1", "empty-0", "empty-2-draw0",
        "empty-2-draw1"]
    assert [row["segments"] for row in table] == [10, 10, 4, 4, 4, 4]
    assert {row["screen_rank"] for row in table[:2]} == {1, 2}
    assert [row["rank"] for row in table] == [1, 2, 3, 4, 5, 6]
    assert table[0]["mean"] >= table[1]["mean"]
    dev = {row["id"]: row for row in jsonl.read("data/format/corpus/test.jsonl")}
    _, scored = translation.dev(dev.values(), "swh_Latn")
    for row in table:
        mine = [segment for segment in rows if segment["configuration"] == row["configuration"]]
        assert len(mine) == row["segments"]
        assert {segment["id"] for segment in mine} == {
            one["id"] for one in scored[:row["segments"] // 2]}
        scores = {direction: float(lexical.chrf(np.sum(
            [segment["stats"]["chrf++"] for segment in mine if segment["direction"] == direction],
            axis=0))) for direction in row["by_direction"]}
        assert row["by_direction"] == scores and len(scores) == 2
        assert row["mean"] == fmean(scores.values())
    text = " ".join(json.dumps(row) for row in rows)
    assert not any(dev[name][side] in text for name in dev for side in ("src", "tgt"))
    assert set(rows[0]) == {
        "configuration", "id", "cluster", "direction", "ref_hash", "empty", "copy", "truncated",
        "off_target", "ref_off_target", "stats"}


class Scripted:
    """A base whose every configuration finds so many n-grams of ten, on each part of dev."""

    def __init__(self, found):
        self.found = found

    def segments(self, part):
        return 1

    def finished(self, configuration, part):
        matches = self.found[configuration["name"]][0 if part.stop else 1]
        return {"seconds": 1.0, "rows": [{"direction": "a-b", "stats": {
            "chrf++": [10, 10, matches] * 8}}]}


def test_the_best_of_the_screening_go_on_and_the_best_of_all_wins(monkeypatch):
    found = {"a": (1, 9), "b": (5, 1), "c": (4, 4), "d": (3, 9)}
    monkeypatch.setattr(prompt_grid, "BEST", 2)
    monkeypatch.setattr(prompt_grid, "configurations", lambda: {
        name: {"name": name} for name in found})
    table, rows = prompt_grid.run(Scripted(found), "chrf++")
    assert [(row["configuration"], row["screen_rank"], round(row["mean"])) for row in table] == [
        ("c", 2, 40), ("b", 1, 30), ("d", 3, 30), ("a", 4, 10)]
    assert [len(rows[name]) for name in "abcd"] == [1, 2, 2, 1]
    assert [round(row["screen"]) for row in table] == [40, 50, 30, 10]


def test_the_winner_is_a_block_of_systems(workspace):
    prompt_grid.main([])
    found = result(workspace)
    best = found["configurations"][0]
    assert found["winner"] == SYSTEM | {key: best[key] for key in ("system", "shots", "draw")}
    log = dev_log.read(workspace / "reports/s/dev_log.csv")
    assert len(log) == 6 + 2 and log[0].configuration == f"base, prompt {best['configuration']}"
    assert log[0].segments == "4" and log[1].segments == "10"
    assert log[1].score == f"{best['mean']:.2f}"


def test_a_broken_run_goes_on_where_it_stopped_and_gives_the_same(workspace, monkeypatch):
    asked = []
    ask = translation.ask

    def breaks(*arguments):
        if len(asked) == 5:
            raise KeyboardInterrupt
        asked.append(arguments[-1])
        return ask(*arguments)

    monkeypatch.setattr(translation, "ask", breaks)
    with pytest.raises(KeyboardInterrupt):
        prompt_grid.main([])
    assert not (workspace / "reports").exists()  # two configurations are finished, the third not
    asked.clear()
    monkeypatch.setattr(translation, "ask", lambda *arguments: (
        asked.append(arguments[-1]), ask(*arguments))[1])
    prompt_grid.main([])
    assert len(asked) == 2 * (4 + 2)  # directions: four to screen, two to finish
    once = published(workspace), result(workspace), (
        workspace / "reports/s/dev_log.csv").read_text()
    asked.clear()
    prompt_grid.main([])
    assert asked == []
    assert once == (published(workspace), result(workspace), (
        workspace / "reports/s/dev_log.csv").read_text())


def test_a_metric_that_needs_a_model_is_refused(workspace):
    settings(workspace, "xcomet")
    with pytest.raises(UserError, match=r"primary_metric xcomet: dev is scored by chrf\+\+ or sp"):
        prompt_grid.main([])


def test_the_grid_of_the_issue():
    names = prompt_grid.configurations()
    assert len(names) == 2 * (1 + 3 * 3)
    assert names["default-0"] == {"system": None, "shots": 0, "draw": 0}
    assert names["empty-8-draw2"] == {"system": "", "shots": 8, "draw": 2}


def test_the_log_keeps_what_it_holds_and_takes_nothing_twice(tmp_path):
    old = dev_log.Tried("lr 1e-5, 2e-5", "90", "loss", "n/a", "choice of rates", "abc1234")
    new = dev_log.Tried("a, \"b\"", "180", "chrf++", "12.30", "screening")
    dev_log.add(tmp_path / "log.csv", [old])
    dev_log.add(tmp_path / "log.csv", [new, old, new])
    assert dev_log.read(tmp_path / "log.csv") == [old, new]
    assert (tmp_path / "log.csv").read_text().splitlines()[0] == (
        "configuration,segments,metric,score,purpose,commit")
