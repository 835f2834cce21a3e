"""Which tasks pass, what the margin is worth, and what power to expect."""

import numpy as np
import pytest
import scipy.stats

from stages.statistics.reasoning import logprob, screening
from tests.statistics.reasoning.invented import choices


def task(name, items, lead, seed, metric="acc", counts=(4,)):
    """A baseline whose right choice leads by ``lead`` nats on average."""
    rng, rows = np.random.default_rng(seed), []
    for number, count in enumerate(counts):
        loglik = rng.normal(-30, 3, (items, count))
        gold = rng.integers(0, count, items)
        loglik[np.arange(items), gold] += lead
        mine = choices(name, loglik, gold, {"last": rng.random(items) < 0.35})
        for n, row in enumerate(mine):
            row["doc_id"] = row["cluster"] = number * items + n
            row["metric"] = metric
            row["chars"] = rng.integers(5, 40, count).tolist()
            row["score"] = float(answer(row, 0) == row["gold"])
        rows += mine
    return rows


def answer(row, fall):
    """The choice that wins when the right one is ``fall`` nats less likely, as lm-eval picks."""
    loglik = np.array(row["loglik"])
    loglik[row["gold"]] -= fall
    return int(np.argmax(loglik / row["chars"] if row["metric"] == "acc_norm" else loglik))


def test_a_task_passes_where_the_baseline_beats_the_best_guess():
    good, poor = screening.screen({"good": task("good", 150, 3, 1),
                                   "poor": task("poor", 150, 0, 2)})
    assert (good.passes, poor.passes) == (True, False)
    assert good.guess == "last"
    assert good.n == 150
    assert good.accuracy > good.guess_rate > 25


def test_the_p_of_a_pass_is_exact_and_one_sided():
    rows = task("a", 100, 1.2, 3)
    [found] = screening.screen({"a": rows})
    right = np.array([row["score"] for row in rows])
    guess = np.array([row["guess"][found.guess] for row in rows])
    won, lost = int((right > guess).sum()), int((right < guess).sum())
    assert found.p == pytest.approx(
        scipy.stats.binomtest(won, won + lost, alternative="greater").pvalue)
    assert found.passes == (found.p <= 0.025)


@pytest.mark.parametrize(("won", "lost", "passes"), [(10, 2, True), (9, 3, False)])
def test_a_task_passes_at_2_5_percent(won, lost, passes):
    """P(X >= 10 of 12) = 0.019, P(X >= 9 of 12) = 0.073."""
    solved = np.arange(won + lost) < won
    rows = choices("a", np.where(solved[:, None], [0, -1.0], [-1.0, 0]), [0] * len(solved),
                   {"longest": ~solved})
    assert screening.screen({"a": rows})[0].passes is passes


def open_task(right, golds):
    """Items without choices: solved or not, and what the answers are."""
    return [{"task": "open", "doc_id": n, "cluster": str(n), "metric": "acc", "score": float(hit),
             "target_hash": gold} for n, (hit, gold) in enumerate(zip(right, golds, strict=True))]


def test_without_choices_the_guess_is_the_most_usual_answer():
    golds = ["yes"] * 6 + [f"{n}" for n in range(94)]
    [found] = screening.screen({"open": open_task([n >= 60 for n in range(100)], golds)})
    assert (found.guess, found.guess_rate, found.accuracy) == ("frequent", 6, 40)
    assert found.passes
    [alone] = screening.screen({"open": open_task([0] * 9 + [1], range(10))})
    assert (alone.guess_rate, alone.passes) == (0, False)


def test_a_task_without_choices_counts_in_accuracy_alone():
    rows = {"a": task("a", 300, 2, 1)}
    both = rows | {"open": open_task([1, 0] * 50, range(100))}
    assert screening.margin_logprob(both, 2) == screening.margin_logprob(rows, 2)
    (accuracy, nats), (alone, alone_nats) = (
        screening.power_at_margin(mine, {"a": 400, "open": 200}, 0.1, 2, 0.1, 1)
        for mine in (both, rows))
    assert nats == alone_nats
    assert (2 * accuracy.se) ** 2 == pytest.approx(alone.se**2 + 0.1 / 200)


@pytest.mark.parametrize("metric", ["acc", "acc_norm"])
def test_the_margin_is_the_fall_that_goes_with_two_points(metric):
    rows = {"a": task("a", 150, 2, 5, metric), "b": task("b", 60, 3, 6, counts=(2, 5))}

    def accuracy(fall):
        return np.mean([np.mean([answer(row, fall) == row["gold"] for row in mine])
                        for mine in rows.values()])

    def nats(fall):
        return np.mean([np.mean([logprob.gold(row) - logprob.gold(
            row | {"loglik": [value - fall * (n == row["gold"])
                              for n, value in enumerate(row["loglik"])]})
            for row in mine]) for mine in rows.values()])

    low, high = 0.0, 5.0  # bisection for the smallest fall that costs two points
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if accuracy(0) - accuracy(middle) >= 0.02 - 1e-12 else (
            middle, high)
    assert screening.margin_logprob(rows, 2) == pytest.approx(nats(high), rel=1e-6)
    assert screening.margin_logprob(rows, 4) > screening.margin_logprob(rows, 2)


def test_there_has_to_be_something_to_lose():
    rows = task("a", 20, 0, 7)
    solved = [row for row in rows if answer(row, 0) != row["gold"]]
    with pytest.raises(ValueError, match="nothing to lose"):
        screening.margin_logprob({"a": solved}, 2)


@pytest.mark.parametrize("discordance", [0.1, 0.2])
def test_power_at_the_margin(discordance):
    rows = {"a": task("a", 120, 2, 8), "b": task("b", 120, 3, 9)}
    nats = screening.margin_logprob(rows, 2)
    accuracy, likely = screening.power_at_margin(
        rows, {"a": 400, "b": 900}, discordance, 2, nats, 1)
    # Close to the closed form with the same discordance in both tasks.
    se = np.sqrt(discordance / 400 + discordance / 900) / 2
    assert accuracy.se == pytest.approx(se, rel=0.1)
    assert accuracy.power == pytest.approx(scipy.stats.norm.cdf(0.02 / accuracy.se - 1.959964))
    assert likely.margin == nats
    more = screening.power_at_margin(rows, {"a": 1600, "b": 3600}, discordance, 2, nats, 1)
    assert more[0].se == pytest.approx(accuracy.se / 2)
    assert more[1].power > likely.power


def test_the_noise_makes_the_stated_share_change_sides():
    tasks = [screening.grouped(task("a", 300, 2, 10, counts=(3, 4)))]
    found = screening.spread(tasks, 1.0, 1)
    rng = np.random.default_rng(2)
    sides, moves = [], []
    for group in tasks[0]:
        for loglik, gold in zip(group.loglik, group.gold, strict=True):
            for _ in range(20):
                drawn = loglik + rng.normal(0, 1, len(loglik))
                sides.append((drawn.argmax() == gold) != (loglik.argmax() == gold))
                moves.append(logprob.gold({"loglik": drawn, "gold": gold})
                             - logprob.gold({"loglik": loglik, "gold": gold}))
    assert found.discordant[0] == pytest.approx(np.mean(sides), abs=0.02)
    assert found.logprob[0] == pytest.approx(np.std(moves), rel=0.05)
    assert found.cost[1][0] == pytest.approx(-np.mean(moves), abs=0.03)
    assert found.cost[0][0] > 0  # noise on a baseline that knows something is a loss
