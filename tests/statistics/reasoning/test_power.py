"""Probabilities of verdicts: the same decision, the run's own items, losses of known size."""

import numpy as np
import pytest

from stages.statistics import closed_forms
from stages.statistics.reasoning import decision, power, tasks
from stages.statistics.reasoning.logprob import endpoints
from tests.statistics.reasoning.invented import SETTINGS, binary, items, pair
from tests.statistics.reasoning.test_logprob import moved


def test_counted_sets_are_judged_as_the_table_judges_counts():
    drawn = []

    class Recorder:
        def __init__(self, seed):
            self.rng = np.random.default_rng(seed)

        def multinomial(self, *args, **more):
            drawn.append(self.rng.multinomial(*args, **more))
            return drawn[-1]

    delta, se, df = power.counted_sets(10, 14, 200, 0.01, 50, Recorder(1))
    for n, (won, gone, _) in enumerate(drawn[0]):
        assert (delta[n], se[n], df[n]) == pytest.approx(
            closed_forms.sparse_mean(int(won), int(gone), 200))


@pytest.mark.parametrize(("loss", "changed"), [(0.0, 0.12), (0.03, 0.12), (0.2, 0.2)])
def test_the_loss_is_the_stated_one_and_the_share_that_changes_the_observed(loss, changed):
    delta, se, _ = power.counted_sets(10, 14, 200, loss, 40_000, np.random.default_rng(2))
    # As many half items as closed_forms.sparse_mean adds.
    assert -delta.mean() * 202 / 200 == pytest.approx(loss, abs=4 * se.mean() / 200)
    assert delta.var() * 202**2 / 200 == pytest.approx(changed - loss**2, rel=0.03)


def clustered_scores(seed=0, groups=50):
    rng = np.random.default_rng(seed)
    names = np.repeat(np.arange(groups), rng.integers(1, 6, groups))
    both = [items("a", rng.random((len(names), 3)) < rate, clusters=names) for rate in (0.45, 0.6)]
    [task] = tasks.compare_tasks(*pair(tuple(both)), SETTINGS)
    return task


def test_drawn_sets_are_judged_as_the_table_judges_clusters():
    scores = clustered_scores().scores
    observed = scores.difference()[0]
    delta, se, df = power.drawn_sets(scores, 30, np.random.default_rng(4))
    counts = np.random.default_rng(4).choice(50, size=(30, 50))
    for n, chosen in enumerate(counts):
        drawn = tasks.Scores(scores.items, scores.totals[chosen], scores.sizes[chosen])
        mean, *error = drawn.difference()
        assert (delta[n], se[n], df[n]) == pytest.approx((mean - observed, *error))


def test_a_loss_shifts_the_differences_and_leaves_the_errors():
    task = clustered_scores()
    simulate = power.of_accuracy(task, SETTINGS)
    for before, after, shift in zip(simulate(0.0), simulate(0.02), (0.02, 0, 0), strict=True):
        assert before - after == pytest.approx(np.full(len(before), shift))


def test_every_verdict_is_counted_and_a_larger_loss_is_found_more_often():
    found = tasks.compare_tasks(*pair(binary("a", 10, 8, 72, 110), binary("b", 8, 16, 67, 62)),
                                SETTINGS)
    rows = power.simulate(found, [], SETTINGS)
    assert [row["loss_pp"] for row in rows] == [0, 1, 2, 3]
    for row in rows:
        assert sum(row[word] for word in power.VERDICTS) == pytest.approx(100)
    worse = [row["worse"] for row in rows]
    assert worse == sorted(worse)
    assert worse[-1] > worse[0]


def test_the_loss_found_with_80_percent_power_is_found_with_80_percent_power():
    task = clustered_scores(groups=80)
    settings = SETTINGS | {"simulations": 4000}
    [row, *_] = power.simulate([task], [], settings)
    [again] = power.simulate([task], [], settings | {"losses_pp": [row["found_pp"]]})
    assert again["worse"] == pytest.approx(80, abs=0.1)
    # The table's closed form says nearly the same.
    assert row["found_pp"] == pytest.approx(task.row["mde"], rel=0.06)


def test_a_point_of_accuracy_is_worth_its_share_of_the_margin():
    found = endpoints(*pair(moved("a", 0.01), moved("b", 0.02, seed=1)))
    rows = power.simulate([], found, SETTINGS | {"margin_logprob": 0.06})
    assert [row["loss_nats"] for row in rows] == pytest.approx([0, 0.03, 0.06, 0.09])
    assert {row["endpoint"] for row in rows} == {"log-probability"}
    assert power.simulate([], found, SETTINGS | {"margin_logprob": None}) == []


def test_no_verdict_no_probabilities():
    single = tasks.compare_tasks(*pair(tuple(items("a", [score] * 4, clusters=[0] * 4)
                                             for score in (1, 0))), SETTINGS)
    none = tasks.compare_tasks(*pair(binary("a", 1, 2, 30, 40), a={"carries": False}), SETTINGS)
    same = endpoints(*pair(moved("a", 0.0, spread=0)))
    assert power.simulate(single, [], SETTINGS) == power.simulate(none, same, SETTINGS) == []


@pytest.mark.long
def test_probabilities_agree_with_many_whole_comparisons():
    """Brute force: sets of rows from the known truth, each compared as the tables compare."""
    rng, sets, settings = np.random.default_rng(7), 400, SETTINGS | {
        "simulations": 4000, "losses_pp": [2], "resamples": 2, "ar_trials": 1}
    counts = {"a": (12, 12, 200), "b": (9, 9, 150)}
    observed = tasks.compare_tasks(*pair(*(
        binary(name, b, c, 60, n - b - c - 60) for name, (b, c, n) in counts.items())), settings)
    [stated] = power.simulate(observed, [], settings)
    words = []
    for _ in range(sets):
        both = []
        for name, (b, c, n) in counts.items():
            share = (b + c) / n
            won, lost, same = rng.multinomial(
                n, [(share - 0.02) / 2, (share + 0.02) / 2, 1 - share])
            both.append(binary(name, won, lost, same // 2, same - same // 2))
        found = tasks.compare_tasks(*pair(*both), settings)
        words.append(decision.verdict(decision.even([task.part for task in found]), 0.02, 0.05))
    for word in power.VERDICTS:
        share = stated[word] / 100
        error = np.sqrt(share * (1 - share) * (1 / sets + 1 / 4000)) + 1e-3
        assert words.count(word) / sets == pytest.approx(share, abs=3.3 * error), word
