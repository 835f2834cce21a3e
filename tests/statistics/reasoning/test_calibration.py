"""Are the p-values and intervals true? Simulated comparisons whose difference is known.

The functions under test are those that fill the tables. Every cell is a share of ``SETS`` sets; it
has to lie within a band that holds all cells together in 99 % of runs, were the level true. A cell
draws from a generator named after it. "At most" cells are of tests that may be conservative.
"""

import numpy as np
import pytest
from scipy import stats

from stages.rows import seeded
from stages.statistics import closed_forms
from stages.statistics.reasoning import aggregate, decision, logprob, power, tasks
from stages.statistics.reasoning.tasks import Scores
from tests.statistics.reasoning.invented import SETTINGS, items, pair

SETS, CELLS = 2000, 60  # CELLS: at least the number of bands below, fast and long together
ALPHA = 0.05


def band(level, sets=SETS):
    """The smallest and largest share of ``sets`` that a true ``level`` gives, for all cells."""
    tail = 0.01 / CELLS / 2
    return stats.binom.ppf(tail, sets, level) / sets, stats.binom.isf(tail, sets, level) / sets


def holds(share, level, sets=SETS):
    low, high = band(level, sets)
    return low <= share <= high


def at_most(share, level, sets=SETS):
    return share <= band(level, sets)[1]


def rejected(delta, se, df, truth):
    """Shares of sets whose t test takes the difference for above, and for below, the truth.

    "Above" is also how often non-inferiority is claimed when the true loss is the margin: it is
    the same one-sided test at half of alpha.
    """
    words = decision.verdicts(delta - truth, se, df, 1e-12, ALPHA)
    return (words == "better").mean(), (words == "worse").mean()


# ---- the macro mean of right-or-wrong items -----------------------------------------------------

@pytest.mark.parametrize("loss", [0.0, 0.02])
@pytest.mark.parametrize(("count", "items", "changed"), [
    (4, 190, 0.10), (5, 1000, 0.10), (5, 150, 0.04), (3, 300, 0.20)])
def test_macro_mean_of_exact_tasks(count, items, changed, loss):
    """Level, coverage and non-inferiority at the margin. Half an item in each cell makes it
    slightly conservative, by how much is bounded too."""
    rng = seeded.generator(0, "calibration", "macro", str((count, items, changed, loss)))
    sets = 20_000
    delta, se, df = (np.stack(values, axis=1) for values in zip(*(
        power.counted_sets(round(changed * items / 2), round(changed * items / 2), items, loss,
                           sets, rng) for _ in range(count)), strict=True))
    above, below = rejected(*decision.even_many(delta, se, df), -loss)
    print(f"macro {count} x {items}, {changed:.0%} change, loss {loss}: {above:.4f} {below:.4f}")
    assert at_most(above, ALPHA / 2, sets)
    assert at_most(above + below, ALPHA, sets)
    assert above + below > 0.6 * ALPHA


# ---- tasks as a sample --------------------------------------------------------------------------

@pytest.mark.parametrize(("count", "spread"), [(3, 0.0), (5, 0.02), (8, 0.05)])
def test_tasks_as_a_sample(count, spread):
    """Every set draws other tasks, whose true differences scatter around a loss of 2 points."""
    rng = seeded.generator(0, "calibration", "sample of tasks", str((count, spread)))
    truth = rng.normal(-0.02, spread, (SETS, count))
    seen = truth + rng.normal(0, 0.02, truth.shape)
    parts = np.array([decision.sampled(row.tolist()) for row in seen])
    above, below = rejected(*parts.T, -0.02)
    assert holds(above, ALPHA / 2)
    assert holds(above + below, ALPHA)


def test_tasks_as_fixed_do_not_speak_of_other_tasks():
    """What the second reading protects from: with fixed tasks the same sets reject far too often
    as a statement about other tasks."""
    rng = seeded.generator(0, "calibration", "fixed instead of sample")
    seen = rng.normal(0, 0.05, (SETS, 5)) + rng.normal(0, 0.02, (SETS, 5))
    above, below = rejected(*decision.even_many(seen, np.full(seen.shape, 0.02),
                                                np.full(5, 999.0)), 0.0)
    assert above + below > 0.3


# ---- log-probabilities, clustered, with heavy tails ---------------------------------------------

def clustered_differences(rng, groups, size, shape):
    """Scores of one task whose item differences share a part within each cluster, mean 0.

    ``size``: items of a cluster, or its mean where sizes are unequal (geometric, up to tenfold).
    ``shape``: "heavy" (t with 4 degrees of freedom) or "skewed" (a few items fall far).
    """
    sizes = np.full(groups, size) if isinstance(size, int) else np.minimum(
        rng.geometric(1 / size, groups), 10 * int(size))

    def draw(count):
        if shape == "heavy":
            return rng.standard_t(4, count) / np.sqrt(2)
        return 1 - rng.gamma(1.0, 1.0, count)  # mean 0, variance 1, skewness -2

    total = sizes * draw(groups) * np.sqrt(0.2)
    total += np.bincount(np.repeat(np.arange(groups), sizes),
                         draw(sizes.sum()) * np.sqrt(0.8), groups)
    return Scores(np.zeros((sizes.sum(), 2)), np.stack([total, np.zeros(groups)], axis=1),
                  sizes.astype(float))


def sets_of_tasks(rng, groups, size, shape, count=3):
    """(difference, SE, df) of ``count`` tasks in each set, and the level that each set states."""
    found = [[clustered_differences(rng, groups, size, shape) for _ in range(count)]
             for _ in range(SETS)]
    return (np.array([[scores.difference() for scores in one] for one in found]),
            np.array([logprob.true_level(one, ALPHA) for one in found]))


@pytest.mark.parametrize(("groups", "size"), [
    (150, 1), (30, 3.0),
    *(pytest.param(*cell, marks=pytest.mark.long) for cell in ((700, 1), (60, 5), (12, 4.0)))])
def test_log_probability_with_clusters(groups, size):
    rng = seeded.generator(0, "calibration", "log-probability", str((groups, size)))
    parts, stated = sets_of_tasks(rng, groups, size, "heavy")
    for found in (decision.even_many(parts[..., 0], parts[..., 1], parts[..., 2]), parts[:, 0].T):
        above, below = rejected(*found, 0.0)
        print(f"{groups} clusters of {size}: {above:.4f} {below:.4f}, stated {stated.mean():.4f}")
        assert holds(above, ALPHA / 2)
        assert holds(above + below, ALPHA)
    assert stated.mean() == pytest.approx(ALPHA / 2, abs=0.001)


@pytest.mark.parametrize(("groups", "size", "count"), [
    (150, 1, 3), pytest.param(300, 1, 5, marks=pytest.mark.long), (60, 5, 3)])
def test_skewed_log_probabilities_state_the_level_that_they_have(groups, size, count):
    """Skewness -2: a few items fall far. Then t claims "no loss" too easily, and says so."""
    rng = seeded.generator(0, "calibration", "skewed", str((groups, size, count)))
    parts, stated = sets_of_tasks(rng, groups, size, "skewed", count)
    above, below = rejected(
        *decision.even_many(parts[..., 0], parts[..., 1], parts[..., 2]), 0.0)
    print(f"{count} x {groups} clusters of {size}, skewed: {above:.4f} {below:.4f}, "
          f"stated {stated.mean():.4f}")
    assert stated.mean() > ALPHA / 2
    assert holds(above, stated.mean())
    assert holds(above + below, ALPHA)


def test_ignoring_clusters_would_reject_far_too_often_in_nats_too():
    rng = seeded.generator(0, "calibration", "log-probability by items")
    rows = rng.normal(0, 1, (SETS, 40, 1)) + rng.normal(0, 1, (SETS, 40, 10))
    p = stats.ttest_1samp(rows.reshape(SETS, -1), 0, axis=1).pvalue
    assert (p <= ALPHA).mean() > 0.2


# ---- is the baseline above a guess? -------------------------------------------------------------

@pytest.mark.parametrize("size", [60, 300])
def test_a_baseline_that_guesses_passes_as_one_that_knows_in_2_5_percent_at_most(size):
    rng = seeded.generator(0, "calibration", "guess", str(size))
    passed = 0
    for _ in range(SETS):
        columns = rng.random((size, 2)) < 0.35
        scores = Scores(columns.astype(float), columns.astype(float), np.ones(size))
        passed += tasks.above_p(scores, 0, 1, True) <= ALPHA / 2
    assert at_most(passed / SETS, ALPHA / 2)


# ---- whole comparisons from rows ----------------------------------------------------------------

def discordant(rng, count, rate, shift):
    """Right or wrong, for two systems whose items differ with probability ``rate``.

    The expected difference is ``shift`` (system minus baseline), exactly.
    """
    u, agreed = rng.random(count), rng.random(count) < 0.6
    up, down = (rate + shift) / 2, (rate - shift) / 2
    gained, lost = u < up, (u >= up) & (u < up + down)
    return np.where(gained, 1, np.where(lost, 0, agreed)), \
        np.where(lost, 1, np.where(gained, 0, agreed))


def questions(rng, count, copies, shift):
    """Translations or samples share how hard their question is, for both systems and for each."""
    p = rng.beta(2, 2, (count, 1)) * (1 - abs(shift)) + max(0, -shift)
    talent = rng.choice([-0.8, 0.8], (count, 2)) * np.minimum(p, 1 - p)
    return tuple(rng.random((count, copies)) < np.clip(p + moved + talent[:, [side]], 0, 1)
                 for side, moved in ((0, shift), (1, 0)))


def compared(rng, shift, settings):
    """Task rows by name and aggregate rows of one set: independent, clustered and graded items."""
    names = np.repeat(np.arange(40), 11)
    binary = discordant(rng, 200, 0.3, shift)
    clustered = [side.ravel() for side in questions(rng, 40, 11, shift)]
    graded = questions(rng, 60, 4, shift)
    found = tasks.compare_tasks(*pair(*(tuple(items(name, side, clusters) for side in sides)
                                        for name, sides, clusters in (
        ("binary", binary, None), ("clustered", clustered, names), ("graded", graded, None)))),
        settings)
    return {task.name: task.row for task in found}, aggregate.aggregate(found, settings)


@pytest.fixture(scope="module")
def nulls():
    """SETS comparisons of equal systems."""
    rng = seeded.generator(0, "calibration", "nulls")
    return [compared(rng, 0, SETTINGS | {"seed": n}) for n in range(SETS)]


def share(hits):
    hits = list(hits)
    assert len(hits) == SETS
    return sum(hits) / SETS


def covers(interval, truth=0.0):
    return interval[0] - 1e-9 <= truth <= interval[1] + 1e-9


@pytest.mark.long
@pytest.mark.parametrize("task", ["clustered", "graded"])
def test_sign_flips_hold_their_level(nulls, task):
    assert all(rows[task]["test"] == "sign flips" for rows, _ in nulls)
    assert holds(share(rows[task]["p"] <= ALPHA for rows, _ in nulls), ALPHA)


@pytest.mark.long
def test_exact_mcnemar_never_exceeds_its_level_and_says_by_how_much_it_stays_below(nulls):
    size = share(rows["binary"]["p"] <= ALPHA for rows, _ in nulls)
    stated = np.mean([rows["binary"]["size"] for rows, _ in nulls])
    assert at_most(size, ALPHA)
    assert holds(size, stated)


@pytest.mark.long
def test_means_over_tasks_hold_their_level(nulls):
    for row, name in ((0, aggregate.MACRO), (2, "interquartile mean"), (3, "pooled items")):
        assert all(whole[row]["aggregate"] == name for _, whole in nulls)
        for p in ("p", "p_flips"):
            assert holds(share(whole[row][p] <= ALPHA for _, whole in nulls), ALPHA), (name, p)


@pytest.mark.long
def test_intervals_cover(nulls):
    for task in ("binary", "clustered", "graded"):
        for ci in ("ci", "ci_boot"):
            assert holds(share(covers(rows[task][ci]) for rows, _ in nulls), 1 - ALPHA), (task, ci)
    for row in (0, 2, 3):
        for ci in ("ci", "ci_boot"):
            assert holds(share(covers(whole[row][ci]) for _, whole in nulls), 1 - ALPHA), (row, ci)


@pytest.mark.long
def test_holm_keeps_the_family_error(nulls):
    assert at_most(share(min(row["p_holm"] for row in rows.values()) <= ALPHA for rows, _ in nulls),
                   ALPHA)


@pytest.mark.long
def test_ignoring_clusters_would_reject_far_too_often(nulls):
    """What the clusters protect from: McNemar on eleven translations of each question."""
    assert share(closed_forms.mcnemar_p(rows["clustered"]["b"], rows["clustered"]["c"]) <= ALPHA
                 for rows, _ in nulls) > 0.2


@pytest.mark.long
def test_no_loss_beyond_the_margin_is_claimed_at_the_margin():
    """True loss = margin: 2 points of the mean, 3 points of each task."""
    settings = SETTINGS | {"resamples": 20, "ar_trials": 19}
    for shift in (-0.02, -0.03):
        rng = seeded.generator(0, "calibration", "at the margin", str(shift))
        sets = [compared(rng, shift, settings | {"seed": n}) for n in range(SETS)]
        if shift == -0.02:
            passed = [share(whole[0][p] <= ALPHA / 2 for _, whole in sets)
                      for p in ("p_ni", "p_tost")]
        else:
            passed = [share(rows[task]["p_ni"] <= ALPHA / 2 for rows, _ in sets)
                      for task in ("binary", "clustered", "graded")]
        assert all(at_most(rate, ALPHA / 2) for rate in passed), passed
        assert max(passed) > 0.5 * ALPHA / 2, passed


@pytest.mark.long
def test_a_planted_loss_of_three_points_is_flagged_among_level_tasks():
    rng, flagged = seeded.generator(0, "calibration", "planted"), 0
    for _ in range(SETS):
        pairs = [discordant(rng, 1000, 0.12, 0) for _ in range(14)]
        pairs.append(discordant(rng, 4000, 0.12, -0.03))
        p = [closed_forms.mcnemar_p(int((a > b).sum()), int((a < b).sum())) for a, b in pairs]
        flagged += closed_forms.holm(p)[-1] <= ALPHA
    assert flagged / SETS >= 0.8
