"""Stage 1: tune the bottom layers, where source text is encoded.

in     data/qe/select/pairs.jsonl      the chosen pairs, direction assigned
       data/format/corpus/test.jsonl          its dev split, for the held-out loss only
       data/download/model             the instruct model
out    layers.safetensors (the trained tensors), config.json, loss.csv, sensitivity.csv
paper  two-stage training, first stage: bottom 4 layers, 1 epoch, cosine, warmup 0.03.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from .common import params
from .common.command import run_stage
from .launch import start
from .model.layers import chosen
from .training import sft


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", type=Path, help="folder of the instruct model")
    parser.add_argument("pairs", type=Path, help="training pairs, JSON Lines")
    parser.add_argument("dev", type=Path, help="held-out pairs, JSON Lines")
    parser.add_argument("out", type=Path, help="folder for the trained tensors")
    args = parser.parse_args(argv)
    machine = params.get("machine")
    if start.elsewhere("stages.train_s1", argv, machine):
        return
    depth = params.scaled("model.depth")
    settings = (params.get("train") | params.get("train_s1")
                | params.scaled("train") | params.scaled("train_s1"))
    sft.train(args.model, args.pairs, args.dev, args.out,
              layers=chosen(settings["layers"], depth, params.get("layers.bottom")), depth=depth,
              settings=settings, system=params.scaled("model.system"),
              machine=machine)


if __name__ == "__main__":
    run_stage(main)
