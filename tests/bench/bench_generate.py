"""Greedy decoding here against `generate` of transformers: same model, prompts and batches.

    python tests/bench/bench_generate.py

Run it on the interface strings of the suite desk and on the news of the suite standard: what is
saved depends on how long prompts are and how unequal. Prints seconds and the ratio, after checking
that both give the same first lines. The peer gets our order and batches too, so that the ratio
says nothing about padding that a better order would save.
"""

import argparse
import os
import time
from pathlib import Path

import torch

from stages.common import jsonl
from stages.decoding import greedy, translation
from stages.model import prompts, weights

BATCH_TOKENS = 6_000


def peer(network, tokenizer, ids, ends, limit, batch):
    """`generate` with left padding, no shared prefix: the usual way."""
    texts, order = {}, sorted(range(len(ids)), key=lambda i: len(ids[i]))
    for start in range(0, len(ids), batch):
        chosen = order[start:start + batch]
        tokens, mask = greedy.left_padded([ids[i] for i in chosen], network.device)
        output = network.generate(
            tokens, attention_mask=mask, do_sample=False, max_new_tokens=limit,
            eos_token_id=sorted(ends), pad_token_id=tokenizer.pad_token_id)
        for i, text in zip(chosen, tokenizer.batch_decode(
                output[:, tokens.shape[1]:], skip_special_tokens=True), strict=True):
            texts[i] = text.strip().split("\n")[0].strip()
    return [texts[i] for i in range(len(ids))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", type=Path, nargs="?", default="data/download/model")
    parser.add_argument("test", type=Path, nargs="?", default="data/format/suite/test.jsonl")
    parser.add_argument("--language", default="spa_Latn", help="translated into English")
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--limit", type=int, default=128, help="new tokens")
    parser.add_argument("--batch", type=int, default=32, help="rows of the peer's batches")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    network, tokenizer = weights.load(args.model)
    rows = translation.ordered(jsonl.read(args.test), args.language)[:args.rows]
    ids = [prompts.prompt_ids(tokenizer, prompts.messages(
        row["tgt"], row["tgt_lang"], row["src_lang"], system="")) for row in rows]
    ends = {tokenizer.eos_token_id, *greedy.newline_tokens(tokenizer)}
    found, took, work = [], [], []
    for decode in (
            lambda: [text for text, _ in greedy.greedy(
                network, tokenizer, ids, args.limit, BATCH_TOKENS, sorted(ends), "ours")],
            lambda: peer(network, tokenizer, ids, ends, args.limit, args.batch)):
        start, busy = time.perf_counter(), sum(os.times()[:4])  # of children too
        found.append(decode())
        took.append(time.perf_counter() - start)
        work.append(sum(os.times()[:4]) - busy)
    same = sum(map(str.__eq__, *found))
    print(f"{len(rows)} prompts of {min(map(len, ids))} to {max(map(len, ids))} tokens, limit "
          f"{args.limit}: ours {took[0]:.1f} s ({work[0]:.1f} s of processor), generate "
          f"{took[1]:.1f} s ({work[1]:.1f} s), ratio {took[1] / took[0]:.2f} "
          f"({work[1] / work[0]:.2f}), same output {same}/{len(rows)}")


if __name__ == "__main__":
    main()
