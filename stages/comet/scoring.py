"""The scoring pass: what every neural metric says of every system's translations.

in   <judges>/<metric>/                    metrics, as ``checkpoints.fetch`` leaves them
     <translations>/<system>/segments.jsonl
out  <out>/<system>.jsonl   {"direction", "id", "hyp_hash", "scores": {metric: score}}
     <out>/meta.json        {"metrics": {metric: which, how, "unknown": {direction: why},
                            "kin": why it may favour what it filtered}}

A system's scores do not depend on the other systems. Without metrics there is meta.json alone.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..common import jsonl
from ..common.hashes import of_json, text16
from . import checkpoints, judges

Row = dict[str, Any]


def about(metric: str, folder: Path, directions: list[str], settings: Row, chosen_by: str) -> Row:
    """What meta.json says of a metric."""
    manifest, known = checkpoints.verify(metric, folder), checkpoints.described(metric)
    reasons = {direction: judges.unknown(metric, direction) for direction in directions}
    return {"hub": known.hub, "revision": manifest["revision"], "licence": known.licence,
            "sha256": manifest["files"][checkpoints.CHECKPOINT], "encoder": known.encoder,
            "encoder_revision": known.encoder_revision, "dtype": settings["dtype"],
            "tokens": settings["tokens"], "comet": version("unbabel-comet"),
            "references": known.references, "kin": judges.kin(metric, chosen_by),
            "unknown": {direction: why for direction, why in reasons.items() if why}}


def score(folder: Path, translations: dict[str, list[Row]], settings: Row, device: str,
          scratch: Path) -> dict[str, list[float | None]]:
    """Scores by system of one metric. What is scored is kept in ``scratch`` until all is."""
    metric, model, found = folder.name, None, {}
    manifest = checkpoints.verify(metric, folder)
    for system, rows in translations.items():
        texts = [[row["src"], row["hyp"], row["ref"], row["direction"]] for row in rows]
        key = of_json([manifest, settings, device, texts])
        file = scratch / f"{metric}.{key[:16]}.json"
        if not file.exists():
            if model is None:
                model = checkpoints.load(metric, folder).to(device)
            jsonl.write_json(file, judges.scored(metric, model, rows, settings["tokens"],
                                                 settings["dtype"]))
        found[system] = json.loads(file.read_text(encoding="utf-8"))
    return found


def run(judged_by: Path, translations: dict[str, Path], settings: Row, device: str,
        chosen_by: str, scratch: Path, out: Path) -> None:
    """Write the scores of all systems; ``chosen_by`` names what filtered the training pairs."""
    rows = {system: list(jsonl.read(file)) for system, file in translations.items()}
    directions = sorted({row["direction"] for mine in rows.values() for row in mine})
    folders = [path.parent for path in sorted(judged_by.glob(f"*/{checkpoints.MANIFEST}"))]
    scores = {folder.name: score(folder, rows, settings, device, scratch) for folder in folders}
    for system, mine in rows.items() if folders else ():
        with jsonl.writer(out / f"{system}.jsonl") as write:
            for number, row in enumerate(mine):
                values = {metric: by_system[system][number]
                          for metric, by_system in scores.items()}
                write({"direction": row["direction"], "id": row["id"],
                       "hyp_hash": text16(row["hyp"]), "scores": {
                           metric: value for metric, value in values.items() if value is not None}})
    jsonl.write_json(out / "meta.json", {"metrics": {
        folder.name: about(folder.name, folder, directions, settings, chosen_by)
        for folder in folders}})
