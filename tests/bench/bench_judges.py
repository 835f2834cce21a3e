"""Sorted batches of a number of tokens against comet's usual batches of 16 rows in given order.

    python tests/bench/bench_judges.py [data/download/encoder [data/eval_mt/base/segments.jsonl]]

XCOMET's true class with random weights on a real encoder's shape; one thread. Prints
processor seconds and their ratio, after checking that the scores are the same.
"""

import argparse
import tempfile
import time
from pathlib import Path

import torch

from stages.comet import checkpoints, judges
from stages.common import jsonl
from stages.rows.seeded import generator

FIXED, TOKENS, ROWS = 16, 2000, 200


def fixed(model, samples):
    """What comet's predict does without its sorting, which several GPUs switch off."""
    scores = []
    with torch.inference_mode():
        for start in range(0, len(samples), FIXED):
            batch = model.prepare_sample(samples[start:start + FIXED], stage="predict")
            scores += model.predict_step(batch)["scores"].tolist()
    return scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("encoder", type=Path, nargs="?", default="data/download/encoder")
    parser.add_argument("segments", type=Path, nargs="?",
                        default="data/eval_mt/base/segments.jsonl")
    args = parser.parse_args()
    torch.set_num_threads(1)
    samples = [{"src": row["src"], "mt": row["hyp"], "ref": row["ref"]}
               for row in jsonl.read(args.segments)]
    samples = [samples[i] for i in generator(1, "order").permutation(len(samples))[:ROWS]]
    with tempfile.TemporaryDirectory() as folder:
        checkpoints.random_metric("xcomet-xl", "xcomet_metric", args.encoder, Path(folder) / "m",
                                  encoder_model="XLM-RoBERTa", word_layer=12)
        model = checkpoints.load("xcomet-xl", Path(folder) / "m")
    fixed(model, samples[:FIXED])
    seconds: dict[str, list[float]] = {"fixed": [], "sorted": []}
    for _ in range(2):
        for name, run in (("fixed", fixed), ("sorted", lambda model, samples: judges.predict(
                model, samples, TOKENS, "sorted"))):
            start = time.process_time()
            scores = run(model, samples)
            seconds[name].append(time.process_time() - start)
            if name == "fixed":
                usual = scores
    worst = max(abs(a - b) for a, b in zip(usual, scores, strict=True))
    best = {name: min(values) for name, values in seconds.items()}
    print(f"{len(samples)} rows: fixed {best['fixed']:.1f} s, sorted {best['sorted']:.1f} s, "
          f"ratio {best['fixed'] / best['sorted']:.2f}, largest difference {worst:.1g}")


if __name__ == "__main__":
    main()
