"""What produced a score: weights, tokenizer, prompt, decoding, versions.

Two result files may be compared only where these agree, so they are hashes wherever a name could
hide a change.
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..common.hashes import file_sha256, of_json, text16
from .prompts import INSTRUCTION
from .weights import revision

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PACKAGES = ("torch", "transformers", "sacrebleu", "lm-eval", "fasttext", "unbabel-comet")


def made(model: Path, derive: dict[str, Any] | None) -> str:
    """Revision of the weights in a folder, or where ``derive`` says what is made of them in memory
    (``model.derive``) a hash of both."""
    stored = revision(model)
    return of_json({"weights": stored, "derive": derive}) if derive else stored


def signature(model: Path, tokenizer: PreTrainedTokenizerBase, prompts: list[str], seed: int,
              dtype: str, decoding: str, derive: dict[str, Any] | None = None,
              instruction: str = INSTRUCTION) -> dict[str, Any]:
    """Identify a run of a model. ``prompts`` are rendered ones, hashed together; ``instruction``
    is what they were rendered from.

    Device and threads belong to the machine: they are in the run's cost records, not here. Of
    Python the series is named, whose patches change no number of ours.
    """
    return {
        "model": str(model), "derive": derive, "revision": made(model, derive),
        "tokenizer": text16(tokenizer.backend_tokenizer.to_str()),  # type: ignore[attr-defined]
        "template": text16(str(tokenizer.chat_template) + instruction),
        "prompt": text16("\0".join(prompts)), "decoding": decoding,
        "dtype": dtype, "seed": seed,
        "versions": {"python": "{}.{}".format(*sys.version_info),
                     **{package: version(package) for package in PACKAGES}}}


def spbleu(folder: Path, label: str) -> dict[str, Any] | None:
    """Name the sentencepiece model that tokenises for spBLEU, and its hash: `significance` lets
    only the official models carry their labels. Of several in a folder, <label>.model; None if it
    is not among them."""
    files = sorted(folder.glob("*.model"))
    named = [file for file in files if file.stem == label] if len(files) > 1 else files
    if not named:
        return None
    return {"model": str(named[0]), "label": label, "sha256": file_sha256(named[0])}


def spbleus(folder: Path, label: str) -> dict[str, Any]:
    """What meta.json says of the suite's tokenizer, and of FLORES-200's where it lies beside it."""
    several = len(list(folder.glob("*.model"))) > 1
    second = spbleu(folder, "flores200") if several and label != "flores200" else None
    return {"spbleu": spbleu(folder, label), **({"spbleu200": second} if second else {})}
