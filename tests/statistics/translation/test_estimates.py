"""Leaving out documents: against formulas written out, and against scipy where it has the case."""

import numpy as np
import pytest
import scipy.stats

from stages.rows import lexical
from stages.statistics import clusters
from stages.statistics.translation import estimates
from tests.statistics.translation.corpora import INTO, OUT_OF, corpus, means
from tests.statistics.translation.simulated import CHRF, MEAN, Cell, statistics


def difference(data, metric, directions):
    scores = estimates.scored(metric, data.statistics[metric.name], data.documents)
    return estimates.estimate(estimates.minus(scores, 0, 1), estimates.sizes(data), directions)


def test_rows_are_directions_then_groups():
    rows = estimates.groups([INTO, OUT_OF, "spa_Latn-eng_Latn"], {
        "swh_Latn": {"resource": "low"}, "spa_Latn": {}})
    assert [(row.name, row.directions) for row in rows] == [
        (INTO, [0]), (OUT_OF, [1]), ("spa_Latn-eng_Latn", [2]), ("into_eng", [0, 2]),
        ("out_of_eng", [1]), ("low_resource", [0, 1])]


def test_pooling_adds_up_the_ids_of_a_unit_in_any_order():
    table = np.arange(24.0).reshape(2, 4, 3)
    pooled = estimates.pool(table, np.array([1, 0, 1, 2]))
    assert np.array_equal(pooled, np.stack([table[:, 1], table[:, 0] + table[:, 2], table[:, 3]],
                                           axis=1))


def test_scores_without_a_document_are_those_of_the_rest():
    cell = Cell(4, False, 0.1, CHRF)
    documents = np.repeat(np.arange(4), cell.sizes())
    table = statistics(np.random.default_rng(1), cell, 2)
    found = estimates.scored(CHRF, table, documents)
    for document in range(4):
        rest = table[:, :, documents != document].sum(-2)
        assert np.array_equal(found.left_out[..., document], lexical.chrf(rest))


def test_equal_documents_are_a_t_test_of_their_means():
    scores = np.random.default_rng(2).normal(50, 10, (2, 1, 60))
    data = corpus({"comet22": means(scores)}, np.arange(60) % 12)
    found = difference(data, MEAN, [0])
    of_each = (scores[0, 0] - scores[1, 0]).reshape(5, 12).mean(0)
    expected = scipy.stats.ttest_1samp(of_each, 0)
    assert (found.delta, found.df) == (pytest.approx(of_each.mean()), pytest.approx(11))
    assert found.se == pytest.approx(scipy.stats.sem(of_each))
    assert found.interval(0.05) == pytest.approx(expected.confidence_interval())


def test_unequal_documents_have_the_cr3_standard_error():
    sizes = np.array([2, 3, 5, 10, 20])
    documents = np.repeat(np.arange(5), sizes)
    scores = np.random.default_rng(3).normal(50, 10, (2, 1, 40))
    found = difference(corpus({"comet22": means(scores)}, documents), MEAN, [0])
    d = scores[0, 0] - scores[1, 0]
    left_out = np.array([d[documents != g].mean() for g in range(5)])
    assert found.se**2 == pytest.approx(4 / 5 * ((left_out - left_out.mean()) ** 2).sum())
    assert found.df == pytest.approx(40**2 / (sizes**2).sum() - 1)


def test_directions_of_a_document_are_left_out_together():
    """The same outputs as two directions: no more is known than from one of them."""
    scores = np.random.default_rng(4).normal(50, 10, (2, 1, 60))
    twice = corpus({"comet22": means(np.repeat(scores, 2, axis=1))}, np.arange(60) // 5,
                   directions=(INTO, OUT_OF))
    assert difference(twice, MEAN, [0, 1]) == pytest.approx(difference(twice, MEAN, [0]))


@pytest.mark.parametrize("documents", [[0] * 40, [0] * 38 + [1] * 2, [0] * 30 + [1] * 10])
def test_less_than_two_effective_documents_give_no_standard_error(documents):
    scores = np.random.default_rng(5).normal(50, 10, (2, 1, 40))
    found = difference(corpus({"comet22": means(scores)}, documents), MEAN, [0])
    assert np.isnan(found.se)
    assert found.interval(0.05) is None


def test_a_group_needs_two_documents_in_each_direction():
    scores = np.random.default_rng(6).normal(50, 10, (2, 2, 40))
    data = corpus({"comet22": means(scores)}, np.arange(40) // 10, directions=(INTO, OUT_OF))
    data.present[1, 10:] = 0
    data.statistics["comet22"][:, 1, 10:] = 0
    assert difference(data, MEAN, [0]).se > 0
    assert np.isnan(difference(data, MEAN, [0, 1]).se)


def test_a_document_absent_from_a_direction_does_not_count_there():
    scores = np.random.default_rng(7).normal(50, 10, (2, 2, 40))
    data = corpus({"comet22": means(scores)}, np.arange(40) // 5, directions=(INTO, OUT_OF))
    data.present[1, 20:] = 0
    data.statistics["comet22"][:, 1, 20:] = 0
    half = corpus({"comet22": means(scores[:, 1:, :20])}, np.arange(20) // 5)
    assert difference(data, MEAN, [1]) == pytest.approx(difference(half, MEAN, [0]))
    assert difference(data, MEAN, [1]).df == pytest.approx(clusters.effective(np.full(4, 5)) - 1)
