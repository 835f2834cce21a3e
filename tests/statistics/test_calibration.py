"""Are the p-values and intervals true? 2,000 simulated comparisons of known truth each.

The functions under test are those that fill the tables; data come from models whose difference is
known. Demanded is that a test that decides a verdict rejects 4 to 6 % of true null hypotheses at
5 % (the exact test may stay below), and that 95 % intervals cover 93.5 to 96.5 %.
"""

from pathlib import Path

import numpy as np
import pytest

from stages.rows import lexical
from stages.rows.pairing import Results
from stages.rows.segments import FLAGS, Corpus, Metric
from stages.statistics import closed_forms
from stages.statistics.reasoning import compare as answers
from stages.statistics.translation import compare as translations
from stages.statistics.translation.compare import Group
from tests.rows.result_files import SETTINGS

SETS = 2000
META = {"tasks": {name: {"chance": 0.25, "multilingual": False}
                  for name in ("binary", "clustered", "graded", "large")}}


def results(system, scores):
    """``scores``: {task: (items, samples) array, or (questions, translations) if clustered}."""
    rows = {}
    for task, table in scores.items():
        for (n, k), score in np.ndenumerate(table):
            # Clustered: every column is an item of its own that shares the question n.
            item, sample = (n * 100 + k, 0) if task == "clustered" else (n, k)
            rows[task, "1", "none", item, sample] = {
                "task": task, "version": "1", "filter": "none", "metric": "acc", "doc_id": item,
                "doc_hash": str(item), "cluster": n, "sample": sample, "score": float(score)}
    return Results(system, Path("x"), META, dict(sorted(rows.items())))


def discordant(rng, items, rate, shift):
    """Right or wrong, for two systems whose items differ with probability ``rate``.

    The expected difference is ``shift`` (system minus baseline), exactly.
    """
    u, agreed = rng.random(items), rng.random(items) < 0.6
    up, down = (rate + shift) / 2, (rate - shift) / 2
    gained, lost = u < up, (u >= up) & (u < up + down)
    return np.where(gained, 1, np.where(lost, 0, agreed))[:, None], \
        np.where(lost, 1, np.where(gained, 0, agreed))[:, None]


def questions(rng, count, copies, shift):
    """Translations or samples share how hard their question is, for both systems and for each."""
    p = rng.beta(2, 2, (count, 1)) * (1 - abs(shift)) + max(0, -shift)
    talent = rng.choice([-0.8, 0.8], (count, 2)) * np.minimum(p, 1 - p)
    return tuple(rng.random((count, copies)) < np.clip(p + moved + talent[:, [side]], 0, 1)
                 for side, moved in ((0, shift), (1, 0)))


@pytest.fixture(scope="module")
def nulls():
    """Task rows and aggregate rows of SETS comparisons of equal systems."""
    rng, found = np.random.default_rng(11), []
    for n in range(SETS):
        sides = {"binary": discordant(rng, 200, 0.3, 0), "clustered": questions(rng, 40, 11, 0),
                 "graded": questions(rng, 60, 4, 0)}
        a, b = (results(name, {task: both[side] for task, both in sides.items()})
                for side, name in enumerate(("xplus", "base")))
        settings = SETTINGS | {"seed": n}
        tasks = answers.compare_tasks(a, b, settings)
        found.append(({task.name: task.row for task in tasks},
                      answers.aggregate(tasks, settings)))
    return found


def share(hits):
    hits = list(hits)
    assert len(hits) == SETS
    return sum(hits) / SETS


def covers(interval, truth=0.0):
    return interval[0] - 1e-9 <= truth <= interval[1] + 1e-9


@pytest.mark.parametrize("task", ["clustered", "graded"])
def test_sign_flips_hold_their_level(nulls, task):
    assert all(tasks[task]["test"] == "sign flips" for tasks, _ in nulls)
    assert 0.04 <= share(tasks[task]["p"] <= 0.05 for tasks, _ in nulls) <= 0.06


def test_exact_mcnemar_never_exceeds_its_level_and_says_by_how_much_it_stays_below(nulls):
    size = share(tasks["binary"]["p"] <= 0.05 for tasks, _ in nulls)
    stated = np.mean([tasks["binary"]["size"] for tasks, _ in nulls])
    print(f"exact McNemar, 200 items, 30 % discordant: size {size:.3f}, stated {stated:.3f}")
    assert size <= 0.06
    assert size == pytest.approx(stated, abs=0.01)


def test_mean_over_tasks_holds_its_level(nulls):
    for row, name in enumerate(("macro mean (primary)", "interquartile mean", "pooled items")):
        assert all(whole[row]["aggregate"] == name for _, whole in nulls)
        assert 0.04 <= share(whole[row]["p"] <= 0.05 for _, whole in nulls) <= 0.06, name


def test_intervals_cover(nulls):
    for task in ("binary", "clustered", "graded"):
        assert 0.935 <= share(covers(tasks[task]["ci"]) for tasks, _ in nulls) <= 0.965, task
    for row in (0, 2):
        assert 0.935 <= share(covers(whole[row]["ci"]) for _, whole in nulls) <= 0.965, row


def test_holm_keeps_the_family_error(nulls):
    assert share(min(row["p_holm"] for row in tasks.values()) <= 0.05 for tasks, _ in nulls) <= 0.06


def test_ignoring_clusters_would_reject_far_too_often(nulls):
    """What the clusters protect from: McNemar on eleven translations of each question."""
    naive = share(closed_forms.mcnemar_p(tasks["clustered"]["b"], tasks["clustered"]["c"]) <= 0.05
                  for tasks, _ in nulls)
    assert naive > 0.2


def test_no_loss_beyond_the_margin_is_claimed_at_the_margin():
    """True loss = margin: 2 points of the mean, 3 points of each task."""
    rng, passed = np.random.default_rng(12), {"macro": 0, "tost": 0, "binary": 0, "graded": 0}
    for n in range(SETS):
        for shift in (-0.02, -0.03):
            sides = {"binary": discordant(rng, 200, 0.3, shift),
                     "graded": questions(rng, 60, 4, shift)}
            a, b = (results(name, {task: both[side] for task, both in sides.items()})
                    for side, name in enumerate(("xplus", "base")))
            settings = SETTINGS | {"seed": n, "resamples": 20, "ar_trials": 19}
            tasks = answers.compare_tasks(a, b, settings)
            if shift == -0.02:
                macro = answers.aggregate(tasks, settings)[0]
                passed["macro"] += macro["p_ni"] <= 0.05
                passed["tost"] += macro["p_tost"] <= 0.05
            else:
                for task in tasks:
                    passed[task.name] += task.row["p_ni"] <= 0.05
    assert max(passed.values()) / SETS <= 0.059, passed
    assert min(passed["macro"], passed["graded"]) / SETS >= 0.035, passed


@pytest.mark.long
def test_a_planted_loss_of_three_points_is_flagged_among_level_tasks():
    rng, flagged = np.random.default_rng(13), 0
    for _ in range(SETS):
        pairs = [discordant(rng, 1000, 0.12, 0) for _ in range(14)]
        pairs.append(discordant(rng, 4000, 0.12, -0.03))
        p = [closed_forms.mcnemar_p(int((a > b).sum()), int((a < b).sum())) for a, b in pairs]
        flagged += closed_forms.holm(p)[-1] <= 0.05
    assert flagged / SETS >= 0.8


# ---- corpus metrics -----------------------------------------------------------------------------

CHRF = Metric("chrf++", "chrF++", "", lexical.chrf)
BLEU = Metric("spbleu", "spBLEU", "", lexical.bleu)
UNITS = 100
# One metric on every push, both every week: what is resampled is the same.
each_metric = pytest.mark.parametrize("metric", [
    pytest.param(CHRF, id=CHRF.label), pytest.param(BLEU, id=BLEU.label, marks=pytest.mark.long)])


def population(seed, gap, size=2000):
    """Segment statistics of two systems, (2, size, columns) for chrF++ and BLEU.

    Sentences differ in length and difficulty, which the systems share; the second system matches
    a share ``gap`` less of what the first does.
    """
    rng = np.random.default_rng(seed)
    length = rng.integers(4, 30, size)
    found = {}
    for metric, orders, longest in ((CHRF, 8, 6), (BLEU, 4, 4)):
        table = np.zeros((2, size, 3 * orders))
        easy = rng.beta(4, 3, size)
        for side in range(2):
            rate = np.clip(easy * (1 - gap * side) + rng.normal(0, 0.12, size), 0, 1)
            output = np.maximum(1, length + rng.integers(-3, 4, size))
            for order in range(orders):
                step = order if order < longest else order - longest
                scale = 5 if metric is CHRF and order < longest else 1
                mine, theirs = (np.maximum(0, scale * words - step) for words in (output, length))
                match = rng.binomial(np.minimum(mine, theirs), rate ** (1 + 0.5 * step))
                table[side, :, 3 * order:3 * order + 3] = np.stack([mine, theirs, match], axis=1)
        found[metric.name] = table
    return found


def corpus(tables):
    """A Corpus of one direction out of (2, units, columns) statistics by metric."""
    ids = [str(n) for n in range(UNITS)]
    return Corpus(["xplus", "base"], ["swh_Latn-eng_Latn"], ids, np.arange(UNITS),
                  np.ones((1, UNITS)), [CHRF, BLEU],
                  {name: table[:, None] for name, table in tables.items()}, {},
                  {flag: np.zeros((2, 1)) for flag in FLAGS})


def compared(tables, metric, settings):
    data, rows = corpus(tables), [Group("swh_Latn-eng_Latn", [0])]
    draws = translations.bootstrap(data, metric, rows, settings)
    [row] = translations.compare(data, metric, rows, "xplus", "base", settings, draws, {})
    return row


@each_metric
def test_randomisation_holds_its_level(metric):
    """Equal systems: each sentence's two outputs are handed out by a fair coin."""
    everyone, rng = population(1, 0.1)[metric.name], np.random.default_rng(21)
    rejected = 0
    for n in range(SETS):
        table = everyone[:, rng.integers(0, everyone.shape[1], UNITS)]
        coin = rng.random(UNITS) < 0.5
        table = np.where(coin[None, :, None], table, table[::-1])
        row = compared({metric.name: table}, metric,
                       SETTINGS | {"seed": n, "resamples": 20, "ar_trials": 499})
        rejected += row["p"] <= 0.05
    assert 0.04 <= rejected / SETS <= 0.06


@each_metric
def test_corpus_intervals_cover_and_the_margin_is_kept(metric):
    """Samples of a population whose two corpus scores are known."""
    everyone, rng = population(2, 0.05)[metric.name], np.random.default_rng(22)
    better, worse = metric.score(everyone.sum(1))
    covered = passed = 0
    for n in range(SETS):
        table = everyone[::-1, rng.integers(0, everyone.shape[1], UNITS)]
        row = compared({metric.name: table}, metric, SETTINGS | {
            "seed": n, "resamples": 500, "ar_trials": 1,
            "equivalence": {metric.name: float(better - worse)}})
        covered += covers(row["ci"], worse - better)
        passed += row["p_ni"] <= 0.05
    assert 0.935 <= covered / SETS <= 0.965
    assert passed / SETS <= 0.059
