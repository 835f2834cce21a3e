"""Merge the base model and what the stages trained into an ordinary Hugging Face folder.

in     a training stage's output, such as data/train_s2 (its parents are found through it)
out    a folder that `AutoModelForCausalLM.from_pretrained` loads without this repository

Not a pipeline stage: nothing depends on the merged copy.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

from ..common.command import run_stage
from ..common.errors import BAD_CONFIG, UserError
from . import weights


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", type=Path, help="output folder of a training stage")
    parser.add_argument("out", type=Path, help="folder to write; must not exist")
    args = parser.parse_args(argv)
    if args.out.exists():
        raise UserError(f"{args.out} exists. Delete it or name another folder", BAD_CONFIG)
    folders = weights.chain(args.model)
    network, tokenizer = weights.load(args.model)
    part = args.out.with_name(f"{args.out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    network.config._name_or_path = ""
    network.save_pretrained(part)
    tokenizer.save_pretrained(part)
    (part / "trained.json").write_text(json.dumps({
        str(folder): {"revision": weights.revision(folder), "layers": json.loads(
            (folder / weights.CONFIG).read_text(encoding="utf-8")).get("layers", [])}
        for folder in folders}, indent=2) + "\n", encoding="utf-8")
    part.rename(args.out)
    print(f"export: {args.out}")


if __name__ == "__main__":
    run_stage(main)
