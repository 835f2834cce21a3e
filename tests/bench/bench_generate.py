"""Greedy decoding here against `generate` of transformers: same model, prompts and batch size.

    python tests/bench/bench_generate.py data/download/model data/format/test.jsonl

Prints seconds and the ratio, after checking that both give the same first lines.
"""

import argparse
import time
from pathlib import Path

import torch

from stages.common import jsonl
from stages.decoding import greedy
from stages.model import prompts, weights

LIMIT, BATCH, ROWS = 48, 32, 64


def peer(network, tokenizer, ids, ends):
    """Batches in the given order, left padding, no shared prefix: the usual way."""
    texts = []
    for start in range(0, len(ids), BATCH):
        rows = ids[start:start + BATCH]
        longest = max(map(len, rows))
        pad = [[tokenizer.pad_token_id] * (longest - len(row)) for row in rows]
        output = network.generate(
            torch.tensor([p + row for p, row in zip(pad, rows, strict=True)]),
            attention_mask=torch.tensor([[0] * len(p) + [1] * len(row)
                                         for p, row in zip(pad, rows, strict=True)]),
            do_sample=False, max_new_tokens=LIMIT, eos_token_id=sorted(ends),
            pad_token_id=tokenizer.pad_token_id)
        texts += tokenizer.batch_decode(output[:, longest:], skip_special_tokens=True)
    return [text.strip().split("\n")[0].strip() for text in texts]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("test", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(2)
    network, tokenizer = weights.load(args.model)
    rows = [row for row in jsonl.read(args.test) if row["split"] == "dev"][:ROWS]
    ids = [prompts.prompt_ids(tokenizer, prompts.messages(
        row["tgt"], row["tgt_lang"], row["src_lang"], system="")) for row in rows]
    ends = {tokenizer.eos_token_id, *greedy.newline_tokens(tokenizer)}
    start = time.perf_counter()
    ours = greedy.greedy(network, tokenizer, ids, LIMIT, BATCH, sorted(ends), "ours")
    middle = time.perf_counter()
    theirs = peer(network, tokenizer, ids, ends)
    end = time.perf_counter()
    same = sum(a == b for (a, _), b in zip(ours, theirs, strict=True))
    print(f"{ROWS} prompts, batch {BATCH}: ours {middle - start:.1f} s, "
          f"transformers generate {end - middle:.1f} s, ratio "
          f"{(end - middle) / (middle - start):.2f}, same output {same}/{ROWS}")


if __name__ == "__main__":
    main()
