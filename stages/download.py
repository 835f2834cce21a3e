"""Fetch or build one asset of a scale (model, encoder, spm, lid, train, test) or of a suite.

in     data/sources.lock   what may be fetched, with the SHA-256 of every file kept
       params scales.<scale>.download.<asset>   {source, convert, ...}
       params suites.<suite>.download.<asset>   the same for "suite.<asset>": test, items,
                           calibration or judges; a source without files is an empty folder
       LLAMAX2_MIRROR      (environment) a folder <host>/<path> that is asked before the network
out    the asset's folder, complete and verified, in the form its readers use
paper  sec. 3 names NLLB and OPUS-100, Qwen3-8B/14B and FLORES-101; the scale desk uses what
       package registries hold (README, "What is the paper's and what is ours").

A conversion is done once, here: GGUF to safetensors, the packaged encoder to XLM-RoBERTa form,
its vocabulary to a sentencepiece model, BIG-bench files to one JSONL per task.
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
from pathlib import Path
from typing import Any

from .common import params
from .common.command import run_stage
from .common.errors import BAD_CONFIG, UserError
from .convert import assets
from .corpus.sources import lock
from .corpus.sources.archives import extract

Files = dict[str, Path]  # name in the source, verified file


def copy(files: Files, out: Path) -> None:
    """Lay the members side by side below ``out``, in their folders but for the common one."""
    folders = [Path(name).parent for name in files]
    root = os.path.commonpath(folders) if folders else ""
    for name, file in files.items():
        target = out / Path(name).relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)


def build(named: Files, out: Path, asset: dict[str, Any]) -> None:
    """Turn verified source files into the asset folder, as the asset's ``convert`` says."""
    match asset["convert"]:
        case "copy":
            copy(named, out)
        case "unpack":
            for file in named.values():
                extract(file, asset["select"], out)
        case "judges":
            from .comet.checkpoints import published

            published(asset["metrics"], out)
        case "tiny_judges":
            from .comet.checkpoints import tiny

            tiny([text for _, text in assets.labelled(named.values())], out)
        case _:
            assets.convert(named, out, asset)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("asset", nargs="?",
                        help="a key of scales.<scale>.download, or suite.<key> of "
                             "suites.<suite>.download")
    parser.add_argument("out", nargs="?", type=Path, help="folder to fill, replaced if there")
    parser.add_argument("--relock", action="store_true",
                        help="hash the sources of the chosen scale and suite anew and rewrite "
                             "data/sources.lock; of addresses, those without a hash")
    args = parser.parse_args(argv)
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # a retry is no news, its end is
    if args.relock:
        lock.relock([params.get("scale"), f"suites.{params.get('suite')}"])
        return
    if args.out is None:
        parser.error("an asset and a folder are needed (or --relock)")
    name = args.asset.removeprefix("suite.")
    if name == args.asset:
        known, place = params.scaled("download"), params.get("scale")
    else:
        known, place = params.suite("download"), f"suites.{params.get('suite')}"
    if name not in known:
        raise UserError(f"params.yaml: no asset {name!r} there, only {', '.join(known)}",
                        BAD_CONFIG)
    asset = known[name]
    files = lock.obtain(f"{place}.{name}", asset["source"])
    part = args.out.with_name(args.out.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    build(files, part, asset)
    shutil.rmtree(args.out, ignore_errors=True)
    part.rename(args.out)


if __name__ == "__main__":
    run_stage(main)
