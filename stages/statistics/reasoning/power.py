"""How likely each verdict was: simulated at the run's own items, for losses of known size.

A verdict says little unless one knows how often it would have come up if nothing had changed, and
if something had. Every simulated set has the items, tasks and clusters of the run and loses the
same in each task that carries the verdict; the decision is that of the tables (``decision``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy import stats

from ...rows import seeded
from .. import closed_forms, resampling
from ..resampling import Array
from . import decision
from .logprob import Endpoint
from .tasks import Row, Scores, Settings, Task

VERDICTS = ("better", "worse", "equivalent", "maintained", "inconclusive")
ACCURACY, LOGPROB = "accuracy", "log-probability"
Sets = tuple[Array, Array, Array]  # difference, standard error, degrees of freedom, (sets,) each
Simulator = Callable[[float], Sets]  # sets of one task that loses so much


def counted_sets(gained: int, lost: int, items: int, loss: float, sets: int,
                 rng: np.random.Generator) -> Sets:
    """Independent right-or-wrong items, as ``closed_forms.sparse_mean``.

    The share of items that change sides is the observed one, or the loss where that is larger;
    the loss decides how many of them are lost.
    """
    changed = max((gained + lost) / items, loss)
    up, down = (changed - loss) / 2, (changed + loss) / 2
    won, gone, _ = rng.multinomial(items, [up, down, max(0.0, 1 - up - down)], size=sets).T
    total = items + 2
    delta = (won - gone) / total
    se = np.sqrt(((won + gone + 1) / total - delta**2) / (total - 1))
    return delta, se, np.full(sets, items - 1.0)


def drawn_sets(scores: Scores, sets: int, rng: np.random.Generator) -> Sets:
    """Any other values, as ``Scores.difference``: clusters drawn from the observed ones, the
    observed difference taken out. A loss shifts the differences and leaves the errors."""
    size, total = scores.sizes, scores.totals[:, 0] - scores.totals[:, 1]
    total = total - total.sum() / size.sum() * size
    groups = len(size)

    def statistic(weights: Array) -> Array:
        moved, items = weights @ total, weights @ size
        # Of a cluster that was drawn at least one other is left; the rest have no weight.
        rest = np.maximum(items[:, None] - size, size.min())
        left_out = (moved[:, None] - total) / rest
        spread = left_out - (weights * left_out).sum(1, keepdims=True) / groups
        square = (groups - 1) / groups * (weights * spread**2).sum(1)
        return np.stack([moved / items, np.sqrt(square), items**2 / (weights @ size**2) - 1], 1)

    delta, se, df = resampling.collect(
        resampling.bootstrap_weights(groups, sets, rng), statistic).T
    return delta, se, df


def of_accuracy(task: Task, settings: Settings) -> Simulator:
    """Sets of one task, in shares."""
    name, count, row = ("power", ACCURACY, task.name), settings["simulations"], task.row
    if task.exact:
        return lambda loss: counted_sets(row["b"], row["c"], row["n"], loss, count,
                                         seeded.generator(settings["seed"], *name))
    return shifted(drawn_sets(task.scores, count, seeded.generator(settings["seed"], *name)))


def of_logprob(one: Endpoint, settings: Settings) -> Simulator:
    """Sets of one task, in nats."""
    return shifted(drawn_sets(one.scores, settings["simulations"], seeded.generator(
        settings["seed"], "power", LOGPROB, one.task)))


def shifted(sets: Sets) -> Simulator:
    delta, se, df = sets
    return lambda loss: (delta - loss, se, df)


def means(simulators: Sequence[Simulator], loss: float) -> Sets:
    """The mean over tasks in each set that loses ``loss`` in each task."""
    delta, se, df = (np.stack(values, axis=1) for values in zip(
        *(simulate(loss) for simulate in simulators), strict=True))
    return decision.even_many(delta, se, df)


def found_at(delta: Array, se: Array, df: Array, alpha: float) -> float:
    """The smallest loss that is called "worse" with 80 % power.

    From sets in which nothing changed: a loss of x shifts them by -x, and is found where
    (delta - x) / se <= -t.
    """
    return float(np.quantile(delta + stats.t.isf(alpha / 2, df) * se, closed_forms.POWER))


def rows_of(endpoint: str, simulators: Sequence[Simulator], margin: float, unit: float,
            settings: Settings) -> list[Row]:
    """A row per loss of ``losses_pp``: the share of each verdict in percent.

    ``unit``: what one point of accuracy is worth in the endpoint's unit.
    """
    alpha, found = settings["alpha"], []
    nothing = found_at(*means(simulators, 0.0), alpha)
    for loss_pp in settings["losses_pp"]:
        words = decision.verdicts(*means(simulators, loss_pp * unit), margin, alpha)
        found.append({"endpoint": endpoint, "loss_pp": loss_pp,
                      "loss_nats": loss_pp * unit if endpoint == LOGPROB else None,
                      **{word: 100 * float((words == word).mean()) for word in VERDICTS},
                      "found_pp": nothing / unit})
    return found


def simulate(tasks: Sequence[Task], endpoints: Sequence[Endpoint], settings: Settings,
             ) -> list[Row]:
    """Probabilities of each verdict of the mean over tasks, by endpoint and true loss.

    An endpoint without a verdict of its own (no task carries, one cluster only, nothing differs,
    no margin) has no rows.
    """
    margin_pp, nats = settings["margin_macro_pp"], settings.get("margin_logprob")
    rows: list[Row] = []
    carried = [task for task in tasks if task.carries]
    if carried and all(task.part[2] for task in carried) and any(
            task.part[1] for task in carried):
        rows += rows_of(ACCURACY, [of_accuracy(task, settings) for task in carried],
                        margin_pp / 100, 1 / 100, settings)
    found = [one for one in endpoints if one.carries]
    parts = [one.scores.difference() for one in found]
    if nats and found and all(part[2] for part in parts) and any(part[1] for part in parts):
        rows += rows_of(LOGPROB, [of_logprob(one, settings) for one in found], nats,
                        nats / margin_pp, settings)
    return rows
