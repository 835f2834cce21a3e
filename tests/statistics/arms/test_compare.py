import numpy as np
import pytest
from scipy import stats

from stages.rows import seeded
from stages.statistics import closed_forms
from stages.statistics.arms import compare
from stages.statistics.arms.runs import BASE, Endpoint, Stratum
from tests.statistics.arms.invented import endpoint, stratum

THREE = [1, 2, 3]


def rng(name):
    return seeded.generator(0, name)


def test_the_item_part_of_a_mean_is_its_t_test():
    values = rng("items").normal(0, 1, (2, 25))
    one = Endpoint("e", "points", [BASE, ("a", 1)], [stratum(values)])
    found = compare.difference(one, "a")
    test = stats.ttest_rel(values[1], values[0])
    assert found.items[0] / found.items[1] == pytest.approx(test.statistic)
    assert found.items[2] == 24
    assert np.isnan(found.both[1])  # one run says nothing about others


def test_variances_of_items_and_runs_are_added():
    one = endpoint(rng("sum"), {"a": THREE}, 1.0)
    found = compare.difference(one, "a")
    values = one.values()[1:] - one.values()[0]
    assert found.runs[1] == pytest.approx(values.std(ddof=1) / np.sqrt(3))
    assert found.both[1] ** 2 == pytest.approx(found.items[1] ** 2 + found.runs[1] ** 2)
    item, run = found.items[1] ** 2, found.runs[1] ** 2
    assert found.both[2] == pytest.approx(
        (item + run) ** 2 / (item**2 / found.items[2] + run**2 / 2))
    assert found.both[0] == pytest.approx(values.mean())


def test_the_interval_is_the_wider_of_sum_and_runs_and_p_its_inverse():
    for run_sd in (0.2, 5.0):
        found = compare.difference(endpoint(rng(f"wide {run_sd}"), {"a": THREE}, run_sd), "a")
        widths = [np.ptp(closed_forms.interval(*part, 0.05)) for part in found.ways()]
        low, high = found.interval(0.05)
        assert high - low == pytest.approx(max(widths))
        assert (np.argmax(widths) == 1) == (run_sd > 1)  # runs alone, where they are most of it
        edge = found.interval(found.p())
        assert min(abs(end) for end in edge) == pytest.approx(0, abs=1e-9)


def test_runs_of_one_seed_are_paired():
    """What the order of the data does to both arms is no difference between them."""
    one = endpoint(rng("paired"), {"a": THREE, "reference": THREE}, 0.0, order_sd=20.0)
    other = endpoint(rng("paired"), {"a": [4, 5, 6], "reference": THREE}, 0.0, order_sd=20.0)
    paired, apart = (compare.difference(found, "a", "reference").runs[1]
                     for found in (one, other))
    assert paired < apart / 5


def test_an_arm_equal_to_the_reference_is_tied():
    values = rng("equal").normal(0, 1, (4, 30))
    runs = [BASE, *(("reference", seed) for seed in THREE), *(("same", seed) for seed in THREE)]
    one = Endpoint("e", "points", runs, [stratum(np.vstack([values, values[1:]]))])
    [row] = compare.simultaneous(one, ["same"], "reference", 0.05, 500, 1)
    assert row["delta"] == pytest.approx(0.0, abs=1e-12)
    assert (row["verdict"], row["p"], row["ci"]) == (compare.TIED, None, None)


def test_max_t_finds_a_large_difference_and_corrects_for_the_others():
    names = ["a", "b", "c", "far"]
    one = endpoint(rng("far"), dict.fromkeys([*names, "reference"], THREE), 0.3, {"far": -2.0})
    rows = {row["arm"]: row for row in compare.simultaneous(
        one, names, "reference", 0.05, 2000, 1)}
    assert rows["far"]["verdict"] == compare.LESS
    assert rows["far"]["ci"][0] < -2.0 < rows["far"]["ci"][1] < 0
    for row in rows.values():
        assert row["p_max"] >= row["p"]
        assert (row["verdict"] == compare.TIED) == (row["ci"][0] <= 0 <= row["ci"][1])


def test_an_arm_of_one_run_is_a_point_beside_the_band():
    one = endpoint(rng("point"), {"a": [1], "far": [1], "reference": THREE}, 1.0, {"far": 5.0})
    low, high = compare.band(one, "reference", 0.05)
    values = one.values()[one.places("reference")] - one.values()[0]
    half = stats.t.ppf(0.975, 2) * values.std(ddof=1) * np.sqrt(4 / 3)
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half))
    for arm in ("a", "far"):
        row = compare.beside(one, arm, "reference", 0.05)
        value = float(one.weights(arm, "base") @ one.values())
        assert row["band"] == ("above" if value > high else "below" if value < low else "within")
        assert row["verdict"] == compare.POINT and row["ci"] is None and row["p_max"] is None


def test_a_stratum_without_units_leaves_no_standard_error():
    alone = Stratum(np.array([0.0, 1.0]), np.array([[0.0], [1.0]]), 0.0)
    one = Endpoint("e", "points", [BASE, ("a", 1)], [stratum(rng("s").normal(0, 1, (2, 9))), alone])
    assert np.isnan(compare.difference(one, "a").items[1])
