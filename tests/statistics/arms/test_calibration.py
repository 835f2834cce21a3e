"""Are the intervals and tests of arms true? Simulated arms of known truth, three runs each.

Every cell is the spread between runs, in standard errors by items, and whether arms of one seed
share a part of it (the order of the data). Its name seeds it. Coverage and level lie in bands that
hold all cells of a test together with 99 %. Where the items dominate, the sum counts the noise of
an item in a run twice and may miss less often than promised, never more: the lower ends say so.

    python -m tests.statistics.arms.test_calibration     prints the whole grid
"""

import numpy as np
import pytest
from scipy import stats

from stages.rows import seeded
from stages.statistics.arms import compare
from tests.statistics.arms.invented import endpoint

ALPHA = 0.05
SPREADS = (0.0, 0.5, 1.0, 2.0)
THREE = [1, 2, 3]


def band(rate, sets, cells, least):
    """Within which all of so many observed rates lie with a probability of 99 %."""
    tail = 0.01 / 2 / cells
    return (stats.binom.ppf(tail, sets, least) / sets,
            stats.binom.ppf(1 - tail, sets, rate) / sets)


def missed(run_sd, sets, baseline, seeds=THREE, order_sd=0.0):
    """How often the interval of an arm against base or reference leaves out the truth."""
    rng = seeded.generator(0, f"arms {run_sd} {baseline} {seeds} {order_sd}")
    out = means = 0
    for _ in range(sets):
        one = endpoint(rng, {"a": seeds, "reference": THREE}, run_sd, {"a": 0.3},
                       order_sd=order_sd)
        truth = 0.3
        delta, se, df = compare.difference(one, "a", baseline).both
        half = stats.t.ppf(1 - ALPHA / 2, df) * se
        out += abs(delta - truth) > half
        of_runs = compare.difference(one, "a", baseline).runs
        means += abs(delta - truth) > stats.t.ppf(1 - ALPHA / 2, of_runs[2]) * of_runs[1]
    return out / sets, means / sets


def rejected(run_sd, sets, arms=4, order_sd=0.0):
    """How often max-T calls one of several equal arms other than the reference."""
    rng = seeded.generator(0, f"max-T {run_sd} {arms} {order_sd}")
    names = [f"a{n}" for n in range(arms)]
    wrong = single = 0
    for n in range(sets):
        one = endpoint(rng, dict.fromkeys([*names, "reference"], THREE), run_sd,
                       order_sd=order_sd)
        rows = compare.simultaneous(one, names, "reference", ALPHA, 1000, n)
        wrong += any(row["verdict"] != compare.TIED for row in rows)
        single += any(row["p"] <= ALPHA for row in rows)
    return wrong / sets, single / sets


@pytest.mark.parametrize("baseline", ["base", "reference"])
@pytest.mark.parametrize("run_sd", SPREADS)
def test_intervals_of_three_runs_cover(run_sd, baseline):
    sets = 600
    low, high = band(ALPHA, sets, 8, 0.02)
    assert low <= missed(run_sd, sets, baseline)[0] <= high


def test_intervals_cover_where_seeds_differ():
    sets = 600
    low, high = band(ALPHA, sets, 2, 0.02)
    assert low <= missed(1.0, sets, "reference", [4, 5, 6])[0] <= high
    assert missed(1.0, sets, "reference", order_sd=2.0)[0] <= high


def test_seed_means_alone_would_not_cover():
    """What the sum protects from: the items are part of the error."""
    assert missed(0.5, 400, "base")[1] > 0.12


@pytest.mark.parametrize("run_sd", SPREADS)
def test_max_t_holds_its_level(run_sd):
    sets = 400
    low, high = band(ALPHA, sets, 4, 0.015)
    wrong, single = rejected(run_sd, sets)
    assert low <= wrong <= high
    assert single > wrong


@pytest.mark.long
@pytest.mark.parametrize("order_sd", [0.0, 1.0])
@pytest.mark.parametrize("arms", [2, 8])
@pytest.mark.parametrize("run_sd", SPREADS)
def test_max_t_holds_its_level_in_every_cell(run_sd, arms, order_sd):
    sets = 1000
    low, high = band(ALPHA, sets, 16, 0.01)
    assert low <= rejected(run_sd, sets, arms, order_sd)[0] <= high


if __name__ == "__main__":
    for run_sd in SPREADS:
        for baseline in ("base", "reference"):
            print(f"between runs {run_sd:g}, against {baseline}: missed, and by seed means",
                  missed(run_sd, 2000, baseline), flush=True)
        print(f"between runs {run_sd:g}, 4 arms: rejected by max-T, uncorrected",
              rejected(run_sd, 1000), flush=True)
