"""The quality estimator: how good and damaged pairs are told apart."""

from stages.comet import estimator


def test_auc_by_hand():
    assert estimator.auc([3, 1], [2, 0]) == 0.75
    assert estimator.auc([1, 1], [1, 1]) == 0.5
    assert estimator.auc([2], [1]) == 1.0
