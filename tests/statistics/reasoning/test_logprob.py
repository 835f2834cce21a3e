"""The log-probability endpoint: its unit, its margin, and losses that accuracy does not see."""

import numpy as np
import pytest
import scipy.stats

from stages.statistics.reasoning import logprob
from tests.statistics.reasoning.invented import SETTINGS, binary, choices, pair


def moved(task, fall, items=200, spread=0.3, seed=0, clusters=None):
    """(system, baseline): the same truth with noise of its own for each (noise on one side alone
    would be a loss), the system's right choice ``fall`` nats less likely."""
    rng = np.random.default_rng(seed)
    truth, gold = rng.normal(-20, 2, (items, 4)), rng.integers(0, 4, items)
    truth[np.arange(items), gold] += 1
    mine, base = (truth + rng.normal(0, spread, truth.shape) for _ in range(2))
    mine[np.arange(items), gold] -= fall
    return tuple(choices(task, loglik, gold, clusters=clusters) for loglik in (mine, base))


def compared(*both, settings=SETTINGS, **meta):
    return logprob.compare(logprob.endpoints(*pair(*both, **meta)), settings)


def test_the_value_of_an_item_is_the_gold_share_of_its_choices():
    row = {"loglik": [np.log(0.1), np.log(0.3), np.log(0.1)], "gold": 1}
    assert logprob.gold(row) == pytest.approx(np.log(0.6))
    assert logprob.gold({"loglik": [-1000.0, -2000.0], "gold": 1}) == pytest.approx(-1000)


def test_clusters_are_the_unit():
    mine, theirs = moved("a", 0.1, clusters=np.arange(200) // 5)
    difference = [logprob.gold(a) - logprob.gold(b) for a, b in zip(mine, theirs, strict=True)]
    groups = np.reshape(difference, (40, 5)).mean(1)  # equal sizes: t over the clusters' means
    [*_, task] = compared((mine, theirs))
    expected = scipy.stats.ttest_1samp(groups, 0)
    assert (task["n"], task["clusters"]) == (200, 40)
    assert task["p"] == pytest.approx(expected.pvalue)
    assert task["ci"] == pytest.approx(list(expected.confidence_interval(0.95)))


def test_rows_of_the_table():
    both = [moved("a", 0.02), moved("b", 0.0, seed=1), moved("c", 0.3, seed=2)]
    fixed, sample, *tasks = compared(*both, c={"carries": False})
    assert [row["task"] for row in tasks] == ["a@1.0", "b@1.0", "c@1.0"]
    assert fixed["delta"] == sample["delta"] == pytest.approx(
        (tasks[0]["delta"] + tasks[1]["delta"]) / 2)
    assert tasks[2]["verdict"] == "cannot show harm"
    assert tasks[2]["p"] < 1e-6
    assert tasks[2]["p_holm"] is None
    assert sample["p"] == pytest.approx(scipy.stats.ttest_1samp(
        [tasks[0]["delta"], tasks[1]["delta"]], 0).pvalue)
    assert fixed["bound"] == fixed["ci"][0]
    assert fixed["p_ni"] is not None
    assert {row["p_ni"] for row in tasks} == {None}  # the margin is the mean's alone


def test_a_margin_gives_a_verdict_and_no_margin_gives_none():
    both = [moved("a", 0.0, 2000), moved("b", 0.0, 2000, seed=1)]
    assert compared(*both)[0]["verdict"] == "equivalent"
    without = compared(*both, settings=SETTINGS | {"margin_logprob": None})[0]
    assert (without["verdict"], without["p_ni"], without["p_tost"]) == ("inconclusive", None, None)
    assert without["bound"] is not None


def test_a_loss_that_leaves_every_answer_as_it_was():
    mine, theirs = moved("a", 0.0, spread=0)
    for row in mine:
        if row["score"]:  # still the best choice, but less so
            row["loglik"][row["gold"]] -= 0.5 * (row["loglik"][row["gold"]]
                                                 - sorted(row["loglik"])[-2])
    assert [row["score"] for row in mine] == [row["score"] for row in theirs]
    fixed, _, task = compared((mine, theirs))
    assert fixed["verdict"] == task["verdict"] == "worse"


def test_tasks_without_likelihoods_have_no_such_endpoint():
    assert logprob.endpoints(*pair(binary("a", 1, 2, 3, 4))) == []
    names = [one.task for one in logprob.endpoints(*pair(binary("a", 1, 2, 3, 4), moved("b", 0)))]
    assert names == ["b@1.0"]


def test_nothing_differs_one_cluster_no_carrier():
    mine, theirs = moved("a", 0.0, spread=0)
    assert [row["verdict"] for row in compared((mine, theirs))] == [
        "n/a (no item differs)", "n/a (one task)", "n/a (no item differs)"]
    one = moved("a", 0.1, clusters=[0] * 200)
    assert compared(one, moved("b", 0.1))[0]["verdict"] == "n/a (one cluster only: a@1.0)"
    none, task = compared(moved("a", 0.1), a={"carries": False})
    assert none["verdict"] == "n/a (no task can show harm)"
    assert set(none) == set(task) | {"verdict"}


def test_swapping_the_systems_flips_signs_and_keeps_p():
    both = [moved("a", 0.05), moved("b", 0.02, seed=1)]
    there, back = compared(*both), compared(*(sides[::-1] for sides in both))
    for one, other in zip(there, back, strict=True):
        assert one["delta"] == pytest.approx(-other["delta"])
        assert one["ci"] == pytest.approx([-end for end in other["ci"][::-1]])
        assert one["p"] == pytest.approx(other["p"])


def test_the_row_names_the_task_that_turns_the_verdict():
    rows = compared(moved("a", 0.0, 2000), moved("b", 0.5, 2000, seed=1))
    assert rows[0]["verdict"] == "worse"
    assert rows[0]["turns"] == "without b@1.0: equivalent"
