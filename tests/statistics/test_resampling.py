"""Draws, flips and intervals: exact where a plain computation can tell."""

import math

import numpy as np
import pytest
import scipy.stats

from stages.statistics import resampling
from stages.statistics.resampling import (
    at_resolution,
    bootstrap_weights,
    collect,
    percentile_interval,
    swap_weights,
    two_sided_p,
)


def test_a_resample_has_as_many_units_as_the_sample_in_chunks_of_any_size(monkeypatch):
    whole = np.concatenate(list(bootstrap_weights(9, 500, np.random.default_rng(1))))
    assert whole.shape == (500, 9)
    assert (whole.sum(axis=1) == 9).all()
    monkeypatch.setattr(resampling, "CELLS", 90)  # ten rows a chunk: memory stays flat
    parts = list(bootstrap_weights(9, 500, np.random.default_rng(1)))
    assert max(len(part) for part in parts) == 10
    assert np.array_equal(np.concatenate(parts), whole)


def test_draws_are_those_of_choice():
    drawn = np.random.default_rng(3).choice(7, size=(4, 7), replace=True)
    [weights] = bootstrap_weights(7, 4, np.random.default_rng(3))
    assert np.array_equal(weights, [np.bincount(row, minlength=7) for row in drawn])


def test_identical_systems_have_p_one_and_p_is_never_zero():
    assert two_sided_p(np.zeros(999), 0.0) == 1.0
    assert two_sided_p(np.zeros(999), 9.0) == 1 / 1000


@pytest.mark.parametrize("draws", [19, 999, 10_000])
def test_a_p_that_no_draw_reached_is_an_upper_limit(draws):
    assert at_resolution(float(two_sided_p(np.zeros(draws), 9.0)), draws)
    assert not at_resolution(float(two_sided_p(np.r_[9.0, np.zeros(draws - 1)], 9.0)), draws)


def test_a_tie_counts_although_rounding_moves_it():
    assert two_sided_p(np.array([0.1 + 0.2, 0.0, 0.0]), 0.3) == 0.5
    assert two_sided_p(np.array([0.3, 0.0, 0.0]), 0.1 + 0.2) == 0.5


def test_sign_flips_equal_scipys_exact_permutation():
    x = np.array([1.2, -0.3, 0.8, 2.0, -0.1, 0.4, 1.1, -0.6, 0.9, 0.2])
    exact = scipy.stats.permutation_test((x, np.zeros(10)), lambda a, b: np.mean(a - b),
                                         permutation_type="samples", n_resamples=np.inf).pvalue
    flips = collect(swap_weights(10, 50_000, np.random.default_rng(7)),
                    lambda w: (1 - 2 * w) @ x / 10)
    error = 3 * math.sqrt(exact * (1 - exact) / 50_000)
    assert two_sided_p(flips, x.mean()) == pytest.approx(exact, abs=error)


def test_interval_of_a_normal_mean_is_students():
    x = np.random.default_rng(8).normal(1, 2, 25)
    x = (x - x.mean()) / x.std(ddof=1) + 1
    draws = collect(bootstrap_weights(25, 200_000, np.random.default_rng(9)), lambda w: w @ x / 25)
    expected = scipy.stats.t.interval(0.95, 24, 1, 1 / 5)
    assert percentile_interval(draws, 25, 0.05) == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize("units", [5, 10])
@pytest.mark.parametrize("alpha", [0.05, 0.1])
def test_interval_of_few_units_is_as_wide_as_students(units, alpha):
    """Resampled means of n units spread like sd sqrt(n - 1) / n, without Student's tails: the
    percentiles have to make up for both. Draws are the quantiles of that normal distribution."""
    grid = (np.arange(1_000_000) + 0.5) / 1_000_000
    draws = 3 + scipy.stats.norm.ppf(grid) * 2 * math.sqrt(units - 1) / units
    expected = scipy.stats.t.interval(1 - alpha, units - 1, 3, 2 / math.sqrt(units))
    found = percentile_interval(draws, units, alpha)
    assert np.ptp(found) == pytest.approx(np.ptp(expected), rel=0.01)
    assert found == pytest.approx(expected, rel=0.01)


def test_interval_of_many_units_equals_scipys_percentile_bootstrap():
    x = np.random.default_rng(4).normal(1, 2, 800)
    draws = collect(bootstrap_weights(800, 10_000, np.random.default_rng(5)),
                    lambda w: w @ x / 800)
    expected = scipy.stats.bootstrap((x,), np.mean, n_resamples=10_000, method="percentile",
                                     random_state=6).confidence_interval
    assert percentile_interval(draws, 800, 0.05) == pytest.approx(expected, abs=0.02)


def test_one_unit_gives_no_interval():
    assert np.isnan(percentile_interval(np.zeros(9), 1, 0.05)).all()
