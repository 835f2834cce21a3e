"""Likelihoods that share contexts against lm-eval's own: same model, items, threads, one process.

    python tests/bench/bench_likelihood.py

Prints seconds and the ratio, after checking that both choose the same answers.
"""

import argparse
import time
from itertools import islice
from pathlib import Path

import torch
from lm_eval.models.huggingface import HFLM

from stages.common import jsonl
from stages.decoding.likelihood import SharedContextLM
from stages.model import weights

TOKENS, ROWS = 384, 16  # our batch, and lm-eval's at which it is fastest here


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", type=Path, nargs="?", default="data/download/model")
    parser.add_argument("items", type=Path, nargs="*", help="files {question, choices}",
                        default=sorted(Path("data/download/items").glob("*.jsonl")))
    parser.add_argument("--each", type=int, default=40, help="items a file")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    network, tokenizer = weights.load(args.model)
    asked = [(f"{row['question']}\nAnswer:", row["choices"]) for file in args.items
             for row in islice(jsonl.read(file), args.each)]
    seconds, answers = {}, {}
    for name, model in (("lm-eval", HFLM(pretrained=network, tokenizer=tokenizer, batch_size=ROWS,
                                         device="cpu")),
                        ("ours", SharedContextLM(network, tokenizer, TOKENS))):
        requests = [((question, f" {choice}"), *model._encode_pair(question, f" {choice}"))
                    for question, choices in asked for choice in choices]
        model._loglikelihood_tokens(requests[:20], disable_tqdm=True)  # warm up
        start = time.perf_counter()
        answers[name] = model._loglikelihood_tokens(requests, disable_tqdm=True)
        seconds[name] = time.perf_counter() - start
    furthest = max(abs(a - b) / -a for (a, _), (b, _) in zip(*answers.values(), strict=True))
    greedy = sum(a == b for (_, a), (_, b) in zip(*answers.values(), strict=True))
    same = 0
    given = {name: iter(log for log, _ in found) for name, found in answers.items()}
    for _, choices in asked:
        logs = [list(islice(values, len(choices))) for values in given.values()]
        same += len({one.index(max(one)) for one in logs}) == 1
    print(f"{len(asked)} items, {len(answers['ours'])} choices, {args.threads} threads: ours "
          f"{seconds['ours']:.1f} s, lm-eval {seconds['lm-eval']:.1f} s, ratio "
          f"{seconds['lm-eval'] / seconds['ours']:.2f}; same answer {same}/{len(asked)}, same "
          f"greedy flag {greedy}/{len(answers['ours'])}, log-likelihoods within {furthest:.1e} "
          "of their size")


if __name__ == "__main__":
    main()
