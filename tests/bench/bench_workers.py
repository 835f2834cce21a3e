"""Batches side by side, a thread each, against one after the other with all threads.

    python tests/bench/bench_workers.py

Same model, same batches, in one run: answers decoded greedily as `stages.eval_mt` does. The peer is
the same code with its workers switched off. Prints seconds, their ratio and whether texts differ.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from stages.common import jsonl
from stages.decoding import greedy, translation
from stages.launch import workers
from stages.model import prompts, weights

BATCH_TOKENS, LIMIT = 4_000, 64  # as many batches as a stage of all directions has


def one_after_the_other(work: Callable[[Any], Any], parts: Sequence[Any], _: torch.device,
                        ) -> Iterator[tuple[int, Any]]:
    """What ``workers.mapped`` does, in this process with all its threads."""
    yield from ((place, work(part)) for place, part in enumerate(parts))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", type=Path, nargs="?", default="data/download/model")
    parser.add_argument("test", type=Path, nargs="?", default="data/format/suite/test.jsonl")
    parser.add_argument("--language", default="spa_Latn", help="translated into English")
    parser.add_argument("--rows", type=int, default=240)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    network, tokenizer = weights.load(args.model)
    rows = translation.ordered(jsonl.read(args.test), args.language)[:args.rows]
    ids = [prompts.prompt_ids(tokenizer, prompts.messages(
        row["tgt"], row["tgt_lang"], row["src_lang"], system="")) for row in rows]
    stop = greedy.newline_tokens(tokenizer)
    batches = len(greedy.batched(network, ids, LIMIT, BATCH_TOKENS))
    found, took = [], []
    for how in (workers.mapped, one_after_the_other):
        workers.mapped = how  # type: ignore[assignment]
        start = time.perf_counter()
        found.append(greedy.greedy(network, tokenizer, ids, LIMIT, BATCH_TOKENS, stop, "segments"))
        took.append(time.perf_counter() - start)
    same = sum(a == b for a, b in zip(*found, strict=True))
    print(f"{len(rows)} prompts in {batches} batches, {args.threads} threads: side by side "
          f"{took[0]:.1f} s, one after the other {took[1]:.1f} s, ratio {took[1] / took[0]:.2f}, "
          f"same output {same}/{len(rows)}")


if __name__ == "__main__":
    main()
