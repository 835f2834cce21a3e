"""Stage 2: tune the top layers, where target text is written, starting from stage 1.

in     data/qe/select/pairs.jsonl      the same pairs as in stage 1
       data/format/corpus/test.jsonl          its dev split, for the held-out loss only
       data/train_s1                   what stage 1 trained
out    layers.safetensors (the trained tensors), config.json, loss.csv, sensitivity.csv
paper  two-stage training, second stage: top 15 layers; the middle stays frozen throughout.
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
    parser.add_argument("parent", type=Path, help="output folder of stage 1")
    parser.add_argument("pairs", type=Path, help="training pairs, JSON Lines")
    parser.add_argument("dev", type=Path, help="held-out pairs, JSON Lines")
    parser.add_argument("out", type=Path, help="folder for the trained tensors")
    args = parser.parse_args(argv)
    machine = params.get("machine")
    if start.elsewhere("stages.train_s2", argv, machine):
        return
    depth = params.scaled("model.depth")
    settings = (params.get("train") | params.get("train_s2")
                | params.scaled("train") | params.scaled("train_s2"))
    sft.train(args.parent, args.pairs, args.dev, args.out,
              layers=chosen(settings["layers"], depth, **params.get("layers")), depth=depth,
              settings=settings, system=params.scaled("model.system"),
              machine=machine)


if __name__ == "__main__":
    run_stage(main)
