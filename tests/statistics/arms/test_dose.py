import numpy as np
import pytest

from stages.statistics.arms import dose
from tests.statistics.reasoning.invented import SETTINGS, items, results


def base(right=150, wrong=50, **meta):
    scores = [1] * right + [0] * wrong
    return results("base", items("a", scores), items("b", scores), **meta)


def test_the_loss_is_known_exactly():
    assert dose.true_loss(base(), 0.02) == pytest.approx(3 / 200)
    delta, se, _ = dose.part(base(), 0.02)
    assert delta == pytest.approx(-3 / 202)  # half an item in every cell
    assert se > 0


def test_a_larger_dose_contains_a_smaller_one():
    rows = [row for row in base().rows.values() if row["task"] == "a"]
    flipped = dose.order(rows)
    assert flipped[:3] == dose.order(rows)[:6][:3]
    assert [row["doc_id"] for row in flipped] != sorted(row["doc_id"] for row in flipped)


def test_only_tasks_that_carry_are_flipped():
    both, one = base(), base(b={"carries": False})
    assert dose.part(one, 0.05)[0] == pytest.approx(dose.part(both, 0.05)[0])
    assert dose.part(base(a={"carries": False}, b={"carries": False}), 0.05) is None


def test_more_items_detect_a_smaller_loss():
    few, many = dose.detected(base(), SETTINGS), dose.detected(base(1500, 500), SETTINGS)
    assert many < few
    rows = dose.response(base(), [0.01, few / 75], SETTINGS)
    assert [row["verdict"] == "worse" for row in rows] == [False, True]


def test_a_flip_of_each_cluster_counts_clusters():
    scores = np.ones((60, 1))
    grouped = results("base", items("a", scores, clusters=[n // 6 for n in range(60)]))
    assert dose.part(grouped, 0.1)[2] == pytest.approx(9)
