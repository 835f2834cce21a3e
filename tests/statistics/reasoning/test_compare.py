"""The whole of one contrast: tables whose columns are filled, and sentences that follow."""

import json

import numpy as np
import pytest

from stages.statistics.reasoning import compare
from tests.statistics.reasoning.invented import SETTINGS, binary, pair, results
from tests.statistics.reasoning.test_logprob import moved


def contrast(*both, settings=SETTINGS, **meta):
    return compare.compare(*pair(*both, **meta), settings)


@pytest.fixture(scope="module")
def found():
    return contrast(moved("a", 0.05, spread=0.1), moved("b", 0.05, spread=0.1, seed=1),
                    moved("c", 0.0, 300, seed=2), binary("d", 9, 9, 60, 60), c={"carries": False})


def test_every_column_is_filled_from_every_row(found):
    ids = ["t1_reasoning.xplus-base", "t2_aggregate.xplus-base", "t2_power.xplus-base",
           "t1_logprob.xplus-base"]
    assert [table["id"] for table in found.tables] == ids
    for table in found.tables:
        keys = [column["key"] for column in table["columns"]]
        assert len(set(keys)) == len(keys)
        for row in table["rows"]:
            assert set(keys) <= set(row), table["id"]
        assert table["about"]["system"], table["about"]["baseline"] == ("xplus", "base")
    json.dumps(found, allow_nan=False)


def test_rows_of_one_table_have_the_same_fields(found):
    for table in found.tables:
        assert len({frozenset(row) for row in table["rows"]}) == 1, table["id"]


def test_a_proven_loss_by_log_probability_stands_in_the_headline(found):
    assert found.headline["macro"]["verdict"] == "inconclusive"
    assert found.headline["logprob"]["verdict"] == "worse"
    [said, *_] = found.headline["caveats"]
    row = found.headline["logprob"]
    assert said == ("A loss is proven by the log-probability of the right choice: it fell by "
                    f"{-row['delta']:.3f} nats on average (p {row['p']:.2g}), whatever the verdict "
                    "by accuracy (inconclusive).")


def test_the_headline_repeats_rows(found):
    tables = {table["id"].split(".")[0]: table["rows"] for table in found.tables}
    assert found.headline["macro"].items() <= tables["t2_aggregate"][0].items()
    assert found.headline["sampled"].items() <= tables["t2_aggregate"][1].items()
    assert found.headline["logprob"].items() <= tables["t1_logprob"][0].items()
    assert found.headline["power"] == tables["t2_power"]
    assert set(found.headline["tasks"]) == {"a@1.0", "b@1.0", "c@1.0", "d@1.0"}
    assert found.headline["harmed"] == sum(
        row["verdict"] == "worse" for row in tables["t1_reasoning"])


def test_a_verdict_that_one_task_turns_says_so_everywhere():
    found = contrast(binary("a", 3, 3, 900, 900), binary("b", 8, 16, 67, 62))
    said = ("The verdict on the macro mean (inconclusive) hangs on single tasks: without b@1.0 the "
            "verdict would be equivalent.")
    assert found.headline["macro"]["turns"] == "without b@1.0: equivalent"
    assert said in found.headline["caveats"]
    assert said in found.tables[1]["notes"]


def test_a_carrying_task_that_is_no_better_than_a_guess_is_flagged():
    rng = np.random.default_rng(1)
    weak = moved("a", 0.0)
    for mine, theirs in zip(*weak, strict=True):
        mine["guess"] = theirs["guess"] = theirs["guess"] | {
            "longest": bool(theirs["score"]) if rng.random() < 0.9 else True}
    found = contrast(weak, binary("b", 9, 9, 60, 60))
    row = found.tables[0]["rows"][0]
    said = [note for note in found.tables[0]["notes"] if "best guess (longest" in note]
    assert row["p_guess"] > 0.025
    assert len(said) == 1
    assert f"{row['baseline']:.1f} % is not clearly above the best guess" in said[0]
    assert said[0] in found.headline["caveats"]
    quiet = contrast(weak, binary("b", 9, 9, 60, 60), a={"carries": False})
    assert not any("best guess (" in note for note in quiet.tables[0]["notes"])


def test_notes_say_how_many_tasks_carry_and_what_is_lost_elsewhere():
    found = contrast(binary("a", 9, 9, 60, 60), binary("b", 2, 40, 60, 60), b={"carries": False})
    tasks, whole = found.tables[0]["notes"], found.tables[1]["notes"]
    assert tasks[0].startswith("1 of 2 tasks carry the verdict")
    assert any("b@1.0 enters no mean, yet it fell by 23.5 points" in note for note in tasks)
    assert any(note.startswith("Only 1 of 2 tasks can show harm") for note in whole)


def test_notes_state_the_power_that_the_table_has(found):
    power = found.tables[2]
    row = power["rows"][0]
    assert f"By accuracy, a loss of {row['found_pp']:.1f} points is found with 80 % power." in \
        power["notes"]


def test_without_likelihoods_or_carriers_tables_are_left_out():
    assert [table["id"].split(".")[0] for table in contrast(binary("a", 1, 2, 30, 40)).tables] == [
        "t1_reasoning", "t2_aggregate", "t2_power"]
    none = contrast(moved("a", 0.1), a={"carries": False})
    assert [table["id"].split(".")[0] for table in none.tables] == [
        "t1_reasoning", "t2_aggregate", "t1_logprob"]
    assert none.headline["macro"]["verdict"] == "n/a (no task can show harm)"
    assert none.headline["sampled"] is none.headline["logprob"] is None
    json.dumps(none, allow_nan=False)


def test_another_task_moves_no_number_of_the_others():
    few = contrast(moved("a", 0.1), moved("b", 0.1, seed=1))
    more = contrast(moved("a", 0.1), moved("b", 0.1, seed=1), moved("c", 0.1, seed=2))
    for number in (0, 3):
        rows = {row["task"]: row for row in more.tables[number]["rows"]}
        for row in few.tables[number]["rows"]:
            if row["task"].endswith("@1.0"):
                other = rows[row["task"]]
                assert {k: v for k, v in row.items() if k not in ("p_holm", "verdict")} == {
                    k: v for k, v in other.items() if k not in ("p_holm", "verdict")}


def test_the_order_of_rows_moves_nothing(found):
    shuffled = []
    for side in (0, 1):
        tasks = [moved("a", 0.05, spread=0.1)[side], moved("b", 0.05, spread=0.1, seed=1)[side],
                 moved("c", 0.0, 300, seed=2)[side], binary("d", 9, 9, 60, 60)[side]]
        shuffled.append(results(("xplus", "base")[side], *tasks[::-1], c={"carries": False}))
    assert compare.compare(*shuffled, SETTINGS) == found
