"""Item rows of reasoning tasks, invented and in memory: for the statistics alone."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from stages.rows.pairing import Results
from stages.statistics.reasoning.tasks import RULES
from tests.rows.result_files import SETTINGS as PLAIN

Row = dict[str, Any]
SETTINGS = PLAIN | {"simulations": 200, "losses_pp": [0, 1, 2, 3], "margin_logprob": 0.05}


def items(task: str, scores: Any, clusters: Iterable[Any] | None = None) -> list[Row]:
    """Rows of one task: ``scores`` (items,) or (items, samples)."""
    table = np.array(scores, dtype=float).reshape(len(scores), -1)
    names = list(clusters) if clusters is not None else list(range(len(table)))
    return [{"task": task, "version": "1.0", "filter": "none", "metric": "acc", "doc_id": n,
             "doc_hash": f"{task} {n}", "cluster": str(names[n]), "sample": k,
             "score": float(score)} for (n, k), score in np.ndenumerate(table)]


def choices(task: str, loglik: Any, gold: Any, hits: Mapping[str, Any] | None = None,
            clusters: Iterable[Any] | None = None) -> list[Row]:
    """Rows of one multiple-choice task: ``loglik`` (items, choices), ``gold`` (items,), and which
    items each guess hits; a rule that is not named hits none."""
    loglik, gold = np.array(loglik, dtype=float), np.array(gold)
    rows = items(task, loglik.argmax(1) == gold, clusters)
    for n, row in enumerate(rows):
        row |= {"loglik": loglik[n].tolist(), "chars": [1] * loglik.shape[1],
                "gold": int(gold[n]), "n_choices": loglik.shape[1],
                "guess": {rule: bool((hits or {}).get(rule, np.zeros(len(gold)))[n])
                          for rule in RULES}}
    return rows


def results(system: str, *tasks: list[Row], **meta: Row) -> Results:
    """One system's answers; ``meta``: by task, what differs from a task that carries."""
    rows = {(row["task"], row["version"], row["filter"], row["doc_id"], row["sample"]): row
            for mine in tasks for row in mine}
    about = {mine[0]["task"]: {"chance": 0.25, "multilingual": False, "carries": True}
             | meta.get(mine[0]["task"], {}) for mine in tasks}
    return Results(system, Path("x"), {"tasks": about}, dict(sorted(rows.items())))


def pair(*tasks: tuple[list[Row], list[Row]], **meta: Row) -> tuple[Results, Results]:
    """The system's and the baseline's answers; each task as (system, baseline)."""
    return (results("xplus", *(mine for mine, _ in tasks), **meta),
            results("base", *(theirs for _, theirs in tasks), **meta))


def binary(task: str, gained: int, lost: int, both: int, neither: int,
           ) -> tuple[list[Row], list[Row]]:
    """A task of right-or-wrong items with these counts, as (system, baseline)."""
    mine = [1] * gained + [0] * lost + [1] * both + [0] * neither
    theirs = [0] * gained + [1] * lost + [1] * both + [0] * neither
    return items(task, mine), items(task, theirs)
