"""Which pairs a stage trains on, and the placebo that breaks them."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..common import jsonl
from ..common.errors import BAD_CONFIG, UserError
from ..common.hashes import text16
from ..model import prompts

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Row = dict[str, Any]


def by_direction(rows: list[Row], salt: str) -> list[list[int]]:
    """Positions of the rows of each direction, in an order hashed from their ids and ``salt``."""
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for at in sorted(range(len(rows)), key=lambda at: text16(f"{salt} {rows[at]['id']}")):
        groups[rows[at]["src_lang"], rows[at]["tgt_lang"]].append(at)
    return list(groups.values())


def share(rows: list[Row], start: float, end: float) -> list[Row]:
    """The rows from ``start`` to ``end`` (0 to 1) of every direction's hashed order, in file order.

    Neighbouring shares are disjoint and complete: [0, 0.5] and [0.5, 1] are halves.
    """
    kept = {at for group in by_direction(rows, "share")
            for at in group[round(start * len(group)):round(end * len(group))]}
    return [row for at, row in enumerate(rows) if at in kept]


def shuffled(rows: list[Row], seed: int) -> list[Row]:
    """Each row with the target of another of its direction: the same texts, translating nothing."""
    wrong = list(rows)
    for group in by_direction(rows, f"{seed} target"):
        for at, other in zip(group, [*group[1:], group[0]], strict=True):
            wrong[at] = {**rows[at], "tgt": rows[other]["tgt"]}
    return wrong


def chosen(file: Path, part: list[float], shuffle: bool, seed: int) -> list[Row]:
    """The rows of a file of pairs that a stage trains on. Raises UserError where there is none."""
    rows = share(list(jsonl.read(file)), *part)
    if not rows:
        raise UserError(f"{file} is empty, or its share {part} is: every pair was filtered out. "
                        "Look at the stats.json of format, dedup, langid and qe")
    return shuffled(rows, seed) if shuffle else rows


def examples(tokenizer: PreTrainedTokenizerBase, rows: list[Row], system: str | None,
             think_block: str = "prompt") -> list[dict[str, list[int]]]:
    """Token ids and labels of training pairs (``prompts.example``).

    Where a template opens an answer without thoughts with an empty think block, the paper does not
    say where it stood in training, and trainers differ:

    prompt  in the prompt, without loss, as evaluation sends it
    answer  in the answer, with loss: the model learns to skip its thoughts (the same ids)
    none    left out: the answer follows the header that opens a thought elsewhere
    """
    if think_block not in ("prompt", "answer", "none"):
        raise UserError(f"params.yaml: train.think_block: {think_block!r} is not prompt, answer or "
                        "none", BAD_CONFIG)
    made = [prompts.example(tokenizer, row, system) for row in rows]
    if think_block == "prompt":
        return made
    chat = [{"role": "user", "content": ""}]
    header: Any = tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=True,
                                                return_dict=False)
    block = prompts.prompt_ids(tokenizer, chat)[len(header):]
    for example in made:
        ids, labels = example["input_ids"], example["labels"]
        end = labels.count(-100)  # of the prompt
        start = end - len(block)
        assert ids[start:end] == block
        if think_block == "answer":
            labels[start:end] = block
        else:
            del ids[start:end], labels[start:end]
    return made


def held_out(file: Path, limit: int) -> list[Row]:
    """Both directions of up to ``limit`` dev rows a language."""
    taken: dict[str, int] = defaultdict(int)
    rows = []
    for row in jsonl.read(file):
        lang = row["tgt_lang"]
        if row["split"] == "dev" and taken[lang] < limit:
            taken[lang] += 1
            rows += [row, {"src": row["tgt"], "tgt": row["src"],
                           "src_lang": row["tgt_lang"], "tgt_lang": row["src_lang"]}]
    return rows
