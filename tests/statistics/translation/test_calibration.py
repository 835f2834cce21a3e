"""Are the p-values and intervals of corpus metrics true? Simulated comparisons of known truth.

The functions under test are those that fill the tables. Every cell is a number of documents, of
equal or Dirichlet sizes, a correlation within them and a metric; its name seeds it. Rejections of a
true null and coverage of the true difference have to lie in bands that hold all cells of a test
together with 99 %. Where few documents are unequal the method may reject less often than promised
(3 % instead of 5), never more.

    python -m tests.statistics.translation.test_calibration     prints the whole grid
"""

import itertools

import numpy as np
import pytest
from scipy import stats

from stages.rows.segments import Metric
from stages.statistics import clusters
from stages.statistics.translation import compare, estimates
from stages.statistics.translation.estimates import Group
from tests.statistics.translation.corpora import INTO, SETTINGS, corpus
from tests.statistics.translation.simulated import BLEU, CHRF, MEAN, Cell, statistics

ALPHA = 0.05
VALUES = 3_000_000  # statistics simulated at a time
ALL = [Cell(*design) for design in itertools.product(
    (7, 13, 30, 50), (True, False), (0.0, 0.05, 0.1, 0.2), (MEAN, CHRF, BLEU))]
# On every push: few unequal documents, the correlations at the ends.
SOME = [cell for cell in ALL if cell.documents <= 13 and not cell.equal and cell.icc in (0, 0.2)
        and cell.metric is not BLEU]


def band(rate, sets, cells):
    """Within which all of so many observed rates lie with a probability of 99 %."""
    tail = 0.01 / 2 / cells
    low, high = stats.binom.ppf([tail, 1 - tail], sets, rate) / sets
    return low, high


def intervals(cell: Cell, sets: int, gap: float):
    """Intervals (sets, 2) by the headline's method; the difference of all sets as one corpus."""
    rng, sizes, found = cell.generator(f"gap {gap}"), cell.sizes(), []
    documents = np.repeat(np.arange(len(sizes)), sizes)
    chunk = max(1, VALUES // (2 * sizes.sum() * (24 if cell.metric is CHRF else 12)))
    total = 0.0
    for start in range(0, sets, chunk):
        many = min(chunk, sets - start)  # each in the place of a direction
        table = statistics(rng, cell, many, gap)
        total = total + table.sum((1, 2))
        difference = estimates.minus(estimates.scored(cell.metric, table, documents), 0, 1)
        counts = np.tile(sizes.astype(float), (many, 1))
        found += [estimates.estimate(difference, counts, [n]).interval(ALPHA)
                  for n in range(many)]
    level = cell.metric.score(total)
    return np.array(found), level[0] - level[1]


def missed(cell: Cell, sets: int, gap: float):
    """Shares of intervals that lie above and below the truth; it is 0 without a gap."""
    found, truth = intervals(cell, sets, gap)
    truth = truth if gap else 0.0
    return np.mean(found[:, 0] > truth), np.mean(found[:, 1] < truth)


def few_unequal(cell: Cell) -> bool:
    return not cell.equal and clusters.effective(cell.sizes()) < clusters.FEW


def check(cells, sets, gap=0.0):
    for cell in cells:
        low, high = band(ALPHA, sets, len(cells))
        if few_unequal(cell):
            low = band(0.03, sets, len(cells))[0]
        above, below = missed(cell, sets, gap)
        print(f"{cell.name}, worth {clusters.effective(cell.sizes()):.1f}, gap {gap:g}: "
              f"missed {100 * (above + below):.1f} %", flush=True)
        assert low <= above + below <= high, cell.name
        # One-sided claims: no worse than the lower end, which is at half of alpha.
        assert above <= band(ALPHA / 2, sets, len(cells))[1], cell.name


def test_documents_hold_their_level():
    check(SOME, 1000)


def test_document_intervals_cover_a_true_difference():
    check([cell for cell in SOME if cell.metric is CHRF], 500, gap=0.1)


@pytest.mark.long
def test_documents_hold_their_level_in_every_cell():
    check(ALL, 2000)


@pytest.mark.long
def test_document_intervals_cover_in_every_cell():
    check([cell for cell in ALL if cell.metric is not MEAN], 1000, gap=0.1)


def test_sentences_as_units_would_not():
    """What the documents protect from: 13 of them, correlation 0.2."""
    cell = Cell(13, False, 0.2, MEAN)
    table = statistics(cell.generator("sentences"), cell, 500)[..., 0]
    p = stats.ttest_1samp(table[0] - table[1], 0, axis=1).pvalue
    assert np.mean(p <= ALPHA) > 0.2


# ---- what stands beside: sentences that are independent -----------------------------------------

INDEPENDENT = 100
each_metric = pytest.mark.parametrize("metric", [
    pytest.param(CHRF, id=CHRF.label), pytest.param(BLEU, id=BLEU.label, marks=pytest.mark.long)])


def alone(metric: Metric) -> Cell:
    return Cell(INDEPENDENT // 10, True, 0.0, metric)


def one_by_one(metric, sets, gap):
    cell = alone(metric)
    tables = statistics(cell.generator(f"sentences, gap {gap}"), cell, sets, gap)
    level = metric.score(tables.sum((1, 2)))
    return tables, level[0] - level[1]


def swapped(data, metric, seed, by_document):
    return compare.randomisation_p(data, metric, [Group(INTO, [0])], (0, 1), SETTINGS | {
        "seed": seed, "ar_trials": 199}, by_document)[INTO]


@each_metric
def test_swaps_of_sentences_hold_their_level(metric):
    sets = 1000
    tables, _ = one_by_one(metric, sets, 0.0)
    rejected = np.mean([swapped(corpus({metric.name: tables[:, n:n + 1]}, range(INDEPENDENT),
                                       metrics=[metric]), metric, n, False) <= ALPHA
                        for n in range(sets)])
    low, high = band(ALPHA, sets, 2)
    assert low <= rejected <= high


@each_metric
def test_bootstrap_intervals_of_sentences_cover(metric):
    sets, missed_by = 500, 0
    tables, truth = one_by_one(metric, sets, 0.1)
    for n in range(sets):
        data = corpus({metric.name: tables[:, n:n + 1]}, range(INDEPENDENT), metrics=[metric])
        draws = compare.bootstrap(data, metric, [Group(INTO, [0])],
                                  SETTINGS | {"seed": n, "resamples": 400})[INTO]
        low, high = compare.resampling.percentile_interval(draws[:, 0] - draws[:, 1],
                                                           INDEPENDENT, ALPHA)
        missed_by += not low <= truth <= high
    low, high = band(ALPHA, sets, 2)
    assert low <= missed_by / sets <= high


@pytest.mark.long
@pytest.mark.parametrize("cell", [cell for cell in ALL if cell.metric is CHRF and not cell.equal
                                  and cell.icc in (0, 0.2)], ids=lambda cell: cell.name)
def test_swaps_of_documents_hold_their_level(cell):
    sets, sizes = 1000, cell.sizes()
    tables = statistics(cell.generator("swaps"), cell, sets)
    documents = np.repeat(np.arange(len(sizes)), sizes)
    rejected = np.mean([swapped(corpus({CHRF.name: tables[:, n:n + 1]}, documents,
                                       metrics=[CHRF]), CHRF, n, True) <= ALPHA
                        for n in range(sets)])
    low, high = band(ALPHA, sets, 8)
    assert low <= rejected <= high


if __name__ == "__main__":
    check(ALL, 2000)
    check([cell for cell in ALL if cell.metric is not MEAN], 1000, gap=0.1)
