"""The tasks are those that the base can lose on, chosen on items that are never tested."""

import gzip
import json
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from stages.common import jsonl
from stages.decoding import items as decoding
from stages.experiments import screen
from stages.tasks import items, stock
from tests import stage_fixture

ROOT = Path(__file__).parents[2]


def rows(task, metric, solved, count=60):
    """Items of two choices: the right one is first in half of them, and ``solved`` are solved."""
    return [{"task": task, "metric": metric, "doc_id": n, "cluster": str(n), "n_choices": 2,
             "score": float(n < solved), "gold": n % 2, "chars": [3, 3],
             "loglik": [-1.0, -2.0 - n / 60] if (n % 2 == 0) == (n < solved)
             else [-2.0 - n / 60, -1.0],
             "guess": {rule: n % 2 == side for rule, side in (
                 ("first", 0), ("last", 1), ("shortest", 0), ("longest", 0), ("frequent", 1))}}
            for n in range(count)]


SETTINGS = {"alpha": 0.05, "seed": 1, "margin_macro_pp": 2.0, "discordance": 0.15}


def test_a_task_at_the_level_of_guessing_does_not_pass():
    by_metric = {"hard": {"acc": rows("hard", "acc", 33), "acc_norm": rows("hard", "acc_norm", 32)},
                 "easy": {"acc": rows("easy", "acc", 40), "acc_norm": rows("easy", "acc_norm", 48)}}
    found = screen.summary(by_metric, {"hard": 100, "easy": 100}, SETTINGS)
    hard, easy = (found["candidates"][task] for task in ("hard", "easy"))
    assert (hard["passes"], easy["passes"]) == (False, True)
    assert (hard["metric"], easy["metric"]) == ("acc", "acc_norm")
    assert easy["accuracy"] == easy["accuracy_acc_norm"] == 80
    assert hard["guess_rate"] == 50
    assert found["margin_logprob"] > 0
    assert [one["endpoint"] for one in found["power"]] == ["accuracy", "log-probability"]


def test_where_nothing_passes_there_is_no_margin():
    same = rows("hard", "acc", 30)
    found = screen.summary({"hard": {"acc": same, "acc_norm": same}}, {"hard": 100}, SETTINGS)
    assert found["margin_logprob"] is None
    assert found["power"] == []


def test_the_screening_part_is_scored_once(tmp_path, monkeypatch, tiny_model):
    """On the tiny scale, from the command; a second run takes up what the first one finished."""
    monkeypatch.chdir(tmp_path)
    with jsonl.writer("data/download/items/count.jsonl") as write:
        for n in range(60):
            write({"id": n, "question": f"What is number {n}?", "choices": ["a cat", "some bread"],
                   "gold": n % 2})
    model = str(tiny_model)
    stage_fixture.params(tmp_path, 6, recipe={
        "systems": {"base": {"base": model, "weights": model, "parent": model, "shots": 0,
                             "system": None, "dtype": "float32"}},
        "significance": {"alpha": 0.05, "margin_macro_pp": 2.0},
        "suites": {"s": {"eval_reason": {
            "screen": {"share": 0.5, "items": 12, "candidates": {"count": "question"},
                       "discordance": 0.15}, "items": 14, "batch": 64}}}}, offline=True)
    screen.main([])
    out = tmp_path / "reports/s/s/screen"
    first = {file.name: file.read_bytes() for file in out.iterdir()}
    scored = [json.loads(line) for line in gzip.decompress(first["items.jsonl.gz"]).splitlines()]
    tested = items.tested(Path("data/download/items/count.jsonl"), 0.5, 60)
    assert len(scored) == 12
    assert not {row["doc_id"] for row in scored} & set(tested)
    about = json.loads(first["screen.json"])["candidates"]["count"]
    assert (about["n"], about["tested"]) == (12, 14)
    monkeypatch.setattr(decoding, "answer", lambda *_: pytest.fail("scored again"))
    screen.main([])
    assert {file.name: file.read_bytes() for file in out.iterdir()} == first


@pytest.mark.parametrize("name", ["desk", "standard"])
def test_params_hold_what_the_committed_screening_chose(name):
    params = YAML(typ="safe").load((ROOT / "params.yaml").read_text())
    suite = params["suites"][name]
    settings, found = suite["eval_reason"], json.loads(
        (ROOT / f"reports/desk/{name}/screen/screen.json").read_text())
    chosen = settings["screen"]
    asked = screen.candidates(suite)
    assert set(asked) == set(found["candidates"])
    for key in ("share", "items", "discordance"):
        assert chosen[key] == found[key]
    assert {task for task, about in settings["tasks"].items() if about["carries"]} == {
        task for task, row in found["candidates"].items() if row["passes"]}
    for task, about in settings["tasks"].items():
        for part in stock.parts(task, about):
            assert about["metric"] == found["candidates"][part]["metric"], part
    for task, about in settings["tasks"].items():
        assert stock.parts(task, about).items() <= asked.items(), task
    assert suite["margin_logprob"] == round(found["margin_logprob"], 3)
    for task, row in found["candidates"].items():  # the power was foreseen for what is tested
        assert row["tested"] <= settings["items"], task


@pytest.mark.parametrize("name", ["desk", "standard"])
def test_the_committed_screening_follows_from_its_rows(name):
    """Recomputed from the rows, for the metrics it chose."""
    folder = ROOT / f"reports/desk/{name}/screen"
    found = json.loads((folder / "screen.json").read_text())
    by_task: dict[str, list] = {}
    for line in gzip.decompress((folder / "items.jsonl.gz").read_bytes()).splitlines():
        row = json.loads(line)
        assert items.place(row["doc_id"]) < found["share"]
        by_task.setdefault(row["task"], []).append(row)
    again = screen.summary({task: {mine[0]["metric"]: mine} for task, mine in by_task.items()},
                           {task: row["tested"] for task, row in found["candidates"].items()},
                           found)
    for task, row in again["candidates"].items():
        assert row.items() <= found["candidates"][task].items()
    assert again["margin_logprob"] == pytest.approx(found["margin_logprob"], rel=1e-9)
    for one, other in zip(again["power"], found["power"], strict=True):
        assert one.pop("endpoint") == other.pop("endpoint")
        assert one == pytest.approx(other, rel=1e-6)
