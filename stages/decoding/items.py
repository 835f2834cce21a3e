"""Reasoning items through lm-eval, as rows without the items' text.

A row holds what any later comparison needs: hashes that say what was asked, the score, the
log-likelihood of every choice, and whether guesses that never read the question would have hit.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from typing import TYPE_CHECKING, Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ..common.errors import BAD_CONFIG, UserError

if TYPE_CHECKING:
    from .generation import Served

Row = dict[str, Any]


def guesses(items: list[tuple[list[str], int]]) -> list[dict[str, bool]]:
    """For each item (choices, position of the right one): which rules would have hit it?

    ``first`` and ``last`` go by position, ``shortest`` and ``longest`` by characters, ``frequent``
    takes the choice whose text is most often right among the *other* items. Ties go to the first.
    """
    right = Counter(choices[gold] for choices, gold in items)
    found = []
    for choices, gold in items:
        elsewhere = [right[choice] - (place == gold) for place, choice in enumerate(choices)]
        lengths = list(map(len, choices))
        picks = {"first": 0, "last": len(choices) - 1,
                 "shortest": lengths.index(min(lengths)), "longest": lengths.index(max(lengths)),
                 "frequent": elsewhere.index(max(elsewhere))}
        found.append({rule: pick == gold for rule, pick in picks.items()})
    return found


def choices_of(sample: Row) -> list[str]:
    """The choices of a multiple-choice item; of other items none.

    They are what may follow one text, or, where all ask for the same words, the texts before it
    (WinoGrande).
    """
    contexts, answers = zip(*sample["arguments"], strict=True)
    if len(answers) < 2 or not isinstance(answers[0], str):
        return []
    return [text.lstrip() for text in (answers if len(set(answers)) > 1 else contexts)]


def gold_of(sample: Row, choices: list[str], pred: int) -> int:
    """The place of the right choice: what lm-eval names by place, by its text or not at all."""
    target = sample["target"]
    if isinstance(target, int):
        return target
    if target.lstrip() in choices:
        return choices.index(target.lstrip())
    if len(choices) != 2:
        raise UserError(f"{sample['doc']['id']}: which of {len(choices)} choices is right is not "
                        "among what lm-eval returns. Ask the set by another task")
    return pred if sample["acc"] else 1 - pred


def item_rows(task: str, metric: str, version: str, samples: list[Row]) -> list[Row]:
    """The rows of a task's lm-eval samples, scored by ``metric``: acc or acc_norm, if choices."""
    rows = []
    for sample in samples:
        row = {"task": task, "version": version, "filter": sample["filter"], "metric": metric,
               "doc_id": sample["doc"]["id"], "doc_hash": sample["doc_hash"][:16],
               "prompt_hash": sample["prompt_hash"][:16],
               "target_hash": sample["target_hash"][:16],
               "cluster": str(sample["doc"]["id"]), "sample": 0, "score": float(sample[metric])}
        if choices := choices_of(sample):
            logs = [float(response[0]) for response in sample["filtered_resps"]]
            chars = list(map(len, choices))
            scores = [log / length for log, length in zip(logs, chars, strict=True)] \
                if metric == "acc_norm" else logs  # per character, as lm-eval does
            pred = scores.index(max(scores))
            row |= {"pred": pred, "gold": gold_of(sample, choices, pred),
                    "n_choices": len(choices), "loglik": [round(log, 4) for log in logs],
                    "chars": chars}
        rows.append(row)
    if all("gold" in row for row in rows):
        asked = [(choices_of(sample), row["gold"]) for sample, row in zip(
            samples, rows, strict=True)]
        for row, guess in zip(rows, guesses(asked), strict=True):
            row["guess"] = guess
    return sorted(rows, key=lambda row: row["doc_id"])


def answer(network: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, tasks: dict[str, Row],
           positions: dict[str, list[int]], batch: int, seed: int,
           filters: dict[str, str] | None = None, chat: bool = False, served: Served | None = None,
           ) -> dict[str, tuple[str, list[Row]]]:
    """Version and lm-eval's samples of each task, for the items at ``positions`` of its file.

    ``tasks``: lm-eval's definition of each; ``batch`` counts tokens; ``filters``: of a task that
    reads its answers in several ways, the way that counts; ``chat``: through the tokenizer's
    template, thinking off; ``served``: who generates, else the network itself. Raises UserError if
    lm-eval answered other than it was asked.
    """
    with tempfile.TemporaryDirectory() as cache:
        os.environ["HF_DATASETS_CACHE"] = cache  # no state in the home folder
        from lm_eval import simple_evaluate
        from lm_eval.tasks import TaskManager

        from .generation import AnsweringLM

        outcome = simple_evaluate(
            model=AnsweringLM(network, tokenizer, batch, served), tasks=list(tasks.values()),
            samples=positions, bootstrap_iters=0, log_samples=True,
            task_manager=TaskManager(include_defaults=False), apply_chat_template=chat,
            random_seed=seed, numpy_random_seed=seed, torch_random_seed=seed,
            fewshot_random_seed=seed)
    found = {task: (str(outcome["versions"][task]), outcome["samples"][task]) for task in tasks}
    for task, (version, samples) in found.items():
        if ways := sorted({sample["filter"] for sample in samples}):
            wanted = (filters or {}).get(task, ways[0])
            if wanted not in ways or (len(ways) > 1 and task not in (filters or {})):
                raise UserError(f"params.yaml: {task}: filter is to be one of {', '.join(ways)}",
                                BAD_CONFIG)
            samples = [sample for sample in samples if sample["filter"] == wanted]
            found[task] = version, samples
        if len(samples) != len(positions[task]):
            raise UserError(f"lm-eval returned {len(samples)} items of {task}, "
                            f"{len(positions[task])} were asked for")
    return found
