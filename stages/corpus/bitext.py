"""Mined pairs of one language: read, drawn fairly, cleaned. Sources may be larger than memory."""

from __future__ import annotations

import heapq
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..common import jsonl, shards
from ..common.errors import UserError
from ..common.funnel import SAMPLE, Funnel
from ..common.hashes import of_json
from ..common.languages import PIVOT
from .parallel import by_hash, cleaned
from .readers import bitext as readers

Row = dict[str, Any]


def rows(folder: Path, source: Row, language: str, quarantine: Row) -> Iterator[Row]:
    """Every pair of every reader of ``source["bitext"]``, {origin: reader}, with its scores."""
    def bad(place: str, reason: str) -> None:
        quarantine["counts"][reason] += 1
        if len(quarantine["sample"][reason]) < SAMPLE:
            quarantine["sample"][reason].append({"place": place, "reason": reason})

    for origin, reader in source["bitext"].items():
        for key, english, other, scores in readers.read(reader, folder, language, bad):
            yield {"id": f"{origin}:{language}:{key}", "src": english, "tgt": other,
                   "src_lang": PIVOT, "tgt_lang": language, "origin": origin, **scores}


def scored(found: Iterator[Row], least: dict[str, float], funnel: Funnel) -> Iterator[Row]:
    """The rows whose scores reach the least ones; a source that has no such score passes."""
    for row in found:
        low = [name for name, value in least.items() if row.get(name, value) < value]
        if low:
            funnel.see(row)
            funnel.drop(row, f"low_{low[0]}")
        else:
            yield row


def drawn(found: Iterator[Row], cap: int | None, funnel: Funnel) -> Iterator[Row]:
    """``cap`` rows of each origin, those of the smallest hashes of their ids, in their order.

    A fair sample, which the head of a file sorted by score is not; the same for every order of
    reading. Holds ``cap`` rows in memory, as bytes. None takes all and holds none.
    """
    if cap is None:
        yield from found
        return
    heaps: dict[str, list[tuple[int, int, bytes]]] = defaultdict(list)  # largest hash first
    for number, row in enumerate(found):
        heap, key = heaps[row["origin"]], -int.from_bytes(by_hash(row["id"])[:8], "big")
        if len(heap) >= cap and key <= heap[0][0]:
            funnel.see(row)
            funnel.drop(row, "over_cap")
            continue
        entry = (key, number, json.dumps(row, ensure_ascii=False).encode())
        if len(heap) < cap:
            heapq.heappush(heap, entry)
        else:
            largest = json.loads(heapq.heapreplace(heap, entry)[2])
            funnel.see(largest)
            funnel.drop(largest, "over_cap")
    for heap in heaps.values():
        heap.sort(key=lambda entry: entry[1])
        yield from (json.loads(row) for _, _, row in heap)


def one_language(folder: Path, target: Path, settings: Row) -> Row:
    """Write the clean pairs of the language that names the shard ``target``.

    ``settings``: "source" {"bitext", "cap", "least"} and "rules" (cleaning.verdict). Returns
    {"funnel", "quarantine": {"counts", "sample"}}. Holds the drawn rows and 16 bytes of every
    English text in memory.
    """
    source, language = settings["source"], target.name.split(".")[0]
    quarantine: Row = {"counts": Counter(), "sample": defaultdict(list)}
    funnel = Funnel()
    found = drawn(scored(rows(folder, source, language, quarantine), source["least"], funnel),
                  source["cap"], funnel)
    with jsonl.writer(target) as write:
        for row, _ in cleaned(((row, "", "") for row in found), settings["rules"], funnel):
            funnel.keep(row)
            write(row)
    if not funnel.kept:
        raise UserError(f"{folder}: no pair of {language} passed; dropped: "
                        f"{funnel.stats()['dropped']}. Add a source of it to data/sources.lock, or "
                        "take the language out of format.languages in params.yaml")
    return {"funnel": funnel.state(), "quarantine": quarantine}


def table(folder: Path, out: Path, rules: Row, machine: Row, funnel: Funnel,
          ) -> tuple[list[Row], int]:
    """Write the table train of every language of ``rules``, a shard each (shards.made), and count
    into ``funnel``. Returns up to 20 rows of each reason and language of what could not be read,
    and how many there are of these in all.
    """
    stamp = of_json([[path.relative_to(folder).as_posix(), path.stat().st_size]  # `download` hashed
                     for path in sorted(folder.rglob("*")) if path.is_file()])
    results = shards.made(one_language, dict.fromkeys(rules["languages"], (folder, stamp)),
                          (out, "train"), {"source": rules["sources"]["train"],
                                           "rules": rules["train"]}, {}, machine)
    for result in results:
        funnel.add(result["funnel"])
    lost = [result["quarantine"] for result in results]
    return ([row for part in lost for sample in part["sample"].values() for row in sample],
            sum(sum(part["counts"].values()) for part in lost))
