"""Ask a model for translations: which rows, which solved examples before them, which prompt.

Examples come from a fixed pool, the first ``POOL`` dev rows of a language by hash; those rows are
never scored, so a prompt chosen on dev never saw its own examples as questions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..common.errors import BAD_CONFIG, UserError
from ..common.hashes import text16
from ..common.languages import PIVOT
from ..model import prompts
from . import greedy

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Row = dict[str, Any]
POOL, DRAW = 24, 8  # rows; draw d takes its examples from rows [8d, 8d + 8) of the pool


def ordered(rows: Iterable[Row], language: str) -> list[Row]:
    """Rows of a language in an order hashed from their ids.

    The order does not depend on the language, so every direction gets the same ids.
    """
    mine = [row for row in rows if row["tgt_lang"] == language]
    return sorted(mine, key=lambda row: hashlib.sha256(row["id"].encode()).digest())


def turned(row: Row, into_pivot: bool) -> Row:
    """The row with source and target in translation order."""
    if not into_pivot:
        return row
    return {**row, "src": row["tgt"], "tgt": row["src"],
            "src_lang": row["tgt_lang"], "tgt_lang": row["src_lang"]}


def dev(rows: Iterable[Row], language: str) -> tuple[list[Row], list[Row]]:
    """(pool of examples, rows that may be scored) of the dev split, each in hashed order."""
    mine = ordered((row for row in rows if row["split"] == "dev"), language)
    return mine[:POOL], mine[POOL:]


def examples(pool: list[Row], shots: int, draw: int) -> list[Row]:
    """The first ``shots`` rows of a draw; a pool smaller than ``POOL`` begins again at its end.

    Raises UserError where there is no such draw or the pool holds fewer rows.
    """
    if not (0 <= shots <= min(DRAW, len(pool)) and 0 <= draw < POOL // DRAW):
        raise UserError(f"params.yaml: systems: {shots} shots of draw {draw}: draws are 0 to "
                        f"{POOL // DRAW - 1}, of at most {DRAW} shots each, and the dev split "
                        f"holds {len(pool)} of {POOL} examples. Ask for fewer", BAD_CONFIG)
    return [pool[(DRAW * draw + shot) % len(pool)] for shot in range(shots)]


def ask(network: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rows: list[Row],
        solved: list[Row], system: str | None, limits: Row, stop: list[int], name: str,
        ) -> tuple[list[tuple[str, bool]], str]:
    """Translate rows of one direction, all in translation order.

    ``limits`` holds max_new_tokens and batch_tokens of ``greedy``. Returns (answer, whether the
    limit cut it) of each row, and the first prompt as text.
    """
    shots = [(row["src"], row["tgt"]) for row in solved]
    ids = [prompts.prompt_ids(tokenizer, prompts.messages(
        row["src"], row["src_lang"], row["tgt_lang"], shots, system)) for row in rows]
    answers = greedy.greedy(network, tokenizer, ids, limits["max_new_tokens"],
                            limits["batch_tokens"], stop, name)
    return answers, tokenizer.decode(ids[0])


def result(row: Row, answer: tuple[str, bool]) -> Row:
    """The output of a row in translation order, with what can be seen without knowing languages."""
    hyp, truncated = answer
    return {"id": row["id"], "cluster": row["cluster"],
            "direction": f"{row['src_lang']}-{row['tgt_lang']}",
            "src": row["src"], "ref": row["tgt"], "hyp": hyp, "empty": not hyp,
            "copy": hyp.casefold() == row["src"].casefold(), "truncated": truncated,
            "ref_hash": text16(f"{row['src']}\0{row['tgt']}")}


def directions(languages: Iterable[str]) -> list[tuple[str, bool, str]]:
    """(language, whether into the pivot, "<source>-<target>") of both directions of each."""
    return [(language, into, f"{language}-{PIVOT}" if into else f"{PIVOT}-{language}")
            for language in languages for into in (True, False)]
