"""BIG-bench files to items."""

import json

import pytest

from stages.common import jsonl
from stages.common.errors import UserError
from stages.convert.items import bigbench


def test_items_are_shuffled_once_and_keep_their_gold(tmp_path):
    folder = tmp_path / "in/colours"
    folder.mkdir(parents=True)
    (folder / "task.json").write_text(json.dumps({"examples": [
        {"input": " Which is red? ", "target_scores": {"blood": 1, "grass": 0, "sky": 0}},
        {"input": "Two right", "target_scores": {"a": 1, "b": 1}},
        {"input": "Which is red?", "target_scores": {"fire": 1, "snow": 0}},
        {"input": "No choices", "target": "x"},
    ]}))
    bigbench.prepare([folder / "task.json"], tmp_path / "out", seed=1)
    [row] = jsonl.read(tmp_path / "out/colours.jsonl")
    assert row["id"] == 0
    assert row["question"] == "Which is red?"
    assert row["choices"][row["gold"]] == "blood"
    assert sorted(row["choices"]) == ["blood", "grass", "sky"]
    assert json.loads((tmp_path / "out/stats.json").read_text()) == {
        "colours": {"seen": 4, "kept": 1, "not_single_answer": 2, "repeated": 1}}


def test_gold_positions_are_spread_and_repeat():
    example = {"input": "q", "target_scores": {"right": 1, "wrong": 0}}
    golds = [bigbench.item(example, f"t:{n}", 1)["gold"] for n in range(1000)]
    assert 450 < sum(golds) < 550
    assert golds == [bigbench.item(example, f"t:{n}", 1)["gold"] for n in range(1000)]
    assert golds != [bigbench.item(example, f"t:{n}", 2)["gold"] for n in range(1000)]


def test_a_file_of_another_kind_is_refused(tmp_path):
    (tmp_path / "x.json").write_text("[]")
    with pytest.raises(UserError, match=r"x\.json: not a BIG-bench task file"):
        bigbench.prepare([tmp_path / "x.json"], tmp_path / "out", seed=1)
