"""comet-desk-qe: a real COMET quality estimator, small enough to train on a desk.

Architecture: unbabel-comet's ReferencelessRegression (Rei et al. 2020, "COMET: A neural framework
for MT evaluation"; dual encoder, feed-forward head on [t, s, t*s, |t-s|]). The encoder is frozen;
only the head is trained, on synthetic corruptions of the training corpus. There are no human
judgements in it, so it is not CometKiwi and not comparable to it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..common import jsonl
from ..launch import workers

if TYPE_CHECKING:
    import torch

Row = dict[str, Any]
NAME = "comet-desk-qe"
CHECK = 32  # rows scored through comet's own predict() as well


def embed(model: Any, texts: Iterable[str], batch: int) -> dict[str, torch.Tensor]:
    """{text: sentence embedding}, each text once, in length-sorted batches side by side."""
    import torch
    from tqdm import tqdm

    def encoded(part: list[str]) -> np.ndarray:
        with torch.inference_mode():
            tokens = model.encoder.prepare_sample(part)
            found = model.get_sentence_embedding(tokens["input_ids"], tokens["attention_mask"])
            return np.asarray(found)

    ordered = sorted(set(texts), key=lambda text: (len(text), text))
    parts = [ordered[start:start + batch] for start in range(0, len(ordered), batch)]
    vectors: dict[str, torch.Tensor] = {}
    with tqdm(total=len(ordered), desc="encode", unit="sent") as bar:
        for place, found in workers.mapped(encoded, parts, model.device):
            vectors |= zip(parts[place], torch.from_numpy(found), strict=True)
            bar.update(len(found))
    return vectors


def features(rows: list[Row], vectors: dict[str, torch.Tensor]) -> torch.Tensor:
    """Input of the head, shape (rows, 4 x hidden), as ReferencelessRegression.forward builds it."""
    import torch

    src = torch.stack([vectors[row["src"]] for row in rows])
    mt = torch.stack([vectors[row["mt"]] for row in rows])
    return torch.cat([mt, src, mt * src, (mt - src).abs()], dim=1)


def train(encoder: Path, rows: list[Row], settings: Row, seed: int, out: Path) -> Path:
    """Train the head on corrupted ``rows``; write a COMET checkpoint; return its path.

    ``out`` gets checkpoints/model.ckpt and hparams.yaml, what comet.load_from_checkpoint reads.
    """
    import torch
    from comet.models import ReferencelessRegression
    from ruamel.yaml import YAML
    from transformers import AutoConfig

    torch.manual_seed(seed)
    depth = AutoConfig.from_pretrained(encoder).num_hidden_layers
    model = ReferencelessRegression(
        encoder_model="XLM-RoBERTa", pretrained_model=str(encoder), local_files_only=True,
        layer=depth, pool="avg", hidden_sizes=settings["hidden"], dropout=settings["dropout"],
        learning_rate=settings["lr"], nr_frozen_epochs=1)
    model.eval()
    vectors = embed(model, [row[side] for row in rows for side in ("src", "mt")],
                    settings["batch"])
    inputs = features(rows, vectors)
    wanted = torch.tensor([row["score"] for row in rows])
    head = model.estimator.train()
    optimizer = torch.optim.AdamW(head.parameters(), lr=settings["lr"])
    for _ in range(settings["epochs"]):
        for chosen in torch.randperm(len(rows)).split(settings["batch"]):
            loss = torch.nn.functional.mse_loss(head(inputs[chosen]).squeeze(1), wanted[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    hparams = dict(model.hparams) | {"class_identifier": "referenceless_regression_metric"}
    checkpoint = out / "checkpoints/model.ckpt"
    with jsonl.open_atomic(checkpoint, "wb") as file:
        torch.save({"state_dict": model.state_dict(), "hyper_parameters": hparams,
                    "pytorch-lightning_version": "2.0.0"}, file)
    with jsonl.open_atomic(out / "hparams.yaml") as file:
        YAML(typ="safe").dump(hparams, file)
    return checkpoint


def score(checkpoint: Path, rows: list[Row], batch: int) -> list[float]:
    """Scores of {"src", "mt"} rows, in order; higher is better, about 0 to 1.

    The checkpoint is loaded by unbabel-comet. Sentences that recur (the English side) are encoded
    once; that this equals comet's own predict() is checked on the first rows of every call.
    """
    import torch
    from comet import load_from_checkpoint

    model = load_from_checkpoint(str(checkpoint), local_files_only=True).eval()
    vectors = embed(model, [row[side] for row in rows for side in ("src", "mt")], batch)
    with torch.inference_mode():
        scores = model.estimator(features(rows, vectors)).squeeze(1).tolist()
    sample = [{"src": row["src"], "mt": row["mt"]} for row in rows[:CHECK]]
    again = model.predict(sample, batch_size=batch, gpus=0, num_workers=0,
                          progress_bar=False).scores
    if not np.allclose(scores[:CHECK], again, atol=1e-4):
        raise RuntimeError("scores differ from comet's predict(): "
                           f"{np.abs(np.subtract(scores[:CHECK], again)).max():.2g}")
    return scores


def auc(good: list[float], bad: list[float]) -> float:
    """Probability that a good pair scores above a bad one, ties counting half."""
    from scipy.stats import rankdata

    ranks = rankdata([*good, *bad])[:len(good)]
    return float((ranks.sum() - len(good) * (len(good) + 1) / 2) / (len(good) * len(bad)))


def auc_table(rows: list[Row], scores: list[float]) -> Row:
    """AUC of rows of kind "good" against the others: all, by kind of damage, by language."""
    def area(kind: str | None = None, lang: str | None = None) -> float:
        mine = [(row["kind"], value) for row, value in zip(rows, scores, strict=True)
                if lang in (None, row["lang"])]
        return auc([v for k, v in mine if k == "good"],
                   [v for k, v in mine if k != "good" and kind in (None, k)])

    return {"all": area(), "n": len(rows),
            "by_kind": {kind: area(kind=kind) for kind in sorted({r["kind"] for r in rows})
                        if kind != "good"},
            "by_lang": {lang: area(lang=lang) for lang in sorted({r["lang"] for r in rows})}}
