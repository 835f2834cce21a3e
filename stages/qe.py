"""Estimate translation quality; choose the training pairs by it. Two steps, run apart, so that a
new threshold does not score again.

score  in   data/langid: pairs; data/download/encoder; dev split of data/format/corpus/test.jsonl
       out  pairs with "qe" and auc.json: how well the scores tell damaged from right text;
            stats.json, dropped_sample.jsonl. The scorer is a published one (params: metric, which
            lies in place of the encoder), in shards where the input is; else comet-desk-qe, trained
            here, with its checkpoint/
select in   data/qe/score: pairs; data/download/model: its tokenizer
       out  pairs.jsonl, ready to train on: direction assigned, order shuffled; stats.json, with
            "tokens" by direction where they are the budget; dropped_sample.jsonl
paper  quality-estimation step of the data pipeline. Model and cut-off are not published: ours.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .comet import corruptions, estimator, rating
from .common import jsonl, params
from .common.command import run_stage
from .common.errors import UserError
from .common.funnel import Funnel
from .corpus import token_budget
from .corpus.selection import by_language, directed, order

Row = dict[str, Any]


def held_out(test: Path) -> dict[str, list[Row]]:
    """Dev rows of each language, which measure the scores."""
    return by_language([row for row in jsonl.read(test) if row["split"] == "dev"], "dev")


def score(pairs: Path, encoder: Path, dev: dict[str, list[Row]], out: Path, settings: Row,
          seed: int, threads: int) -> None:
    """Train the estimator, measure it on held-out text, score up to ``candidates`` a language.

    The rows it is trained on are not scored, since it would score them too well.
    """
    import torch

    torch.set_num_threads(threads)
    groups = by_language(list(jsonl.read(pairs / "pairs.jsonl")), "candidates")
    if not groups:
        raise UserError(f"{pairs}/pairs.jsonl is empty: langid kept nothing. Look at its stats")
    share = max(1, settings["train_rows"] // len(groups))
    known, chosen, funnel = [], [], Funnel()
    for group in groups.values():
        trained = min(share, len(group) // 2)  # at least half of a small language is scored
        for number, row in enumerate(group):
            funnel.see(row)
            if number < trained:
                known.append(row)
                funnel.drop(row, "trained_on")
            elif number < trained + settings["candidates"]:
                chosen.append(row)
                funnel.keep(row)
            else:
                funnel.drop(row, "not_scored")
    if not known:
        raise UserError(f"{pairs}/pairs.jsonl: no language has two pairs, one to train the "
                        "estimator on and one to score. Look at the stats of langid")
    checkpoint = estimator.train(encoder, corruptions.corruptions(known, corruptions.WORTH, seed),
                                settings, seed, out / "checkpoint")
    known_worth = corruptions.corruptions(
        [row for group in dev.values() for row in group[:settings["dev_rows"]]],
        corruptions.WORTH, seed)
    auc = estimator.auc_table(known_worth, estimator.score(checkpoint, known_worth,
                                                           settings["batch"]))
    values = estimator.score(checkpoint, [{"src": row["src"], "mt": row["tgt"]} for row in chosen],
                            settings["batch"])
    with jsonl.writer(out / "pairs.jsonl") as write:
        for row, value in zip(chosen, values, strict=True):
            write({**row, "qe": round(value, 4)})
    jsonl.write_json(out / "auc.json", {**auc, "note": f"{estimator.NAME}: synthetic corruptions, "
                                        "no human judgements; not CometKiwi"})
    funnel.write(out)


def select(scored: Path, out: Path, settings: Row) -> None:
    """Keep pairs at or above ``min_score``, up to each language's budget."""
    chosen, funnel = [], Funnel()
    groups = by_language(list(jsonl.read(scored / "pairs.jsonl")), "budget")
    for lang, group in groups.items():
        if lang not in settings["pairs"]:
            raise UserError(f"params.yaml: qe.select.pairs has no budget for {lang}")
        budget = settings["pairs"][lang]
        for row in group:
            funnel.see(row)
            if row["qe"] < settings["min_score"]:
                funnel.drop(row, "below_score")
            elif funnel.kept[lang] >= budget:
                funnel.drop(row, "over_budget")
            else:
                funnel.keep(row)
                chosen.append(row)
    chosen.sort(key=lambda row: order(row, "training"))
    with jsonl.writer(out / "pairs.jsonl") as write:
        for row in chosen:
            write(directed(row, settings["into_english"]))
    funnel.write(out)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    steps = parser.add_subparsers(dest="step", required=True)
    scoring = steps.add_parser("score", help="train the estimator and score the pairs")
    scoring.add_argument("pairs", type=Path, help="folder with pairs.jsonl")
    scoring.add_argument("encoder", type=Path, help="folder of the pretrained encoder")
    scoring.add_argument("test", type=Path, help="test pairs; the dev split measures the scores")
    scoring.add_argument("out", type=Path, help="output folder")
    choosing = steps.add_parser("select", help="choose training pairs by their scores")
    choosing.add_argument("pairs", type=Path, help="output folder of the step score")
    choosing.add_argument("model", type=Path, help="folder of the model, for its tokenizer")
    choosing.add_argument("out", type=Path, help="output folder")
    args = parser.parse_args(argv)
    seed, machine = params.get("seed"), params.get("machine")
    if args.step == "score":
        settings = params.scaled("qe.score")
        inputs = args.pairs, args.encoder, held_out(args.test), args.out, settings, seed
        if "metric" in settings:
            rating.rate(*inputs, machine["device"])
        else:
            score(*inputs, machine["threads"])
    elif "tokens" in params.scaled("qe.select"):
        token_budget.select(args.pairs, args.model, args.out, params.scaled("qe.select"))
    else:
        select(args.pairs, args.out, params.scaled("qe.select"))


if __name__ == "__main__":
    run_stage(main)
