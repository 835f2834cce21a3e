"""Neural scores of translations by unbabel-comet's own models, apart from translating.

Rows in, one score a row out: a new metric translates nothing again. What comet's ``predict`` does
to a batch is done here to batches that are sorted by length and filled up to a number of tokens;
a test compares the scores. An empty output gets whatever the model gives it, which can be much:
the rows' flags say where that is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..common.errors import UserError
from . import checkpoints

Row = dict[str, Any]


def unknown(metric: str, direction: str) -> str | None:
    """Why a metric has no score in a direction, such as eng_Latn-ceb_Latn, or None."""
    checkpoints.described(metric)
    new = [lang for lang in direction.split("-") if lang not in checkpoints.KNOWN]
    return f"{metric} does not know {' and '.join(new)}: its encoder saw none" if new else None


def kin(metric: str, chosen_by: str) -> str | None:
    """Why a metric may favour models trained on data that ``chosen_by`` filtered, or None."""
    judge, filters = checkpoints.described(metric), checkpoints.METRICS.get(chosen_by)
    if filters is None or filters.family != judge.family:
        return None
    return f"{metric} and {chosen_by}, which chose the training data, are of one family"


def batches(lengths: Sequence[int], tokens: int) -> list[list[int]]:
    """Positions in order of length, as many a batch as fit into ``tokens`` with their padding."""
    found: list[list[int]] = []
    for position in sorted(range(len(lengths)), key=lengths.__getitem__):  # the last is the longest
        if not found or (len(found[-1]) + 1) * lengths[position] > tokens:
            found.append([])
        found[-1].append(position)
    return found


def predict(model: Any, samples: list[dict[str, str]], tokens: int, progress: str,
            dtype: str = "float32") -> list[float]:
    """Scores of comet samples {"src", "mt"[, "ref"]}, in order, on the model's device.

    Weights stay as they are; another ``dtype`` than float32 is that of the matrix products.
    """
    import torch
    from tqdm import tqdm

    lengths = [0] * len(samples)
    for side in samples[0]:
        ids = model.encoder.tokenizer([sample[side] for sample in samples])["input_ids"]
        lengths = [a + len(b) for a, b in zip(lengths, ids, strict=True)]
    scores = [math.nan] * len(samples)
    products = torch.autocast(model.device.type, getattr(torch, dtype),
                              enabled=dtype != "float32")
    with (torch.inference_mode(), products,
          tqdm(total=len(samples), desc=progress, unit="seg") as bar):
        for chosen in batches(lengths, tokens):
            batch = model.prepare_sample([samples[i] for i in chosen], stage="predict")
            batch = model.transfer_batch_to_device(batch, model.device, 0)
            for i, value in zip(chosen, model.predict_step(batch)["scores"].tolist(), strict=True):
                scores[i] = value
            bar.update(len(chosen))
    return scores


def score(metric: str, rows: list[Row], folder: Path, tokens: int, device: str = "cpu",
          dtype: str = "float32") -> list[float | None]:
    """Scores of segment rows {"src", "hyp", "ref", "direction"}, in order; higher is better.

    ``folder`` is what ``checkpoints.fetch`` made; the rest is that of ``scored``.
    """
    if all(unknown(metric, row["direction"]) for row in rows):
        return [None] * len(rows)
    return scored(metric, checkpoints.load(metric, folder).to(device), rows, tokens, dtype)


def scored(metric: str, model: Any, rows: list[Row], tokens: int, dtype: str = "float32",
           ) -> list[float | None]:
    """``score`` of a loaded model. ``tokens`` bounds those of source, output and reference in a
    batch, padding included. A row is None where ``unknown`` says why.
    """
    usable = [i for i, row in enumerate(rows) if unknown(metric, row["direction"]) is None]
    scores: list[float | None] = [None] * len(rows)
    if not usable:
        return scores
    sides = {"src": "src", "mt": "hyp"} | (
        {"ref": "ref"} if checkpoints.described(metric).references else {})
    found = predict(model, [{side: rows[i][key] for side, key in sides.items()} for i in usable],
                    tokens, metric, dtype)
    for i, value in zip(usable, found, strict=True):
        if not math.isfinite(value):
            raise UserError(f"{metric}: row {i} ({rows[i]['direction']}) has the score {value} in "
                            f"{dtype}. Score in float32")
        scores[i] = value
    return scores
