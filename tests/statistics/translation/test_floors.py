"""Floors, what survives shuffling, and when people's thresholds say something."""

import math

import mt_thresholds
import numpy as np
import pytest

from stages.rows.segments import Metric
from stages.statistics.translation import estimates, floors
from stages.statistics.translation.estimates import Group
from tests.statistics.translation.corpora import INTO, corpus, means
from tests.statistics.translation.simulated import BLEU, CHRF, MEAN

ROW = Group(INTO, [0])


def beside(xplus, base, copied, orders):
    """``orders``: shuffled scores of xplus and of base, (2, 20)."""
    spread = np.random.default_rng(1).normal(0, 1, 40)
    scores = np.stack([xplus + spread, base + spread])[:, None]
    data = corpus({"comet22": means(scores)}, np.arange(40) // 4,
                  copied={"comet22": means(copied + 3 * spread[::-1][None])},
                  shuffled={"comet22": means(np.asarray(orders, dtype=float)[:, None])})
    scored = estimates.scored(MEAN, data.statistics["comet22"], data.documents)
    return floors.beside(data, MEAN, scored, ROW, (0, 1), 0.05), data, scored


def test_the_share_of_a_gain_that_shuffling_keeps():
    found, _, _ = beside(20, 10, 5, [[9] * 19 + [8], [5] * 20])
    assert found["shuffled_refs"] == pytest.approx(8.95)
    assert found["survives"] == pytest.approx(0.395)
    assert found["above_copy"] is True
    assert beside(10, 20, 5, [[5] * 20] * 2)[0]["survives"] is None  # no gain to share out


def test_one_shuffled_score_above_the_system_puts_it_at_the_floor():
    mean = np.random.default_rng(1).normal(0, 1, 40).mean()
    below, above = 20 + mean - 0.01, 20 + mean + 0.01
    assert beside(20, 10, 5, [[below] * 20] * 2)[0]["above_shuffled"] is True
    assert beside(20, 10, 5, [[below] * 19 + [above]] * 2)[0]["above_shuffled"] is False


def test_above_copying_has_to_be_shown():
    assert beside(20, 10, 19.9, [[1] * 20] * 2)[0]["above_copy"] is False
    assert beside(20, 10, 5, [[1] * 20] * 2)[0]["above_copy"] is True


def test_metrics_without_floors_have_none():
    data = corpus({"comet22": means(np.ones((2, 1, 8)))}, range(8))
    scored = estimates.scored(MEAN, data.statistics["comet22"], data.documents)
    assert set(floors.beside(data, MEAN, scored, ROW, (0, 1), 0.05).values()) == {None}


@pytest.mark.parametrize(("verdict", "survives", "kind"), [
    ("better", 0.51, "fluency"), ("better", 0.5, "translation"), ("better", None, None),
    ("inconclusive", 0.9, None), ("worse", None, None)])
def test_a_gain_that_survives_shuffling_is_fluency(verdict, survives, kind):
    assert floors.kind(verdict, survives, 0.5) == kind


@pytest.mark.parametrize(("name", "signature", "curve"), [
    ("chrf++", "nw:2", None), ("chrf", "nw:0", "chrf"), ("comet22", "", "comet22"),
    ("spbleu", "eff:no|tok:flores101|smooth:exp", "spbleu101"),
    ("spbleu", "eff:no|tok:flores200|smooth:exp", "spbleu200"),
    ("spbleu", "eff:no|tok:xlmr250k|smooth:exp", None), ("bleurt", "", None)])
def test_a_curve_is_used_for_its_own_metric_and_tokenizer(name, signature, curve):
    metric = Metric(name, name, signature, MEAN.score)
    assert floors.curve(metric) == curve
    expected = curve and mt_thresholds.accuracy(0.7, curve)
    assert floors.human_agreement(metric, -0.7) == expected
    assert floors.human_agreement(metric, math.inf) == (curve and "saturated")


def test_no_curve_is_lent_to_the_metrics_of_the_default_run():
    assert floors.curve(CHRF) is None
    assert floors.curve(BLEU) is None


def test_the_floor_table_is_that_of_the_columns_beside():
    found, data, scored = beside(20, 10, 5, [[9] * 20, [5] * 20])
    [row] = floors.floors(data, MEAN, scored, [ROW], "xplus", 0.05)
    assert (row["copy_source"], row["shuffled_refs"]) == (
        found["copy_source"], found["shuffled_refs"])
    assert row["delta"] == pytest.approx(row["xplus"] - row["copy_source"])
    assert row["delta_shuffled"] == pytest.approx(row["xplus"] - 9)
    assert row["shuffled_base"] == pytest.approx(5)
    assert row["ci"][0] < row["delta"] < row["ci"][1]
