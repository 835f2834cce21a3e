"""BIG-bench JSON task files to JSONL items for lm-eval.

A task file holds ``examples`` with ``input`` and ``target_scores`` {choice: 1 or 0}. Several
tasks list the right choice first throughout, so choices are shuffled with a fixed seed per item.
Items ask not to enter training corpora (they carry a canary): they are fetched, never committed.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from ...common import jsonl
from ...common.errors import UserError


def item(example: dict[str, Any], key: str, seed: int) -> dict[str, Any] | None:
    """One row {"question", "choices", "gold"}, or None unless exactly one choice is right."""
    scores = example.get("target_scores") or {}
    choices = list(scores)
    random.Random(f"{seed}:{key}").shuffle(choices)
    gold = [i for i, choice in enumerate(choices) if scores[choice] == 1]
    if len(gold) != 1 or len(choices) < 2:
        return None
    return {"question": example["input"].strip(), "choices": choices, "gold": gold[0]}


def prepare(files: list[Path], out: Path, seed: int) -> None:
    """Write ``out/<task>.jsonl`` for each file <task>/task.json or <task>.json.

    Examples without exactly one right choice, and repeated ones, are left out and counted in
    ``out/stats.json``.
    """
    stats: dict[str, dict[str, int]] = {}
    for file in files:
        task = file.parent.name if file.name == "task.json" else file.stem
        try:
            examples = json.loads(file.read_text(encoding="utf-8"))["examples"]
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{file}: not a BIG-bench task file ({error!r})") from error
        seen: set[str] = set()
        count = {"seen": 0, "kept": 0, "not_single_answer": 0, "repeated": 0}
        with jsonl.writer(out / f"{task}.jsonl") as write:
            for number, example in enumerate(examples):
                count["seen"] += 1
                row = item(example, f"{task}:{number}", seed)
                if row is None:
                    count["not_single_answer"] += 1
                elif row["question"] in seen:
                    count["repeated"] += 1
                else:
                    seen.add(row["question"])
                    count["kept"] += 1
                    write({"id": number, **row})
        stats[task] = count
    jsonl.write_json(out / "stats.json", stats)
