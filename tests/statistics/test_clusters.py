"""What unequal clusters are worth, and simulated levels against what theory says."""

import numpy as np
import pytest
import scipy.stats

from stages.statistics import clusters

SIZES = np.array([1, 1, 2, 3, 3, 6, 6, 7, 7, 17, 20, 23, 24])  # of the desk run's test set


def test_effective_number_of_clusters():
    assert clusters.effective(np.full(13, 9)) == pytest.approx(13)
    assert clusters.effective(np.array([99, 1])) == pytest.approx(100**2 / (99**2 + 1))
    assert clusters.effective(SIZES) == pytest.approx(7.24, abs=0.01)


def test_samples_have_unit_variance_and_the_stated_correlation():
    found = clusters.samples(np.array([2, 2]), 0.3, 100_000, np.random.default_rng(1))
    expected = np.array([[1, 0.3, 0, 0], [0.3, 1, 0, 0], [0, 0, 1, 0.3], [0, 0, 0.3, 1]])
    assert np.cov(found.T) == pytest.approx(expected, abs=0.02)


def test_correlation_of_a_known_design_effect():
    """A mean of G clusters of m: SE^2 = (1 + (m - 1) icc) / N, against 1 / N without clusters."""
    se, plain = np.sqrt((1 + 9 * 0.2) / 80), np.sqrt(1 / 80)
    assert clusters.correlation(se, plain, 80, 8) == pytest.approx(0.2)
    assert clusters.correlation(0.0, 0.0, 80, 8) is None
    assert clusters.correlation(1.0, 1.0, 8, 8) is None


def test_sentences_reject_as_often_as_theory_says():
    """Equal clusters of 10, correlation 0.2: the t of sentences is sqrt(2.8) times too large."""
    found = clusters.rejections(np.full(40, 10), 0.2, 0.05, 4000, np.random.default_rng(2))
    expected = 2 * scipy.stats.norm.sf(scipy.stats.norm.isf(0.025) / np.sqrt(2.8))
    assert found["sentences"] == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize("icc", [0.0, 0.2])
def test_the_headline_and_its_check_hold_where_others_do_not(icc):
    found = clusters.rejections(SIZES, icc, 0.05, 4000, np.random.default_rng(3))
    assert 0.03 <= found["jackknife"] <= 0.06
    assert 0.035 <= found["swaps"] <= 0.065
    assert found["bootstrap"] > 0.055
    assert (found["sentences"] > 0.2) == (icc == 0.2)


def test_the_jackknife_on_equal_clusters_is_the_t_test_of_their_means():
    """Same draws, so the very same decisions."""
    sizes = np.full(6, 4)
    found = clusters.rejections(sizes, 0.1, 0.05, 500, np.random.default_rng(4))
    values = clusters.samples(sizes, 0.1, 500, np.random.default_rng(4)).reshape(500, 6, 4).mean(2)
    assert found["jackknife"] == np.mean(scipy.stats.ttest_1samp(values, 0, axis=1).pvalue <= 0.05)
