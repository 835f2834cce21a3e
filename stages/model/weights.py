"""Load a system: the base model, and what the training stages changed on top of it.

A training stage stores only the tensors it trained (``layers.safetensors``) and a config that
names its parent and the parent's revision. ``load`` walks that chain down to the base folder,
checks every revision and lays the tensors on top of each other, so base + s1 + s2 is the tuned
model. A pair of LoRA factors is merged into the matrix it changes.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..common.errors import BAD_CONFIG, UserError
from ..common.hashes import file_sha256, of_json
from .derive import derived
from .layer_names import depth_of, layer_path

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

DELTA_WEIGHTS, CONFIG = "layers.safetensors", "config.json"
LORA_A, LORA_B = ".lora_A.weight", ".lora_B.weight"  # factors of the change of <module>.weight


def _config(folder: Path) -> dict[str, Any]:
    if not (folder / CONFIG).is_file():
        raise UserError(f"{folder} holds no model. Run `dvc repro` to build it")
    config: dict[str, Any] = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    return config


def revision(folder: Path) -> str:
    """What identifies the model in a base folder or in a training stage's output (SHA-256).

    Of a base folder it covers the name and content of every weight file, one or many shards with
    their index, and of the config; of a trained folder the trained tensors and the revision of
    the parent, so two models are never alike because the same or nothing was trained on them.
    """
    config, delta = _config(folder), folder / DELTA_WEIGHTS
    if delta.exists():
        return of_json({"parent": config["parent_sha256"], DELTA_WEIGHTS: file_sha256(delta)})
    shards = sorted(folder.glob("*.safetensors"))
    if not shards:
        raise UserError(f"{folder} holds no weights (*.safetensors). Run `dvc repro` to build it")
    files = [folder / CONFIG, *folder.glob("*.safetensors.index.json"), *shards]
    return of_json({file.name: file_sha256(file) for file in files})


def chain(folder: Path, declared: Sequence[Path] | None = None) -> list[Path]:
    """Folders from the base model up to ``folder``, revisions checked on the way.

    ``declared`` are the folders that the chain may consist of; None allows every folder.
    """
    if declared is not None and folder.resolve() not in [path.resolve() for path in declared]:
        raise UserError(f"{folder} is part of the system but not declared, so no change of it "
                        "would be noticed: declare it in params.yaml: systems", BAD_CONFIG)
    config = _config(folder)
    if not (folder / DELTA_WEIGHTS).exists():
        return [folder]
    parent = Path(config["parent"])
    below = chain(parent, declared)
    if (found := revision(parent)) != config["parent_sha256"]:
        raise UserError(f"{folder} was trained on {parent} {config['parent_sha256'][:12]}, but "
                        f"{parent} is now {found[:12]}. Run `dvc repro` to train it again")
    return [*below, folder]


def stored(base: Path, names: Collection[str]) -> dict[str, Tensor]:
    """The named tensors of a base folder, one or many shards, as its files hold them."""
    from safetensors import safe_open

    found: dict[str, Tensor] = {}
    for shard in sorted(base.glob("*.safetensors")):
        with safe_open(shard, "pt") as file:
            found |= {name: file.get_tensor(name) for name in set(file.keys()) & set(names)}
    return found


def changed(base: Path, deltas: Sequence[Path]) -> dict[str, Tensor]:
    """The tensors that training stages on top of ``base`` left other than they found them."""
    from safetensors.torch import load_file

    tensors: dict[str, Tensor] = {}
    for delta in deltas:
        trained = load_file(delta / DELTA_WEIGHTS)
        factors = {name.removesuffix(LORA_A) for name in trained if name.endswith(LORA_A)}
        tensors |= stored(base, {f"{at}.weight" for at in factors} - set(tensors))
        for at in factors:
            tensors[f"{at}.weight"] = (tensors[f"{at}.weight"].float()
                                       + trained.pop(at + LORA_B) @ trained.pop(at + LORA_A))
        tensors |= trained
    return tensors


def load(folder: Path, dtype: str = "float32", declared: Sequence[Path] | None = None,
         derive: dict[str, Any] | None = None,
         ) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Return model (evaluation mode, on the CPU) and tokenizer of a base or trained folder.

    ``dtype`` is the name of a torch type; ``declared`` is that of ``chain``, ``derive`` that of
    ``derive.derived``.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    base, *deltas = chain(folder, declared)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=dtype, local_files_only=True)
    tensors = changed(base, deltas)
    if unexpected := sorted(set(tensors) - set(model.state_dict())):
        raise UserError(f"{folder / DELTA_WEIGHTS} holds tensors that {base} does not have: "
                        f"{unexpected[:3]}")
    if derive:
        tensors = derived(stored(base, tensors), tensors, derive, layer_path(model),
                          depth_of(model))
    model.load_state_dict(tensors, strict=False)
    return model.eval(), AutoTokenizer.from_pretrained(base, local_files_only=True)
