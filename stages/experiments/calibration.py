"""Calibrate the scorer on published numbers: WMT22, German to English, nine systems.

    python -m stages.experiments.calibration

in     data/download/calibration   texts, published scores and human ranking (readers/wmt22.py)
       params significance.alpha
out    reports/<scale>/<suite>/calibration/calibration.json, without any text:
       scores   BLEU and chrF of every system against either reference and against both, as
                published and as computed here from this project's segment statistics
       pairs    all pairs of systems: what people say, and the difference by every metric with its
                standard error, interval and p, corrected for the number of pairs
       agreement  how often each metric says of a pair what people say

The statistics are those of the translation tables: units left out one at a time (jackknife), t.
The published files name no documents, so the unit is the sentence.
"""

from __future__ import annotations

import argparse
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

from ..common import jsonl, params
from ..common.command import run_stage
from ..common.errors import BAD_CONFIG, UserError
from ..corpus.readers import wmt22
from ..rows import lexical
from ..rows.lexical import Array, Grams
from ..rows.segments import Metric
from ..statistics.translation import estimates, human_ranking

Row = dict[str, Any]
FOLDER = Path("data/download/calibration")
ALL = "all"  # the publishers' word for both references at once


def nearest(outputs: Grams, references: list[Grams]) -> Grams:
    """Several references as BLEU takes them: of an n-gram as many as any one of them holds, and
    the length that is nearest to the output's, the shorter one where two are."""
    lengths = np.stack([side.lengths for side in references])
    distance = 2 * np.abs(lengths - outputs.lengths) + (lengths > outputs.lengths)
    counts = references[0].counts
    for side in references[1:]:
        counts = [mine.maximum(theirs) for mine, theirs in zip(counts, side.counts, strict=True)]
    return Grams(lengths[distance.argmin(0), np.arange(lengths.shape[1])], counts)


def best(tables: list[Array]) -> Array:
    """Several references as chrF takes them: of each segment the one that it scores best against,
    the first where equal."""
    stacked = np.stack(tables)
    return stacked[lexical.chrf(stacked).argmax(0), np.arange(stacked.shape[1])]


def segment_statistics(systems: dict[str, list[str]], references: dict[str, list[str]],
                       ) -> dict[str, Array]:
    """Statistics (systems, segments, columns) of "bleu-A", "chrf-A", and so on for every reference,
    and of "bleu-all" and "chrf-all" for all of them at once."""
    sides, tokens = [*systems.values(), *references.values()], Tokenizer13a()
    words = lexical.bleu_grams([[tokens(text).split() for text in side] for side in sides])
    characters = lexical.chrf_grams(sides)
    found: dict[str, list[Array]] = {}
    for system in range(len(systems)):
        chrf = []
        for place, name in enumerate(references, len(systems)):
            chrf.append(lexical.chrf_statistics(characters[system], characters[place])[
                :, :lexical.CHRF_COLUMNS])
            found.setdefault(f"bleu-{name}", []).append(
                lexical.ngram_statistics(words[system], words[place]))
            found.setdefault(f"chrf-{name}", []).append(chrf[-1])
        found.setdefault(f"bleu-{ALL}", []).append(lexical.ngram_statistics(
            words[system], nearest(words[system], words[len(systems):])))
        found.setdefault(f"chrf-{ALL}", []).append(best(chrf))
    return {name: np.stack(tables) for name, tables in found.items()}


def metric(name: str, references: int) -> Metric:
    """How "bleu-A", "chrf-all" and the like are scored, and their signature."""
    kind, _, against = name.partition("-")
    signature = lexical.bleu_signature("13a", "") if kind == "bleu" else lexical.chrf_signature(0)
    if against == ALL:
        signature = signature.replace("nrefs:1", f"nrefs:{references}")
    return Metric(name, name, signature, lexical.bleu if kind == "bleu" else lexical.chrf)


def calibrate(published: Row, alpha: float) -> Row:
    """The content of calibration.json, from what ``wmt22.published`` returns."""
    systems, references = list(published["systems"]), published["references"]
    ranked = [name for name in published["human"] if name in systems]  # a reference was judged too
    if lacking := sorted(set(systems) - set(ranked)):
        raise UserError(f"{FOLDER}: {lacking[0]} is not in the human ranking. Fetch the set again: "
                        "run `dvc repro download`")
    statistics = segment_statistics(published["systems"], references)
    metrics = {name: metric(name, len(references)) for name in statistics}
    segments = np.arange(len(published["source"]))
    scored = {name: estimates.scored(metrics[name], table[:, None], segments)
              for name, table in statistics.items()}
    scores = [{"system": system, "metric": name, "published": published["scores"][system].get(name),
               "ours": float(scored[name].whole[systems.index(system), 0])}
              for system in ranked for name in metrics]
    size = np.ones((1, len(segments)))
    pairs = [{"better": better, "worse": worse, "human": published["human_pairs"][better][worse],
              "by": {name: estimates.estimate(estimates.minus(
                  one, systems.index(better), systems.index(worse)), size, [0])._asdict()
                  for name, one in scored.items()}}
             for better, worse in combinations(ranked, 2)]
    return {"segments": len(segments), "unit": "sentences", "alpha": alpha,
            "signatures": {name: one.signature for name, one in metrics.items()},
            "human": {name: published["human"][name] for name in ranked},
            "scores": scores, **human_ranking.judged(pairs, alpha)}


def main(argv: list[str] | None = None) -> None:
    argparse.ArgumentParser(description=__doc__.split("\n")[0]).parse_args(argv)
    source = params.suite("download.calibration.source")
    if source == "none":
        raise UserError("params.yaml: this suite has no set to calibrate on "
                        "(suites.<suite>.download.calibration). Choose suite: standard", BAD_CONFIG)
    found = calibrate(wmt22.published(FOLDER), params.get("significance.alpha"))
    out = Path("reports") / params.get("scale") / params.get("suite") / "calibration"
    jsonl.write_json(out / "calibration.json", {"source": source, **found})


if __name__ == "__main__":
    run_stage(main)
