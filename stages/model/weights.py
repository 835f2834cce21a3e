"""Load a system: the base model, and what the training stages changed on top of it.

A training stage stores only the tensors it trained (``layers.safetensors``) and a config that
names its parent and the parent's hash. ``load`` walks that chain down to the base folder, checks
every hash and lays the tensors on top of each other, so base + s1 + s2 is the tuned model.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from ..common.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

BASE_WEIGHTS, DELTA_WEIGHTS, CONFIG = "model.safetensors", "layers.safetensors", "config.json"


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def revision(folder: Path) -> str:
    """What identifies the weights of a base folder or of a training stage's output."""
    delta = folder / DELTA_WEIGHTS
    return sha256(delta if delta.exists() else folder / BASE_WEIGHTS)


def chain(folder: Path) -> list[Path]:
    """Folders from the base model up to ``folder``, hashes checked on the way."""
    if not (folder / CONFIG).is_file():
        raise UserError(f"{folder} holds no model. Run `dvc repro` to build it")
    if not (folder / DELTA_WEIGHTS).exists():
        return [folder]
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    parent = Path(config["parent"])
    if (found := revision(parent)) != config["parent_sha256"]:
        raise UserError(f"{folder} was trained on {parent} {config['parent_sha256'][:12]}, but "
                        f"{parent} is now {found[:12]}. Run `dvc repro` to train it again")
    return [*chain(parent), folder]


def load(folder: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Return model (float32, evaluation mode) and tokenizer of a base or trained folder."""
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM, AutoTokenizer

    base, *deltas = chain(folder)
    model = AutoModelForCausalLM.from_pretrained(base, dtype="float32", local_files_only=True)
    for delta in deltas:
        tensors = load_file(delta / DELTA_WEIGHTS)
        unexpected = model.load_state_dict(tensors, strict=False).unexpected_keys
        if unexpected:
            raise UserError(f"{delta / DELTA_WEIGHTS} holds tensors that {base} does not have: "
                            f"{unexpected[:3]}")
    return model.eval(), AutoTokenizer.from_pretrained(base, local_files_only=True)
