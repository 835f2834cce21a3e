"""A folder in which a stage's ``main`` finds params.yaml and its inputs."""

import json
from pathlib import Path
from typing import Any

from stages.common import jsonl

MACHINE = {"device": "cpu", "threads": 1}
TRAIN = {"epochs": 1, "schedule": "cosine", "warmup": 0.03, "weight_decay": 0.0,
         "clip": 1.0, "batch": 2, "accumulation": 1, "dev_pairs": 2}


def params(folder: Path, depth: int, bottom: int = 1, top: int = 2, skip: tuple[int, ...] = (),
           recipe: dict[str, Any] | None = None, **sections: Any) -> None:
    """Write params.yaml (JSON is YAML) with one scale that holds ``sections``."""
    (folder / "params.yaml").write_text(json.dumps({
        "scale": "s", "suite": "s", "suites": {"s": {}}, "seed": 1, "machine": MACHINE,
        "layers": {"bottom": bottom, "top": top, "skip": list(skip)},
        **(recipe or {}),
        "scales": {"s": {"model": {"name": "toy", "depth": depth, "system": None}, **sections}}}))


def pairs(file: Path, count: int, **extra: Any) -> Path:
    """Write ``count`` parallel rows."""
    with jsonl.writer(file) as write:
        for n in range(count):
            write({"id": f"t:{n}", "src": f"The cat number {n} sleeps.",
                   "tgt": f"El gato número {n} duerme.", "src_lang": "eng_Latn",
                   "tgt_lang": "spa_Latn", "origin": "test", **extra})
    return file
