"""Closed-form statistics against independent implementations, and the order of verdicts."""

import math

import numpy as np
import pytest
import scipy.stats
from scipy.optimize import minimize_scalar
from statsmodels.stats.contingency_tables import mcnemar as sm_mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import ttost_paired

from stages.statistics import closed_forms

TABLES = [(1, 0), (5, 5), (3, 14), (40, 61), (0, 9)]


@pytest.mark.parametrize(("gained", "lost"), [(0, 0), *TABLES])
def test_mcnemar_equals_statsmodels(gained, lost):
    expected = sm_mcnemar([[50, gained], [lost, 50]], exact=True).pvalue if gained + lost else 1.0
    assert closed_forms.mcnemar_p(gained, lost) == pytest.approx(min(expected, 1), abs=1e-12)


def test_mid_p_takes_half_of_the_observed_outcome():
    # 1 of 4: P(X <= 0) = 1/16, P(X = 1) = 4/16, so 2 (1/16 + 2/16) = 6/16.
    assert closed_forms.mcnemar_mid_p(1, 3) == pytest.approx(0.375)
    assert closed_forms.mcnemar_mid_p(2, 2) == 1.0


def test_true_size_of_the_exact_test():
    # 6 discordant items: only 0 or 6 reject at 5 %, 2 of 64 outcomes.
    assert closed_forms.mcnemar_size(6, 0.05) == pytest.approx(2 / 64)
    assert closed_forms.mcnemar_size(0, 0.05) == closed_forms.mcnemar_size(5, 0.05) == 0.0


def test_holm_equals_statsmodels_and_keeps_the_order():
    rng = np.random.default_rng(1)
    for size in (1, 2, 15):
        p = list(rng.random(size) ** 3)
        assert closed_forms.holm(p) == pytest.approx(multipletests(p, method="holm")[1], abs=1e-12)
    assert closed_forms.holm([0.04, None, 0.01]) == [0.04, None, 0.02]
    assert closed_forms.holm([]) == []


def test_clusters_of_one_give_the_standard_error_of_the_mean():
    x = np.random.default_rng(2).normal(size=50)
    delta, se, df = closed_forms.cluster_mean(x, np.ones(50))
    assert (delta, se, df) == (pytest.approx(x.mean()), pytest.approx(scipy.stats.sem(x)), 49)


def test_copies_of_a_question_add_nothing():
    x = np.random.default_rng(3).normal(size=40)
    se = closed_forms.cluster_mean(11 * x, np.full(40, 11.0))[1]
    assert se == pytest.approx(scipy.stats.sem(x))


def test_one_cluster_gives_no_standard_error():
    _, se, df = closed_forms.cluster_mean(np.array([3.0]), np.array([5.0]))
    assert math.isnan(se)
    assert closed_forms.noninferior_p(0.0, se, df, 0.02) is None
    assert closed_forms.lower_bound(0.0, se, df, 0.05) is None


def test_half_an_item_in_every_cell():
    # Of 10 items 3 gained and 1 lost: shares 3.5/12 and 1.5/12.
    delta, se, df = closed_forms.sparse_mean(3, 1, 10)
    assert delta == pytest.approx(2 / 12)
    assert se == pytest.approx(math.sqrt((5 / 12 - delta**2) / 11))
    assert df == 9
    assert closed_forms.sparse_mean(0, 0, 200)[1] > 0


def test_combined_degrees_of_freedom_are_welchs():
    rng = np.random.default_rng(4)
    x, y = rng.normal(0, 1, 12), rng.normal(0, 3, 30)
    parts = [(s.mean(), scipy.stats.sem(s), len(s) - 1) for s in (x, y)]
    delta, se, df = closed_forms.combine([1, -1], parts)
    welch = scipy.stats.ttest_ind(x, y, equal_var=False)
    assert delta / se == pytest.approx(welch.statistic, rel=1e-12)
    assert df == pytest.approx(welch.df, rel=1e-12)


def test_jackknife_of_a_mean_is_its_standard_error():
    x = np.random.default_rng(5).normal(size=30)
    se = closed_forms.jackknife_se((x.sum() - x) / 29)
    assert se == pytest.approx(scipy.stats.sem(x), rel=1e-12)


def test_jackknife_of_a_ratio_equals_scipys_bca_acceleration_input():
    x, y = np.random.default_rng(6).gamma(9, size=(2, 60))
    left_out = (x.sum() - x) / (y.sum() - y)
    drawn = scipy.stats.bootstrap((x, y), lambda a, b, axis: a.sum(axis) / b.sum(axis),
                                  paired=True, n_resamples=20_000, random_state=1)
    assert closed_forms.jackknife_se(left_out) == pytest.approx(drawn.standard_error, rel=0.03)


def test_equivalence_equals_statsmodels_paired_tost():
    rng = np.random.default_rng(7)
    a, b = rng.normal(0, 1, 25), rng.normal(0.1, 1, 25)
    difference = a - b
    found = closed_forms.tost_p(difference.mean(), scipy.stats.sem(difference), 24, 0.5)
    expected, (_, lower, _), _ = ttost_paired(a, b, -0.5, 0.5)
    assert found == pytest.approx(expected, abs=1e-12)
    assert closed_forms.noninferior_p(difference.mean(), scipy.stats.sem(difference), 24,
                               0.5) == pytest.approx(lower, abs=1e-12)


def test_bound_is_where_non_inferiority_tips():
    bound = closed_forms.lower_bound(-0.004, 0.007, 90, 0.05)
    assert closed_forms.noninferior_p(-0.004, 0.007, 90, -bound) == pytest.approx(0.05, abs=1e-12)


def test_two_sided_p_and_interval_equal_scipys_t_test():
    x = np.random.default_rng(8).normal(0.4, 1, 12)
    expected = scipy.stats.ttest_1samp(x, 0)
    found = (x.mean(), scipy.stats.sem(x), 11)
    assert closed_forms.two_sided_p(*found) == pytest.approx(expected.pvalue, rel=1e-12)
    assert closed_forms.interval(*found, 0.1) == pytest.approx(expected.confidence_interval(0.9))
    assert closed_forms.two_sided_p(-9e9, 1.0, 30) > 0  # never printed as 0


@pytest.mark.parametrize(("se", "df"), [(float("nan"), 0), (0.0, 5), (1.0, 0)])
def test_without_a_standard_error_there_is_neither_p_nor_interval(se, df):
    assert closed_forms.two_sided_p(1.0, se, df) is None
    assert closed_forms.interval(1.0, se, df, 0.05) is None


def test_the_bound_at_half_of_alpha_is_the_lower_end_of_the_interval():
    low, _ = closed_forms.interval(-0.004, 0.007, 6.2, 0.05)
    assert closed_forms.lower_bound(-0.004, 0.007, 6.2, 0.025) == pytest.approx(low)


@pytest.mark.parametrize(("gained", "lost"), [(0, 0), *TABLES])
@pytest.mark.parametrize("margin", [0.02, 0.03, 0.1])
def test_score_test_uses_the_likeliest_null(gained, lost, margin):
    """The closed form against a numerical search for the null's maximum likelihood."""
    n = 200

    def negative(q):  # q: share lost; share gained is q - margin, as the difference is -margin
        counts, shares = (gained, lost, n - gained - lost), (q - margin, q, 1 - 2 * q + margin)
        return -sum(c * math.log(s) for c, s in zip(counts, shares, strict=True) if c)

    low, high = margin, (1 + margin) / 2
    q = minimize_scalar(negative, bounds=(low, high), method="bounded",
                        options={"xatol": 1e-12}).x
    z = (gained - lost + n * margin) / math.sqrt(n * (2 * q - margin - margin**2))
    assert closed_forms.tango_p(gained, lost, n, margin) == pytest.approx(scipy.stats.norm.sf(z),
                                                                   rel=1e-3)


def test_score_bound_is_where_the_score_test_tips():
    for gained, lost in ((0, 0), *TABLES):
        bound = closed_forms.tango_bound(gained, lost, 200, 0.05)
        if bound < 0:
            assert closed_forms.tango_p(gained, lost, 200, -bound) == pytest.approx(0.05, abs=1e-6)
        else:
            p = 1 - closed_forms.tango_p(lost, gained, 200, bound)
            assert p == pytest.approx(0.05, abs=1e-6)


def test_detectable_difference_has_the_promised_power():
    effect = closed_forms.detectable(1.0, 0.05)
    power = scipy.stats.norm.sf(scipy.stats.norm.isf(0.025) - effect)
    assert power == pytest.approx(0.8, abs=1e-12)


@pytest.mark.parametrize("df", [4, 6.2, 12, 50])
def test_detectable_difference_has_its_power_with_few_degrees_of_freedom_too(df):
    """By the non-central t: Student's quantiles hit 80 % closely, the normal ones do not."""
    def power(effect):
        t = scipy.stats.t.isf(0.025, df)
        return scipy.stats.nct.sf(t, df, effect) + scipy.stats.nct.cdf(-t, df, effect)

    assert power(closed_forms.detectable(1.0, 0.05, df)) == pytest.approx(0.8, abs=0.015)
    assert power(closed_forms.detectable(1.0, 0.05)) < (0.77 if df < 20 else 0.8)


def test_interquartile_mean_equals_scipys_trimmed_mean():
    for size in (1, 3, 4, 15):
        x = np.random.default_rng(size).normal(size=size)
        assert closed_forms.interquartile_mean(x) == pytest.approx(scipy.stats.trim_mean(x, 0.25))


def test_correlation_of_a_constant_is_undefined():
    correlation = closed_forms.correlation
    assert correlation(np.array([1.0, 1, 1]), np.array([0.0, 1, 0])) is None
    assert correlation(np.array([0.0, 1, 2]), np.array([1.0, 3, 5])) == pytest.approx(1)


@pytest.mark.parametrize(("delta", "p", "lower", "both", "word"), [
    (1.0, 0.01, 0.001, 0.9, "better"), (-1.0, 0.01, 0.001, 0.001, "worse"),
    (0.1, 0.5, 0.001, 0.01, "equivalent"), (0.1, 0.5, 0.01, 0.3, "maintained"),
    (0.1, 0.5, 0.025, 0.026, "maintained"), (0.1, 0.5, 0.026, 0.026, "inconclusive"),
    (0.1, 0.05, 0.5, 0.5, "better"), (0.1, 0.051, 0.5, 0.5, "inconclusive"),
    (0.1, 0.5, 0.3, 0.3, "inconclusive"), (0.1, 0.5, None, None, "inconclusive"),
    (0.1, None, None, None, "n/a (not tested)")])
def test_verdicts_are_read_from_the_top(delta, p, lower, both, word):
    assert closed_forms.verdict(delta, p, lower, both, 0.05) == word
    assert closed_forms.verdict(delta, p, lower, both, 0.05, "why") == "n/a (why)"


@pytest.mark.parametrize(("verdicts", "weakest"), [
    (["better", "better"], "better"), (["better", "worse"], "worse"),
    (["maintained", "inconclusive"], "inconclusive"), (["equivalent", "maintained"], "maintained"),
    (["better", "equivalent"], "maintained"), (["better", "maintained"], "maintained"),
    (["inconclusive", "n/a (one cluster only: x)"],
                                               "n/a (one cluster only: x)"),
    (["n/a (not tested)", "worse"], "worse"), (["cannot show harm", "maintained"],
                                               "cannot show harm")])
def test_the_weaker_verdict_is_the_least_favourable(verdicts, weakest):
    assert closed_forms.weaker(verdicts) == closed_forms.weaker(verdicts[::-1]) == weakest
