"""A system as ``params.yaml: systems`` describes it, made ready to run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import weights

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

FOLDERS = ("base", "parent", "weights")  # what dvc.yaml lists as dependencies of a system


def is_encoder_decoder(folder: Path) -> bool:
    """Whether a base folder holds such a model; what was trained here is none."""
    file = folder / weights.CONFIG
    return file.is_file() and bool(json.loads(file.read_text(encoding="utf-8")).get(
        "is_encoder_decoder"))


def tokenizer(system: dict[str, Any]) -> PreTrainedTokenizerBase:
    """The tokenizer of a described system whose weights are served elsewhere."""
    from transformers import AutoTokenizer

    base, *_ = weights.chain(Path(system["weights"]), [Path(system[key]) for key in FOLDERS])
    found: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(base, local_files_only=True)
    return found


def load(system: dict[str, Any], device: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Return model (evaluation mode, on ``device``) and tokenizer of a described system.

    Raises UserError if its weights rest on a folder that the description does not name: DVC
    would not know that the result depends on it. ``derive``, if there, is that of
    ``derive.derived``.
    """
    if is_encoder_decoder(Path(system["weights"])):
        from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

        folder = system["weights"]
        translator = AutoModelForSeq2SeqLM.from_pretrained(
            folder, dtype=system["dtype"], local_files_only=True)
        return (translator.eval().to(device),
                AutoTokenizer.from_pretrained(folder, local_files_only=True))
    network, tokenizer = weights.load(Path(system["weights"]), system["dtype"],
                                      [Path(system[key]) for key in FOLDERS],
                                      system.get("derive"))
    return network.to(device), tokenizer  # type: ignore[arg-type]
