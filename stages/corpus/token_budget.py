"""Which scored pairs fill a budget of tokens: the best of each language, languages weighted.

Pairs are read twice, shard by shard; between the readings a pair is 16 bytes. No cut-off of quality
is published, and none fits all languages (scores are not comparable between them): a share of each
language's pairs stays.
"""

from __future__ import annotations

import hashlib
import math
from array import array
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from ..common import jsonl, shards
from ..common.errors import BAD_CONFIG, UserError
from ..common.funnel import Funnel
from .selection import directed, order

Row = dict[str, Any]
Count = Callable[[list[Row]], list[int]]
PAPER_TOKENS = 800_000_000  # arXiv 2510.09189, sec. 3; the tokenizer is not named there
BUCKETS = 64  # files that a corpus is shuffled through: each has to fit into memory


def counter(tokenizer: Path) -> Count:
    """A function: rows -> tokens of both sides of each, by a tokenizer.json, without template."""
    from tokenizers import Tokenizer

    known = Tokenizer.from_file(str(tokenizer))

    def count(rows: list[Row]) -> list[int]:
        texts = [row[side] for row in rows for side in ("src", "tgt")]
        sizes = [len(found) for found in
                 known.encode_batch_fast(texts, add_special_tokens=False)]
        return [src + tgt for src, tgt in zip(sizes[::2], sizes[1::2], strict=True)]

    return count


def budgets(available: dict[str, int], tokens: int, temperature: float) -> dict[str, int]:
    """Tokens of each language: in proportion to available ** (1 / temperature), none above what it
    has; what one cannot use goes to the others. Temperature 1 is as the sources are, a high one
    gives all the same (Arivazhagan et al. 2019, arXiv 1907.05019).
    """
    found: dict[str, int] = {}
    while open_ := {language: size ** (1 / temperature) for language, size in available.items()
                    if language not in found}:
        rest = tokens - sum(found.values())
        parts = {language: int(rest * weight / max(sum(open_.values()), 1e-9))
                 for language, weight in open_.items()}
        full = {language: available[language] for language, part in parts.items()
                if part >= available[language]}
        found |= full or parts
    return found


class Measured:
    """Scores, tokens and draw of the pairs of one shard, in their order."""

    def __init__(self, batches: Iterable[list[Row]], count: Count) -> None:
        score, tokens, draw = array("f"), array("i"), array("Q")
        for batch in batches:
            score.extend(row.get("qe", math.nan) for row in batch)
            tokens.extend(count(batch))
            draw.extend(int(order(row, "budget")[:16], 16) for row in batch)
        self.score, self.tokens, self.draw = map(np.array, (score, tokens, draw))

    def pool(self, keep: float) -> np.ndarray:
        """The share ``keep`` of highest score, shape (pairs,), bool; ties go by the draw. Where the
        scorer knows the language not, its pairs have no scores and all of them are the pool.
        """
        if np.isnan(self.score).all():
            return np.ones(len(self.score), bool)
        best = np.lexsort((self.draw, -self.score))[:round(keep * len(self.score))]
        found = np.zeros(len(self.score), bool)
        found[best] = True
        return found

    def drawn(self, pool: np.ndarray, budget: int) -> np.ndarray:
        """Pairs of the pool, in the order of the draw, until the budget is full; bool."""
        places = np.flatnonzero(pool)[np.argsort(self.draw[pool])]
        found = np.zeros(len(pool), bool)
        found[places[self.tokens[places].cumsum() <= budget]] = True
        return found


def choose(files: dict[str, Path], settings: Row, count: Count, funnel: Funnel, out: Path) -> Row:
    """Write the chosen pairs, in training direction and shuffled, each with its "tokens"; return
    {"tokens": in all, "by_direction": [{"direction", "pairs", "tokens"}]}.

    ``files`` are the scored pairs, one a language. ``settings``: "by" (qe, or random: the control
    of equal size, drawn from all pairs), "keep", "tokens", "temperature", "into_english".
    """
    if settings["by"] not in ("qe", "random"):
        raise UserError(f"params.yaml: qe.select.by: {settings['by']!r} is neither qe nor random",
                        BAD_CONFIG)
    known = {name: Measured(shards.batches(jsonl.read(file)), count)
             for name, file in files.items()}
    pools = {name: measured.pool(settings["keep"]) for name, measured in known.items()}
    parts = budgets({name: int(known[name].tokens[pool].sum()) for name, pool in pools.items()},
                    settings["tokens"], settings["temperature"])
    counts: dict[str, Row] = {}

    def chosen() -> Iterator[Row]:
        for name, file in files.items():
            measured, pool = known[name], pools[name]
            if settings["by"] == "random":
                pool = np.ones(len(pool), bool)
            taken = measured.drawn(pool, parts[name])
            for index, row in enumerate(jsonl.read(file)):
                funnel.see(row)
                if taken[index]:
                    funnel.keep(row)
                    yield directed({**row, "tokens": int(measured.tokens[index])},
                                   settings["into_english"])
                else:
                    funnel.drop(row, "over_budget" if pool[index] else "below_score")

    for row in shuffled(chosen(), out):
        direction = f"{row['src_lang']}-{row['tgt_lang']}"
        mine = counts.setdefault(direction, {"direction": direction, "pairs": 0, "tokens": 0})
        mine["pairs"] += 1
        mine["tokens"] += row["tokens"]
    return {"tokens": sum(mine["tokens"] for mine in counts.values()),
            "by_direction": [mine for _, mine in sorted(counts.items())]}


def select(scored: Path, model: Path, out: Path, settings: Row) -> None:
    """Choose pairs by their scores up to a number of the model's own tokens."""
    funnel = Funnel()
    tokens = choose(shards.files(scored, "pairs"), settings, counter(model / "tokenizer.json"),
                    funnel, out / "pairs.jsonl")
    funnel.write(out, {"tokens_in_all": tokens.pop("tokens"), "tokens_of_the_paper": PAPER_TOKENS,
                       "tokens": tokens["by_direction"]})


def shuffled(rows: Iterator[Row], out: Path) -> Iterator[Row]:
    """Write the rows in the order of a hash of their ids, through ``BUCKETS`` files beside ``out``
    that are gone afterwards; yield them in that order.
    """
    parts = [out.with_name(f"{out.name}.{bucket:02}.part") for bucket in range(BUCKETS)]
    try:
        with ExitStack() as stack:
            writes = [stack.enter_context(jsonl.writer(part)) for part in parts]
            for row in rows:
                writes[_key(row)[0] * BUCKETS // 256](row)
        with jsonl.writer(out) as write:
            for part in parts:
                for row in sorted(jsonl.read(part), key=_key):
                    write(row)
                    yield row
    finally:
        for part in parts:
            part.unlink(missing_ok=True)


def _key(row: Row) -> bytes:
    """The same for a pair in either direction."""
    return hashlib.sha256(f"training:{row['id']}".encode()).digest()
