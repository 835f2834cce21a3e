"""A folder in which a stage's ``main`` finds params.yaml and its inputs."""

import json
from pathlib import Path
from typing import Any

from stages.common import jsonl

MACHINE = {"device": "cpu", "threads": 1, "launch": "single", "processes": 1, "save_steps": 0,
           "save_minutes": 0, "engine": "local"}
RECIPE = {"method": "layers", "seed": 1, "shuffle_targets": False, "replay": 0.0, "kl": 0.0,
          "lora": {"rank": 2, "alpha": 4, "targets": ["q_proj", "down_proj"]}}
STAGE = {"pairs": [0, 1], "epochs": 1}
TRAIN = {"schedule": "cosine", "warmup": 0.03, "weight_decay": 0.0,
         "clip": 1.0, "batch": 2, "accumulation": 1, "dev_pairs": 2, "check_pairs": 2}
SETTINGS = RECIPE | STAGE | TRAIN | {"lr": 1e-2}  # as a training stage resolves them


def params(folder: Path, depth: int, bottom: int = 1, top: int = 2, skip: tuple[int, ...] = (),
           recipe: dict[str, Any] | None = None, **sections: Any) -> None:
    """Write params.yaml (JSON is YAML) with one scale that holds ``sections``."""
    (folder / "params.yaml").write_text(json.dumps({
        "scale": "s", "suite": "s", "suites": {"s": {}}, "seed": 1, "machine": MACHINE,
        "layers": {"bottom": bottom, "top": top, "skip": list(skip)},
        "train": RECIPE, "train_s1": STAGE | {"layers": "bottom"},
        "train_s2": STAGE | {"layers": "top"}, **(recipe or {}),
        "scales": {"s": {"model": {"name": "toy", "depth": depth, "system": None}, **sections}}}))


def pairs(file: Path, count: int, **extra: Any) -> Path:
    """Write ``count`` parallel rows."""
    with jsonl.writer(file) as write:
        for n in range(count):
            write({"id": f"t:{n}", "src": f"The cat number {n} sleeps.",
                   "tgt": f"El gato número {n} duerme.", "src_lang": "eng_Latn",
                   "tgt_lang": "spa_Latn", "origin": "test", **extra})
    return file
