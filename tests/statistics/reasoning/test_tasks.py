"""Task rows: the unit, the best guess, what carries the verdict."""

import numpy as np
import pytest
import scipy.stats

from stages.statistics import closed_forms
from stages.statistics.reasoning import tasks
from tests.statistics.reasoning.invented import SETTINGS, binary, choices, items, pair


def compared(*both, **meta):
    return tasks.compare_tasks(*pair(*both, **meta), SETTINGS)


def test_interval_bound_and_non_inferiority_of_a_task_are_one_test():
    [task] = compared(binary("a", 8, 16, 60, 69))
    low, high = (end / 100 for end in task.row["ci"])
    assert task.row["bound_pp"] == task.row["ci"][0]
    assert closed_forms.tango_p(8, 16, 153, -low) == pytest.approx(0.025)
    assert closed_forms.tango_p(16, 8, 153, high) == pytest.approx(0.025)
    assert task.row["p"] == closed_forms.mcnemar_p(8, 16)


def test_clusters_and_samples_take_t_on_the_clustered_error():
    rng = np.random.default_rng(1)
    both = [items("a", rng.random(60) < rate, clusters=np.arange(60) // 3) for rate in (0.5, 0.6)]
    [task] = compared(tuple(both))
    delta, se, df = task.scores.difference()
    assert df == 19
    assert task.row["ci"] == pytest.approx(
        [100 * end for end in scipy.stats.t.interval(0.95, df, delta, se)])
    assert task.row["test"] == "sign flips"


def test_unequal_clusters_are_worth_fewer_and_are_left_out_one_by_one():
    scores = tasks.clustered(items("a", [1] * 9, clusters=[*"aaaaabbcd"]),
                             [dict(enumerate([1, 1, 0, 1, 1, 0, 1, 0, 0])),
                              dict(enumerate([0, 1, 0, 1, 0, 0, 0, 0, 1]))])
    difference = np.array([1, 0, 0, 0, 1, 0, 1, 0, -1])
    groups = np.array([0, 0, 0, 0, 0, 1, 1, 2, 3])
    left_out = [difference[groups != group].mean() for group in range(4)]
    delta, se, df = scores.difference()
    assert delta == pytest.approx(difference.mean())
    assert se**2 == pytest.approx(3 / 4 * np.sum((left_out - np.mean(left_out))**2))
    assert df == pytest.approx(81 / (25 + 4 + 1 + 1) - 1)


def guessed(base, **hits):
    """A task of four choices whose baseline solves ``base`` of its items; the system as well."""
    gold = np.zeros(len(base), dtype=int)
    loglik = np.where(np.array(base)[:, None], [0, -1, -1, -1], [-1, 0, -1, -1])
    rows = choices("a", loglik, gold, hits)
    return rows, rows


def test_the_null_is_the_best_guess_that_ignores_the_question():
    base = [1, 1, 1, 1, 1, 1, 0, 0, 0, 0]
    [task] = compared(guessed(base, shortest=[1, 0, 0, 0, 0, 0, 1, 1, 0, 0],
                              longest=[1, 1, 0, 0, 0, 0, 0, 0, 0, 0]))
    row = task.row
    assert (row["guess"], row["guess_rate"]) == ("shortest", pytest.approx(30))
    assert row["above_guess"] == pytest.approx(30)
    # 5 items only the baseline solves, 2 only the guess: P(X >= 5 of 7).
    assert row["p_guess"] == pytest.approx(
        scipy.stats.binomtest(5, 7, alternative="greater").pvalue)
    assert task.draws.mean(0) == pytest.approx([0.6, 0.6, 0.3], abs=0.03)


def test_rules_that_tie_are_named_in_a_fixed_order():
    [task] = compared(guessed([1, 0, 1, 0], frequent=[1, 0, 0, 0], last=[0, 0, 0, 1]))
    assert task.row["guess"] == "last"


def test_above_a_guess_by_clusters_takes_their_error():
    rng = np.random.default_rng(2)
    loglik = rng.normal(size=(60, 4))
    rows = choices("a", loglik, rng.integers(0, 4, 60), {"first": rng.random(60) < 0.3},
                   clusters=np.arange(60) // 6)
    [task] = compared((rows, rows))
    means = task.scores.totals / 6
    assert task.row["p_guess"] == pytest.approx(scipy.stats.ttest_rel(
        means[:, 1], means[:, 2], alternative="greater").pvalue)


def test_clusters_drawn_by_pattern_scatter_as_clusters_drawn_one_by_one():
    rng = np.random.default_rng(3)
    both = [items("a", rng.random((90, 2)) < rate, clusters=np.arange(90) // 3)
            for rate in (0.5, 0.6)]
    [task] = tasks.compare_tasks(*pair(tuple(both)), SETTINGS | {
        "resamples": 20_000, "ar_trials": 20_000})
    weights = rng.multinomial(30, np.full(30, 1 / 30), size=20_000)
    means = weights @ task.scores.totals / 90
    signs = rng.choice([-1, 1], (20_000, 30)) @ (
        task.scores.totals[:, 0] - task.scores.totals[:, 1]) / 90
    assert task.draws.mean(0) == pytest.approx(means.mean(0), abs=0.003)
    assert np.cov(task.draws[:, :2].T) == pytest.approx(np.cov(means[:, :2].T), rel=0.05)
    assert np.quantile(task.flips, [0.025, 0.25, 0.5, 0.75, 0.975]) == pytest.approx(
        np.quantile(signs, [0.025, 0.25, 0.5, 0.75, 0.975]), abs=0.006)


def test_a_task_without_choices_has_no_guess_and_keeps_its_chance_level():
    [task] = compared(binary("a", 3, 2, 10, 5))
    assert {task.row[key] for key in ("guess", "guess_rate", "above_guess", "p_guess")} == {None}
    assert (task.draws[:, 2] == 0.25).all()


def test_tasks_that_cannot_show_harm_stay_visible_and_enter_no_family():
    both = [binary("a", 5, 25, 60, 60), binary("b", 4, 9, 60, 60), binary("c", 20, 3, 60, 60)]
    all_three = compared(*both)
    two = compared(*both, c={"carries": False})
    assert two[2].row["verdict"] == "cannot show harm"
    assert two[2].row["p_holm"] is None
    same = ("p", "delta", "ci", "n", "baseline", "system")
    assert [two[2].row[key] for key in same] == [all_three[2].row[key] for key in same]
    assert two[0].row["p_holm"] == pytest.approx(2 * two[0].row["p"])
    assert all_three[0].row["p_holm"] == pytest.approx(3 * all_three[0].row["p"])
    assert two[0].row["verdict"] == "worse"


def test_a_single_cluster_is_not_tested():
    [task] = compared(tuple(items("a", [score] * 4, clusters=[0] * 4) for score in (1, 0)))
    assert {task.row[key] for key in ("ci", "se", "p", "p_ni", "bound_pp", "p_flips")} == {None}
    assert task.row["verdict"] == "n/a (one cluster only: a)"


def test_swapping_the_systems_flips_signs_and_keeps_p():
    rng = np.random.default_rng(5)
    graded = tuple(items("g", rng.random((40, 3)) < rate) for rate in (0.4, 0.6))
    sides = pair(binary("a", 5, 14, 60, 60), binary("e", 4, 4, 60, 60), graded)
    there, back = (tasks.compare_tasks(*systems, SETTINGS) for systems in (sides, sides[::-1]))
    for one, other in zip(there, back, strict=True):
        assert one.row["delta"] == pytest.approx(-other.row["delta"])
        for ci in ("ci", "ci_boot"):
            assert one.row[ci] == pytest.approx([-end for end in other.row[ci][::-1]])
        for key in ("p", "p_flips", "p_tost", "p_mid", "se"):
            assert one.row[key] == pytest.approx(other.row[key]), key


def test_a_p_at_the_resolution_of_the_flips_says_so():
    graded = tuple(items("g", np.full((40, 2), score)) for score in (0.75, 0.25))
    [sure] = compared(graded)
    assert sure.row["at_resolution"] == ["p", "p_flips"]
    [unsure] = compared(binary("a", 5, 6, 20, 20))
    assert unsure.row["at_resolution"] == []


def test_the_order_of_rows_moves_nothing():
    rng = np.random.default_rng(6)
    rows = [items("a", rng.random(50) < rate) for rate in (0.5, 0.6)]
    meta = {"chance": 0.25, "carries": True, "multilingual": False}
    there = tasks.compare_task("a", *rows, meta, SETTINGS)
    order = rng.permutation(50)
    back = tasks.compare_task("a", rows[0], [rows[1][n] for n in order], meta, SETTINGS)
    assert there.row == back.row
