"""A published scorer over shards of pairs: streamed, continued after a kill, no cut-off in it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from ..common import jsonl, shards
from ..common.errors import BAD_CONFIG, UserError
from ..common.funnel import Funnel
from . import checkpoints, corruptions, estimator, judges

Row = dict[str, Any]


def known(metric: str, row: Row) -> bool:
    """Whether the scorer's encoder saw both languages of a pair."""
    return judges.unknown(metric, f"{row['src_lang']}-{row['tgt_lang']}") is None


def scores(model: Any, samples: list[dict[str, str]], settings: Row) -> list[float]:
    """Scores of {"src", "mt"}, in order. ``settings``: "metric", "tokens" a batch, "dtype"."""
    if not samples:
        return []
    values = judges.predict(model, samples, settings["tokens"], settings["metric"],
                            settings["dtype"])
    if not all(map(math.isfinite, values)):
        raise UserError(f"{settings['metric']}: a score is no number in {settings['dtype']}. Set "
                        "qe.score.dtype to float32", BAD_CONFIG)
    return values


def one_shard(source: Path, target: Path, settings: Row) -> Row:
    """Write the rows of a shard with their "qe"; return what was counted. Holds a batch in memory.

    ``settings``: those of ``scores``, "device", and "folder" of the scorer. A pair of a language
    that the scorer does not know stays as it is.
    """
    funnel, model = Funnel(), None
    with jsonl.writer(target) as write:
        for batch in shards.batches(jsonl.read(source)):
            usable = [known(settings["metric"], row) for row in batch]
            if any(usable) and model is None:
                model = checkpoints.load(settings["metric"], Path(settings["folder"])).to(
                    settings["device"])
            values = iter(scores(model, [{"src": row["src"], "mt": row["tgt"]} for row, fits
                                         in zip(batch, usable, strict=True) if fits], settings))
            for row, fits in zip(batch, usable, strict=True):
                funnel.see(row)
                funnel.keep(row)
                write({**row, "qe": round(next(values), 4)} if fits else row)
    return funnel.state()


def rate(pairs: Path, folder: Path, dev: dict[str, list[Row]], out: Path, settings: Row, seed: int,
         device: str) -> None:
    """Score every pair by the published ``settings["metric"]``, which has a folder of its name in
    ``folder``, in one process, which fills its device; and measure it on the held-out text of each
    language.
    """
    settings, funnel, metric = {**settings, "device": device}, Funnel(), settings["metric"]
    folder = folder / metric
    for state in shards.mapped(one_shard, (pairs, "pairs"), (out, "pairs"), settings,
                               {"folder": folder}, {"engine": "local", "threads": 1}):
        funnel.add(state)
    usable = [[row for row in group if known(metric, row)] for group in dev.values()]
    worth = corruptions.corruptions([row for group in usable for row in
                                     group[:settings["dev_rows"]]], corruptions.WORTH, seed)
    auc = estimator.auc_table(worth, scores(
        checkpoints.load(metric, folder).to(device),
        [{"src": row["src"], "mt": row["mt"]} for row in worth], settings))
    jsonl.write_json(out / "auc.json", {**auc, "note": f"{metric}: synthetic corruptions, no human "
                                        "judgements; a judge of its family must not stand alone"})
    funnel.write(out, {"metric": metric})
