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
from ..model import prompts, protocols
from ..model.protocols import Protocol
from . import greedy
from .engines import Job

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


def routes(languages: Iterable[str], pivots: Iterable[str]) -> list[tuple[str, str]]:
    """(source, target) of every pivot with every other language, both ways, none of them twice."""
    return list(dict.fromkeys(
        pair for pivot in pivots for language in languages if language != pivot
        for pair in ((language, pivot), (pivot, language))))


def aligned(rows: list[Row], source: str, target: str, count: int | None) -> list[Row]:
    """The first ``count`` rows of a direction, in translation order.

    Rows pair English with one language; two other languages meet in the ids that both have.
    """
    if PIVOT in (source, target):
        other = source if target == PIVOT else target
        return [turned(row, target == PIVOT) for row in ordered(rows, other)[:count]]
    sides = {row["id"]: row["tgt"] for row in rows if row["tgt_lang"] == source}
    both = [row for row in ordered(rows, target) if row["id"] in sides][:count]
    return [{**row, "src": sides[row["id"]], "src_lang": source} for row in both]


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


def solved(rows: Iterable[Row], source: str, target: str, shots: int, draw: int) -> list[Row]:
    """``examples`` of a direction, in translation order."""
    if not shots:
        return []
    if PIVOT not in (source, target):
        raise UserError(f"{source}-{target}: solved examples are in English and one language. Set "
                        "the system's shots to 0 where neither side is English", BAD_CONFIG)
    pool, _ = dev(rows, source if target == PIVOT else target)
    return [turned(row, target == PIVOT) for row in examples(pool, shots, draw)]


def job(tokenizer: PreTrainedTokenizerBase, protocol: Protocol, rows: list[Row],
        shown: list[Row], system: str | None, name: str) -> Job:
    """What an engine is asked for rows of one direction, all in translation order."""
    shots = [(row["src"], row["tgt"]) for row in shown]
    chats = [protocols.messages(protocol, row["src"], row["src_lang"], row["tgt_lang"], shots,
                                system) for row in rows]
    ids = [protocols.ids(protocol, tokenizer, chat, row["src_lang"])
           for chat, row in zip(chats, rows, strict=True)]
    return Job(name, ids, chats, rows[0]["tgt_lang"])


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
