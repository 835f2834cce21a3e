"""One difference, one standard error: p, interval, bound and verdict cannot disagree."""

import numpy as np
import pytest
import scipy.stats

from stages.statistics import closed_forms
from stages.statistics.reasoning import decision

PART = (-0.004, 0.008, 37.0)


def test_the_bound_is_the_lower_end_of_the_interval_and_the_smallest_margin_that_passes():
    low, high = closed_forms.interval(*PART, 0.05)
    row = decision.as_row(PART, 0.02, 0.05, 100)
    assert row["bound"] == row["ci"][0] == pytest.approx(100 * low)
    assert row["ci"][1] == pytest.approx(100 * high)
    assert decision.tests(PART, -low)["p_ni"] == pytest.approx(0.025)
    expected = scipy.stats.t.interval(0.95, 37, PART[0], PART[1])
    assert (low, high) == pytest.approx(expected)


def test_the_interval_leaves_out_0_exactly_where_p_is_below_alpha():
    low, high = closed_forms.interval(*PART, 0.05)
    for shift, sides in ((low, (0.06, 0.04)), (high, (0.04, 0.06))):
        at = [decision.tests((PART[0] - shift + step, *PART[1:]), None)["p"]
              for step in (-1e-4, 0, 1e-4)]
        assert at[1] == pytest.approx(0.05)
        assert np.sign(at[0] - at[1]) == np.sign(sides[0] - 0.05)
        assert np.sign(at[2] - at[1]) == np.sign(sides[1] - 0.05)


def test_no_error_no_test():
    assert closed_forms.interval(0.1, float("nan"), 0.0, 0.05) is None
    assert decision.as_row((0.1, float("nan"), 0.0), 0.02, 0.05, 100) == dict.fromkeys(
        ("ci", "bound", "se", "p", "p_ni", "p_tost", "mde"))
    assert decision.tests(PART, None) | {"p": 0} == {"p": 0, "p_ni": None, "p_tost": None}


def test_a_sample_of_tasks_is_the_one_sample_t_test():
    values = [0.01, -0.02, 0.03, -0.01, -0.04]
    part = decision.sampled(values)
    expected = scipy.stats.ttest_1samp(values, 0)
    assert decision.tests(part, None)["p"] == pytest.approx(expected.pvalue)
    assert closed_forms.interval(*part, 0.05) == pytest.approx(
        list(expected.confidence_interval(0.95)))
    assert closed_forms.interval(*decision.sampled([0.1]), 0.05) is None


def test_many_decisions_at_once_are_the_single_ones():
    rng = np.random.default_rng(3)
    sets, margin = 1500, 0.02
    delta = rng.normal(0, 0.02, (sets, 3)) + rng.normal(0, 0.02, (sets, 1))
    se = rng.uniform(0.0005, 0.03, (sets, 3)) * rng.uniform(0.05, 1, (sets, 1))
    df = rng.uniform(3, 800, (sets, 3))
    mean, error, degrees = decision.even_many(delta, se, df)
    words = decision.verdicts(mean, error, degrees, margin, 0.05)
    for n in range(sets):
        part = decision.even(list(zip(delta[n], se[n], df[n], strict=True)))
        assert part == pytest.approx((mean[n], error[n], degrees[n]))
        assert words[n] == decision.verdict(part, margin, 0.05)
    assert {"better", "worse", "equivalent", "maintained", "inconclusive"} == set(words)


def test_a_set_in_which_nothing_varies_decides_nothing():
    mean, error, df = decision.even_many(np.zeros((1, 2)), np.zeros((1, 2)), np.ones(2))
    assert decision.verdicts(mean, error, df, 0.02, 0.05).tolist() == ["inconclusive"]


def test_one_sided_tests_are_judged_at_half_of_alpha():
    """p 0.0259, as once printed, is not enough."""
    t = scipy.stats.t.isf(0.0259, 40)
    assert decision.verdict((-0.02 + 0.01 * t, 0.01, 40.0), 0.02, 0.05) == "inconclusive"
    t = scipy.stats.t.isf(0.0241, 40)
    assert decision.verdict((-0.02 + 0.01 * t, 0.01, 40.0), 0.02, 0.05) == "maintained"


def test_leaving_out_a_task_names_those_that_turn_the_verdict():
    kept, harmed = (0.0, 0.007, 200.0), (-0.035, 0.02, 200.0)
    parts, names = [kept, kept, kept, harmed], ["a", "b", "c", "d"]
    whole = decision.verdict(decision.even(parts), 0.02, 0.05)
    said = decision.turns(names, parts, 0.02, 0.05)
    assert whole == "inconclusive"
    assert said == "without d: equivalent"
    assert decision.turns(names[:3], parts[:3], 0.02, 0.05) == "none"
    assert decision.turns(["a"], [kept], 0.02, 0.05) == "n/a (one task)"


def test_detectable_difference_is_in_the_printed_unit():
    row = decision.as_row(PART, 0.02, 0.05, 100)
    assert row["mde"] == pytest.approx(100 * closed_forms.detectable(PART[1], 0.05))
    assert row["se"] == pytest.approx(0.8)
