"""Before any tuned system is scored: which tasks can show harm, and what a margin is worth.

in   the baseline's item rows of the screening part, which is never tested: chosen on the tested
     items the baseline would regress to the mean, which looks like harm
out  which tasks pass, the margin of the log-probability endpoint, the power of both endpoints
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import optimize, stats
from scipy.special import log_softmax

from ...rows import seeded
from ..resampling import Array
from .tasks import Row, above_p, best_guess, by_item, clustered

DRAWS = 50  # simulated systems by which the spread of a tuned one is foreseen


class Screened(NamedTuple):
    """One task on its screening items; accuracy and best guess in percent, p one-sided."""

    task: str
    n: int
    accuracy: float
    guess: str
    guess_rate: float
    p: float | None
    passes: bool


def usual_answer(rows: Sequence[Row]) -> tuple[str, dict[Any, float]]:
    """The guess where there are no choices: the answer that is right most often, if not once."""
    golds = {row["doc_id"]: row["target_hash"] for row in rows}
    answer, count = Counter(golds.values()).most_common(1)[0]
    return "frequent", {item: float(gold == answer and count > 1) for item, gold in golds.items()}


def screen(rows: Mapping[str, Sequence[Row]], alpha: float = 0.05) -> list[Screened]:
    """Is the baseline above the best guess that ignores the question (one-sided, alpha / 2)?

    ``rows``: item rows by task. The best guess is the best of five on these items, which is hard
    on the baseline.
    """
    found = []
    for task, mine in sorted(rows.items()):
        guess, hits = best_guess(mine) or usual_answer(mine)
        scores = clustered(mine, [by_item(mine, lambda row: row["score"]), hits])
        exact = len(scores.sizes) == len(scores.items) and bool(
            np.isin(scores.items, (0, 1)).all())
        p = above_p(scores, 0, 1, exact)
        accuracy, rate = 100 * scores.items.mean(0)
        found.append(Screened(task, len(scores.items), float(accuracy), guess, float(rate), p,
                              p is not None and p <= alpha / 2))
    return found


class Items(NamedTuple):
    """Items of a task that share their number of choices: log-likelihoods (items, choices), what
    divides them in the task's metric (items, choices), gold (items,)."""

    loglik: Array
    divisor: Array
    gold: Array


def grouped(rows: Sequence[Row]) -> list[Items]:
    """A task's items as arrays, by number of choices; nothing if they have none."""
    found = []
    for count in sorted({row["n_choices"] for row in rows if "n_choices" in row}):
        mine = [row for row in rows if row["n_choices"] == count]
        loglik = np.array([row["loglik"] for row in mine])
        divisor = np.array([row["chars"] for row in mine], dtype=float) \
            if mine[0]["metric"] == "acc_norm" else np.ones_like(loglik)
        found.append(Items(loglik, divisor, np.array([row["gold"] for row in mine])))
    return found


def lead(items: Items, loglik: Array) -> Array:
    """How far the right choice's log-likelihood may fall before another choice wins, in nats.

    ``loglik`` (..., items, choices); positive where the item is solved.
    """
    place = np.arange(len(items.gold))
    score = loglik / items.divisor
    gold = score[..., place, items.gold].copy()
    score[..., place, items.gold] = -np.inf
    return (gold - score.max(-1)) * items.divisor[place, items.gold]


def gold_logprob(items: Items, loglik: Array) -> Array:
    """log P(right choice) among the choices, (..., items)."""
    return log_softmax(loglik, axis=-1)[..., np.arange(len(items.gold)), items.gold]


def margin_logprob(rows: Mapping[str, Sequence[Row]], points: float) -> float:
    """What ``points`` of accuracy are worth in the gold log-probability, in nats.

    The log-likelihood of every right choice is lowered by the same amount until the mean accuracy
    over tasks has fallen by ``points``; returned is the fall of the mean gold log-probability at
    that amount. ``rows``: screening items of the tasks that passed; those without choices have no
    such probability and are left out.
    """
    tasks = [kept for mine in rows.values() if (kept := grouped(mine))]
    leads = [np.concatenate([lead(items, items.loglik) for items in task]) for task in tasks]
    solved = np.concatenate([values[values > 0] for values in leads])
    weight = np.concatenate([np.full((values > 0).sum(), 1 / len(values) / len(tasks))
                             for values in leads])
    order = np.argsort(solved)
    fallen = np.cumsum(weight[order])
    if not len(fallen) or fallen[-1] < points / 100 - 1e-12:
        raise ValueError(f"the baseline solves less than {points} points: nothing to lose")
    shift = float(solved[order][np.searchsorted(fallen, points / 100 - 1e-12)])
    falls = []
    for task in tasks:
        values = []
        for items in task:
            lowered = items.loglik.copy()
            lowered[np.arange(len(items.gold)), items.gold] -= shift
            values.append(gold_logprob(items, items.loglik) - gold_logprob(items, lowered))
        falls.append(np.concatenate(values).mean())
    return float(np.mean(falls))


class Spread(NamedTuple):
    """Of a system that differs from the baseline by noise alone, by task: share of items that
    change sides, standard deviation of an item's difference in gold log-probability (nats), and
    what the noise costs in accuracy (share) and in mean log-probability (nats)."""

    discordant: Array
    logprob: Array
    cost: tuple[Array, Array]


def spread(tasks: Sequence[Sequence[Items]], noise: float, seed: int) -> Spread:
    """Normal noise of standard deviation ``noise`` (nats) on every choice's log-likelihood."""
    changed, deviation, costs = [], [], []
    for number, task in enumerate(tasks):
        rng = seeded.generator(seed, "screening", str(number))
        sides, moves = [], []
        for items in task:
            drawn = items.loglik + noise * rng.standard_normal((DRAWS, *items.loglik.shape))
            sides.append((lead(items, drawn) > 0) * 1.0 - (lead(items, items.loglik) > 0))
            moves.append(gold_logprob(items, drawn) - gold_logprob(items, items.loglik))
        side, move = (np.concatenate(values, axis=1) for values in (sides, moves))
        changed.append(np.abs(side).mean())
        deviation.append(move.std())
        costs.append((-side.mean(), -move.mean()))
    accuracy, nats = np.array(costs).T
    return Spread(np.array(changed), np.array(deviation), (accuracy, nats))


class Power(NamedTuple):
    """An endpoint's standard error of the mean over tasks, its margin (shares or nats), and the
    probability that a loss of the margin is called worse, which is also that of "no loss beyond
    the margin" if nothing changed. ``cost``: what the noise by which the tuned system is foreseen
    would itself cost; random change is no neutral change, in either endpoint."""

    endpoint: str
    se: float
    margin: float
    power: float
    cost: float


def power_at_margin(rows: Mapping[str, Sequence[Row]], items: Mapping[str, int],
                    discordance: float, points: float, nats: float, seed: int,
                    alpha: float = 0.05) -> list[Power]:
    """The power of both endpoints before the run, with ``items`` tested items of each task.

    The tuned system is foreseen as the baseline with noise on every log-likelihood, as strong as
    makes the share ``discordance`` of the screening items change sides (mean over tasks); the
    same noise says how much the log-probability scatters. Tasks without choices count in accuracy
    alone, with ``discordance`` as it stands. Normal approximation.
    """
    by_name = {name: kept for name, mine in rows.items() if (kept := grouped(mine))}
    tasks = list(by_name.values())
    counts = np.array([items[name] for name in by_name], dtype=float)
    others = discordance * sum(1 / items[name] for name in rows if name not in by_name)

    def excess(log_noise: float) -> float:
        return float(spread(tasks, np.exp(log_noise), seed).discordant.mean()) - discordance

    noise = np.exp(optimize.brentq(excess, np.log(1e-3), np.log(1e3), xtol=1e-3))
    found = spread(tasks, noise, seed)
    rows_found = []
    for endpoint, variance, more, number, margin, cost in (
            ("accuracy", found.discordant, others, len(rows), points / 100, found.cost[0]),
            ("log-probability", found.logprob**2, 0, len(tasks), nats, found.cost[1])):
        se = float(np.sqrt((variance / counts).sum() + more) / number)
        rows_found.append(Power(endpoint, se, margin, float(
            stats.norm.cdf(margin / se - stats.norm.isf(alpha / 2))), float(cost.mean())))
    return rows_found
