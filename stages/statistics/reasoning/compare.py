"""Compare two systems on reasoning items: the tables, the headline and the margin curve.

in   paired results (see ``pairing``) and the significance settings
"""

from __future__ import annotations

from typing import NamedTuple

from ...rows.pairing import Results
from ..tables import Table
from . import logprob, notes, power, tables
from .aggregate import aggregate, margin_curve
from .tasks import Row, Settings, compare_tasks

SHORT = ("tasks", "baseline", "system", "delta", "ci", "bound_pp", "bound", "p", "p_holm", "p_ni",
         "mde", "turns", "verdict")


class Compared(NamedTuple):
    """Tables in printing order, what the headline repeats, non-inferiority by margin."""

    tables: list[Table]
    headline: Row
    curve: Row


def short(row: Row) -> Row:
    """The part of a row that the headline repeats."""
    return {key: row[key] for key in SHORT if key in row}


def compare(system: Results, baseline: Results, settings: Settings) -> Compared:
    """Everything that is said about one contrast. The results have to be paired already."""
    names, alpha = (system.system, baseline.system), settings["alpha"]
    tasks = compare_tasks(system, baseline, settings)
    whole = aggregate(tasks, settings)
    endpoints = logprob.endpoints(system, baseline)
    nats = logprob.compare(endpoints, settings) if endpoints else []
    chances = power.simulate(tasks, endpoints, settings)
    found = [tables.reasoning([task.row for task in tasks], *names, alpha,
                              notes.of_tasks(tasks, settings)),
             tables.aggregate(whole, *names, alpha, notes.of_aggregate(tasks, whole, settings))]
    if chances:
        found.append(tables.power(chances, *names, notes.of_power(chances, settings)))
    if nats:
        found.append(tables.logprob(nats, *names, alpha,
                                    notes.of_logprob(nats, tasks, settings)))
    headline = {
        "macro": short(whole[0]), "sampled": short(whole[1]) if len(whole) > 1 else None,
        "logprob": short(nats[0]) if nats and nats[0]["p"] is not None else None,
        "tasks": {task.row["task"]: short(task.row) for task in tasks},
        "harmed": sum(task.row["verdict"] == "worse" for task in tasks), "power": chances,
        "caveats": notes.caveats(tasks, whole, nats, settings)}
    return Compared(found, headline, {
        "system": names[0], "baseline": names[1], **margin_curve(tasks, settings)})
