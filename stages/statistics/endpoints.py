"""What was fixed before any result: one hash, to be committed before the systems are scored.

in   settings of the comparison; what identifies every item and segment
out  the hash, and whether a committed one equals it
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..common import hashes
from ..rows.results import Results

Row = dict[str, Any]
Keys = Mapping[str, Iterable[Sequence[str]]]
# Settings that the hash covers, as far as a run has them.
SETTINGS = ("contrasts", "confirm", "alpha", "margin_macro_pp", "margin_task_pp", "margin_logprob",
            "margin_curve_pp", "equivalence", "metrics", "primary_metric", "off_target_false_alarm",
            "fluency_share", "losses_pp", "seed", "resamples", "ar_trials", "simulations")
# Beside them: what the tasks are, and which items and segments, with the units they are drawn in.
FACTS = ("tasks: metric, and whether the task carries the verdict",
         "items by task: hash of question, hash of answer, cluster",
         "segments by direction: id, hash of source and reference, document")


def endpoints(settings: Row, tasks: Mapping[str, Row], items: Keys, segments: Keys) -> str:
    """SHA-256 of what is fixed beforehand: ``SETTINGS`` and ``FACTS``, whatever their order.

    ``tasks``: {task: {"metric", "carries"}}; ``items``: {task: [(doc_hash, target_hash, cluster)]};
    ``segments``: {direction: [(id, ref_hash, cluster)]}.
    """
    return hashes.of_json({
        "settings": {name: settings[name] for name in SETTINGS if name in settings},
        "tasks": {task: {name: about[name] for name in ("metric", "carries")}
                  for task, about in tasks.items()},
        "items": {task: sorted(map(list, keys)) for task, keys in items.items()},
        "segments": {direction: sorted(map(list, keys)) for direction, keys in segments.items()}})


def keys(translations: Mapping[str, Results], answers: Mapping[str, Results],
         ) -> tuple[dict[str, Row], Keys, Keys]:
    """Tasks, items and segments of a run, as ``endpoints`` takes them. All systems have the same
    wherever they are compared; of an item's samples one stands for all."""
    tasks: dict[str, Row] = {}
    items: dict[str, set[tuple[str, ...]]] = {}
    segments: dict[str, set[tuple[str, ...]]] = {}
    for result in answers.values():
        for row in result.rows.values():
            tasks[row["task"]] = {"metric": row["metric"],
                                  "carries": result.meta["tasks"][row["task"]]["carries"]}
            items.setdefault(row["task"], set()).add(
                (row["doc_hash"], row["target_hash"], row["cluster"]))
    for result in translations.values():
        for row in result.rows.values():
            segments.setdefault(row["direction"], set()).add(
                (row["id"], row["ref_hash"], row["cluster"]))
    return tasks, items, segments


def statement(settings: Row, tasks: Mapping[str, Row], items: Keys, segments: Keys) -> Row:
    """What the data model says about it: nothing is called fixed beforehand without a commit."""
    later = [" against ".join(pair) for pair in settings.get("later", [])]
    now, committed = endpoints(settings, tasks, items, segments), settings.get("endpoints_sha256")
    fixed = now == committed
    return {"endpoints_sha256": now, "endpoints_committed": committed, "fixed_beforehand": fixed,
            "endpoints_cover": [*(name for name in SETTINGS if name in settings), *FACTS],
            "endpoints_say": ("Fixed beforehand: params.yaml holds this hash, and its history says "
                              "since when." if fixed else
                              "Chosen later: the hash in params.yaml is not that of these "
                              "endpoints.")
            + (f" Added later, and able only to weaken a verdict: {', '.join(later)}."
               if later else "")}
