"""What produced a score: weights, tokenizer, prompt, decoding, versions.

Two result files may be compared only where these agree, so they are hashes wherever a name could
hide a change.
"""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .prompts import INSTRUCTION, sha16
from .weights import revision, sha256

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PACKAGES = ("torch", "transformers", "sacrebleu", "lm-eval", "fasttext", "unbabel-comet")


def signature(model: Path, tokenizer: PreTrainedTokenizerBase, prompts: list[str], seed: int,
              decoding: str) -> dict[str, Any]:
    """Identify a run of a model. ``prompts`` are rendered ones, hashed together."""
    return {
        "model": str(model), "revision": revision(model),
        "tokenizer": sha16(tokenizer.backend_tokenizer.to_str()),  # type: ignore[attr-defined]
        "template": sha16(str(tokenizer.chat_template) + INSTRUCTION),
        "prompt": sha16("\0".join(prompts)), "decoding": decoding,
        "dtype": "float32", "device": "cpu", "seed": seed,
        "versions": {"python": platform.python_version(),
                     **{package: version(package) for package in PACKAGES}}}


def spbleu(folder: Path, label: str) -> dict[str, Any]:
    """Name the sentencepiece model that tokenises for spBLEU. Only sacrebleu's own FLORES-101
    model may be labelled flores101; anything else is a stand-in and says so."""
    [file] = sorted(folder.glob("*.model"))
    return {"model": str(file), "label": label, "sha256": sha256(file),
            "is_flores101": label == "flores101"}
