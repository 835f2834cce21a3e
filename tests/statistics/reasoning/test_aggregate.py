"""Means over tasks: what enters, what each row speaks of, and whether its parts agree."""

import numpy as np
import pytest
import scipy.stats

from stages.statistics import closed_forms
from stages.statistics.reasoning import aggregate, decision, tasks
from tests.statistics.reasoning.invented import SETTINGS, binary, choices, pair

BOTH = {"a": binary("a", 10, 8, 72, 110), "b": binary("b", 8, 16, 67, 62),
        "c": binary("c", 8, 7, 85, 100), "d": binary("d", 3, 3, 900, 900)}


def whole(*names, **meta):
    found = tasks.compare_tasks(*pair(*(BOTH[name] for name in names), **meta), SETTINGS)
    return found, aggregate.aggregate(found, SETTINGS)


def numbers(row):
    return {key: value for key, value in row.items() if key != "turns"}


def test_only_tasks_that_carry_the_verdict_enter_a_mean():
    _, with_b = whole("a", "b", "c", b={"carries": False})
    _, without = whole("a", "c")
    *deciding, every = with_b
    assert [numbers(row) for row in deciding] == [numbers(row) for row in without]
    assert deciding[0]["tasks"] == 2
    assert every["tasks"] == 3 and every["verdict"] == "n/a (decides nothing)"
    all_three = whole("a", "b", "c")[1][0]
    assert [every[key] for key in ("delta", "ci", "p")] == [
        all_three[key] for key in ("delta", "ci", "p")]
    found, _ = whole("a", "b", "c", b={"carries": False})
    left = [task for task in found if task.carries]
    assert aggregate.margin_curve(found, SETTINGS) == aggregate.margin_curve(left, SETTINGS)


def test_p_interval_bound_and_verdict_of_the_macro_mean_come_from_one_error():
    found, [row, *_] = whole("a", "b", "c")
    part = decision.even([task.part for task in found])
    low, high = closed_forms.interval(*part, 0.05)
    assert row["ci"] == pytest.approx([100 * low, 100 * high])
    assert row["bound_pp"] == row["ci"][0]
    assert row["p"] == decision.tests(part, 0.02)["p"]
    assert row["p_ni_2"] == row["p_ni"]
    assert row["verdict"] == decision.verdict(part, 0.02, 0.05)
    assert row["delta"] == pytest.approx(np.mean([task.row["delta"] for task in found]))
    curve = aggregate.margin_curve(found, SETTINGS)
    assert curve["bound_pp"] == row["bound_pp"]
    assert curve["p_ni"][1] == row["p_ni"]


def test_tasks_as_a_sample_are_a_row_of_their_own():
    found, [fixed, sampled, *_] = whole("a", "b", "c")
    expected = scipy.stats.ttest_1samp([task.row["delta"] for task in found], 0)
    assert sampled["delta"] == fixed["delta"]
    assert sampled["p"] == sampled["p_holm"] == pytest.approx(expected.pvalue)
    assert sampled["ci"] == pytest.approx(list(expected.confidence_interval(0.95)))
    assert (fixed["reach"], sampled["reach"]) == (
        "other items of these tasks", "other tasks of this kind")


def test_one_task_is_no_sample_of_tasks():
    _, [fixed, sampled, *_] = whole("a")
    assert sampled["verdict"] == "n/a (one task)"
    assert {sampled[key] for key in ("p", "ci", "bound_pp", "p_ni")} == {None}
    assert fixed["turns"] == "n/a (one task)"


def test_no_task_can_show_harm():
    found, table = whole("a", "b", a={"carries": False}, b={"carries": False})
    _, usual = whole("a", "b")
    assert [row["verdict"] for row in table] == ["n/a (no task can show harm)"]
    assert set(table[0]) == set(usual[0])
    assert aggregate.margin_curve(found, SETTINGS)["bound_pp"] is None


def test_the_row_names_the_task_that_turns_the_verdict():
    _, [row, *_] = whole("a", "b", "c")
    assert row["verdict"] == "inconclusive"
    _, [one, *_] = whole("d", "b")
    assert one["turns"] == "without b@1.0: equivalent"


def test_secondary_rows_are_one_family():
    _, [fixed, _, *others] = whole("a", "b", "c", c={"multilingual": True})
    assert fixed["p_holm"] == fixed["p"]
    smallest = min(row["p"] for row in others)
    assert len(others) == 3
    assert min(row["p_holm"] for row in others) == pytest.approx(min(1, 3 * smallest))


def test_retention_is_what_is_kept_above_the_best_guess():
    gold, hits = np.zeros(400, dtype=int), {"longest": np.arange(400) % 10 < 3}
    sides = [choices("a", np.where(np.arange(400)[:, None] < solved, [0, -1.0], [-1.0, 0]), gold,
                     hits) for solved in (280, 320)]
    found = tasks.compare_tasks(*pair(tuple(sides)), SETTINGS)
    [row, *_] = aggregate.aggregate(found, SETTINGS)
    assert row["retention"] == pytest.approx(100 * (0.7 - 0.3) / (0.8 - 0.3))
    assert row["retention_ci"][0] < row["retention"] < row["retention_ci"][1]


def test_no_retention_where_the_baseline_is_not_clearly_above_the_guess():
    gold, hits = np.zeros(40, dtype=int), {"longest": np.arange(40) % 2}
    rows = choices("a", np.where(np.arange(40)[:, None] < 22, [0, -1.0], [-1.0, 0]), gold, hits)
    found = tasks.compare_tasks(*pair((rows, rows)), SETTINGS)
    assert aggregate.aggregate(found, SETTINGS)[0]["retention"] is None


def test_swapping_the_systems_flips_the_mean_and_keeps_p():
    sides = pair(*BOTH.values(), binary("e", 5, 5, 60, 60))
    there, back = (aggregate.aggregate(tasks.compare_tasks(*systems, SETTINGS), SETTINGS)
                   for systems in (sides, sides[::-1]))
    for one, other in zip(there, back, strict=True):
        assert one["delta"] == pytest.approx(-other["delta"])
        assert one["ci"] == pytest.approx([-end for end in other["ci"][::-1]])
        for key in ("p", "p_tost", "p_flips", "se"):
            assert one[key] == pytest.approx(other[key]), (one["aggregate"], key)
