"""Are the intervals and tests of arms true? Simulated arms of known truth, three runs each.

Every cell is the spread between runs, in standard errors by items, and whether arms of one seed
share a part of it (the order of the data). Its name seeds it. Rates lie in bands that hold all
cells of a test together with 99 % where the truth is missed in at most 5 %, and in no fewer than
1.5 %: where items dominate, the sum counts the noise of an item in a run twice.

    python -m tests.statistics.arms.test_calibration     prints the whole grid
"""

import numpy as np
import pytest
from scipy import stats

from stages.rows import seeded
from stages.statistics import closed_forms
from stages.statistics.arms import compare
from tests.statistics.arms.invented import endpoint

ALPHA = 0.05
SPREADS = (0.0, 0.5, 1.0, 2.0, 4.0)
LEAST = 0.015
THREE = [1, 2, 3]


def band(rate, sets, cells, least):
    """Within which all of so many observed rates lie with a probability of 99 %."""
    tail = 0.01 / 2 / cells
    return (stats.binom.ppf(tail, sets, least) / sets,
            stats.binom.ppf(1 - tail, sets, rate) / sets)


def missed(run_sd, sets, baseline, seeds=THREE, order_sd=0.0):
    """How often the interval of an arm against base or reference leaves out the truth: of the
    method, of Satterthwaite's sum and of seed means alone."""
    rng = seeded.generator(0, f"arms {run_sd} {baseline} {seeds} {order_sd}")
    out, truth = np.zeros(3), 0.3
    for _ in range(sets):
        one = endpoint(rng, {"a": seeds, "reference": THREE}, run_sd, {"a": truth},
                       order_sd=order_sd)
        found = compare.difference(one, "a", baseline)
        out += [not low <= truth <= high for low, high in (
            found.interval(ALPHA), *(closed_forms.interval(*part, ALPHA) for part in (
                found.both, (found.both[0], *found.runs[1:]))))]
    return out / sets


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
    low, high = band(ALPHA, sets, 2 * len(SPREADS), LEAST)
    assert low <= missed(run_sd, sets, baseline)[0] <= high


@pytest.mark.long
@pytest.mark.parametrize("baseline", ["base", "reference"])
@pytest.mark.parametrize("run_sd", [*SPREADS, 1.5, 3.0, 8.0])
def test_intervals_of_three_runs_cover_in_every_cell(run_sd, baseline):
    sets = 10_000
    low, high = band(ALPHA, sets, 16, LEAST)
    assert low <= missed(run_sd, sets, baseline)[0] <= high


def test_intervals_cover_where_seeds_differ():
    sets = 600
    low, high = band(ALPHA, sets, 2, LEAST)
    assert low <= missed(1.0, sets, "reference", [4, 5, 6])[0] <= high
    assert missed(1.0, sets, "reference", order_sd=2.0)[0] <= high


def test_neither_part_alone_would_cover():
    """What the wider of both protects from: Satterthwaite's sum where runs are most of the error,
    seed means where items are a part of it."""
    _, summed, means = missed(4.0, 2000, "base")
    assert summed > band(ALPHA, 2000, 1, 0)[1]
    assert missed(0.5, 400, "base")[2] > 0.12 > means


@pytest.mark.parametrize("run_sd", (0.5, 2.0))
def test_max_t_holds_its_level(run_sd):
    sets = 400
    low, high = band(ALPHA, sets, 2, 0.01)
    wrong, single = rejected(run_sd, sets)
    assert low <= wrong <= high
    assert single > wrong


@pytest.mark.long
@pytest.mark.parametrize("order_sd", [0.0, 1.0])
@pytest.mark.parametrize("arms", [2, 8])
@pytest.mark.parametrize("run_sd", SPREADS)
def test_max_t_holds_its_level_in_every_cell(run_sd, arms, order_sd):
    sets = 1000
    low, high = band(ALPHA, sets, 20, 0.005)
    assert low <= rejected(run_sd, sets, arms, order_sd)[0] <= high


if __name__ == "__main__":
    for run_sd in SPREADS:
        for baseline in ("base", "reference"):
            print(f"between runs {run_sd:g}, against {baseline}: missed; by the sum; by seed means",
                  missed(run_sd, 2000, baseline), flush=True)
        print(f"between runs {run_sd:g}, 4 arms: rejected by max-T, uncorrected",
              rejected(run_sd, 1000), flush=True)
