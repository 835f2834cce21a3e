"""Synthetic damage to good translations: what the quality estimator learns from.

The kinds and what each is worth are ours; no human judgement is in them.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

import numpy as np

Row = dict[str, Any]
# What a corrupted translation is worth; a good one is worth 1. Ours.
WORTH = {"misaligned": 0.0, "copied_source": 0.0, "wrong_language": 0.0, "truncated": 0.3,
         "half_replaced": 0.4, "shuffled": 0.5}


def corrupt(row: Row, kind: str, others: list[Row], third: str | None, rng: random.Random,
            ) -> str | None:
    """A bad translation of ``row`` of the given kind, or None where it is not possible.

    ``others`` are rows of the same language, sorted by target length; ``third`` is the same
    sentence in another language.
    """
    words = row["tgt"].split()
    if kind == "copied_source":
        bad = row["src"]
    elif kind == "wrong_language":
        bad = third or ""
    elif kind == "truncated":
        bad = " ".join(words[:max(1, len(words) // 2)])
    elif kind == "shuffled":
        bad = " ".join(rng.sample(words, len(words)))
    else:  # another translation of about the same length
        at = int(np.searchsorted([len(o["tgt"]) for o in others], len(row["tgt"])))
        near = others[max(0, at - 10):at + 10]
        other = rng.choice(near)["tgt"]
        half = len(words) // 2
        bad = other if kind == "misaligned" else " ".join(words[:half] + other.split()[half:])
    return bad if bad and bad != row["tgt"] else None


def corruptions(rows: list[Row], kinds: Iterable[str], seed: int) -> list[Row]:
    """For each row its good pair and, per kind asked for, a corrupted one.

    Returns {"src", "mt", "lang", "kind", "score"}. Rows with the same id are the same message in
    several languages, which gives ``wrong_language``.
    """
    rng, kinds = random.Random(seed), list(kinds)
    by_lang: dict[str, list[Row]] = {}
    by_id: dict[str, dict[str, str]] = {}
    for row in rows:
        by_lang.setdefault(row["tgt_lang"], []).append(row)
        by_id.setdefault(row["id"], {})[row["tgt_lang"]] = row["tgt"]
    for group in by_lang.values():
        group.sort(key=lambda row: (len(row["tgt"]), row["id"]))
    made = []
    for row in rows:
        common = {"src": row["src"], "lang": row["tgt_lang"]}
        made.append({**common, "mt": row["tgt"], "kind": "good", "score": 1.0})
        thirds = [text for lang, text in sorted(by_id[row["id"]].items())
                  if lang != row["tgt_lang"]]
        for kind in kinds:
            third = rng.choice(thirds) if thirds else None
            bad = corrupt(row, kind, by_lang[row["tgt_lang"]], third, rng)
            if bad is not None:
                made.append({**common, "mt": bad, "kind": kind, "score": WORTH[kind]})
    return made
