"""Rules calibrated on references, and gains split without asking one system alone."""

import numpy as np
import pytest

from stages.statistics.translation import estimates, off_target
from stages.statistics.translation.estimates import Group
from tests.statistics.translation.corpora import INTO, OUT_OF, corpus, means
from tests.statistics.translation.simulated import CHRF, MEAN, Cell, statistics

ROW = [Group(INTO, [0])]
IDS = 40


def called(*shares, ids=IDS):
    """One row of outputs per share, the first of them called another language."""
    return np.stack([np.arange(ids) < share * ids for share in shares])[:, None]


def example(top1=0.0, no_other_p50=0.0):
    """Base is off target in the first half, xplus in the first tenth; references by rule."""
    scores = np.random.default_rng(1).normal(50, 10, (2, 1, IDS))
    off = {rule: called(0.1, 0.5) for rule in ("top1", "no_other_p50")}
    return scores, corpus({"comet22": means(scores)}, np.arange(IDS) // 4, off=off, ref_off={
        "top1": called(top1)[0], "no_other_p50": called(no_other_p50)[0]})


def split(data, limit=0.05, metric=MEAN, rows=ROW):
    return off_target.split(data, metric, rows, (0, 1), 0.05, limit)


@pytest.mark.parametrize(("top1", "other", "rule", "rate"), [
    (0.05, 0.0, "top1", 5.0), (0.075, 0.025, "no_other_p50", 2.5), (0.2, 0.1, None, 10.0)])
def test_the_first_rule_that_is_right_about_references_is_used(top1, other, rule, rate):
    [found] = split(example(top1, other)[1])
    assert (found["rule"], found["off_target_references"]) == (rule, pytest.approx(rate))
    if rule:
        assert found["off_target_system"] == pytest.approx(10)
        assert found["off_target_baseline"] == pytest.approx(50)
    else:
        assert {key for key, value in found.items() if value is None} == {
            "rule", "off_target_system", "off_target_baseline", "n_both", "delta_language",
            "ci_language", "delta_better", "ci_better", "delta_both", "ci_both"}


def test_a_group_with_a_direction_without_a_rule_has_no_rate():
    scores = np.random.default_rng(2).normal(50, 10, (2, 2, IDS))
    off = np.repeat(called(0.1, 0.5), 2, axis=1)
    data = corpus({"comet22": means(scores)}, np.arange(IDS) // 4, directions=(INTO, OUT_OF),
                  off={"top1": off}, ref_off={"top1": np.concatenate([called(0.0)[0],
                                                                      called(0.5)[0]])})
    into, out_of, both = split(data, rows=[*ROW, Group(OUT_OF, [1]), Group("low", [0, 1])])
    assert into["rule"] == "top1"
    assert (out_of["rule"], both["rule"], both["off_target_system"]) == (None, None, None)
    assert both["off_target_references"] == pytest.approx(25)


def test_parts_of_a_mean_are_sums_over_segments():
    """For a mean the order of replacing does not matter: each segment adds its difference."""
    scores, data = example()
    [found] = split(data)
    d = scores[0, 0] - scores[1, 0]
    assert found["delta_language"] == pytest.approx(d[4:20].sum() / IDS)
    assert found["delta_better"] == pytest.approx((d[:4].sum() + d[20:].sum()) / IDS)
    assert (found["n_both"], found["delta_both"]) == (20, pytest.approx(d[20:].mean()))
    assert found["ci_language"][0] < found["delta_language"] < found["ci_language"][1]


def test_the_parts_of_a_corpus_metric_add_up_and_lie_between_the_two_orders():
    cell = Cell(10, True, 0.1, CHRF)
    table = statistics(np.random.default_rng(3), cell, 1, gap=0.4)
    data = corpus({"chrf++": table}, np.repeat(np.arange(10), 10), metrics=[CHRF],
                  off={"top1": called(0.1, 0.5, ids=100)},
                  ref_off={"top1": called(0.0, ids=100)[0]})
    [found] = split(data, metric=CHRF)
    assert found["delta_language"] + found["delta_better"] == pytest.approx(found["delta"],
                                                                            abs=1e-12)
    system, baseline = table[:, 0]
    first, last = (CHRF.score(np.concatenate(parts).sum(0)) - whole for parts, whole in (
        ((baseline[:10], system[10:50], baseline[50:]), CHRF.score(baseline.sum(0))),
        ((system[:10], baseline[10:50], system[50:]), CHRF.score(system.sum(0)))))
    assert found["delta_language"] == pytest.approx((first - last) / 2)
    assert first != pytest.approx(-last)  # the order does matter here


def test_exchanging_the_systems_leaves_segments_on_target_in_both():
    _, data = example()
    [ahead] = split(data)
    [back] = off_target.split(data, MEAN, ROW, (1, 0), 0.05, 0.05)
    assert back["n_both"] == ahead["n_both"]
    assert back["delta_both"] == pytest.approx(-ahead["delta_both"])
    assert back["delta_language"] == 0  # nothing that xplus gets wrong is right in base


def test_a_direction_without_common_segments_has_no_difference_there():
    scores = np.random.default_rng(4).normal(50, 10, (2, 1, IDS))
    data = corpus({"comet22": means(scores)}, np.arange(IDS) // 4, off={"top1": np.stack([
        called(0.5)[0], ~called(0.5)[0]])}, ref_off={"top1": called(0.0)[0]})
    [found] = split(data)
    assert (found["n_both"], found["delta_both"], found["ci_both"]) == (0, None, None)
    assert found["delta_language"] is not None


def test_rates_count_segments_that_are_there():
    _, data = example()
    data.present[0, 20:] = 0
    rates = off_target.rates(data, ROW[0], (0, 1), 0.05)
    assert (rates["off_target_system"], rates["off_target_baseline"]) == (20, 100)
    assert estimates.sizes(data).sum() == 20
