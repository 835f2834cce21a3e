"""Give the base its best chance: choose its system turn, shots and draw of shots on dev.

    python -m stages.experiments.prompt_grid

in     params systems.base, suites.<suite>.{eval_mt, metrics, primary_metric}
       data/format/corpus/test.jsonl (dev split), data/download/{lid, spm}
out    reports/<scale>/<suite>/prompt_grid/rows.jsonl.gz   published rows, with "configuration"
       .../result.json           every configuration with its scores; "winner", a block of systems
       reports/<scale>/dev_log.csv   a row each
       data/prompt_grid/<key>.json   one finished part each, so that a broken run goes on

{template's default system turn, empty one} x {0, 1, 4, 8} shots x 3 draws translate the first 30
dev segments of every direction; the best three translate all. The mean of the directions' scores
decides. Decoding and length limit are those of every system. The examples' pool is never scored.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from ..common import jsonl, params
from ..common.command import offline, run_stage
from ..common.errors import BAD_CONFIG, UserError
from ..common.hashes import of_json, text16
from ..corpus import language_id
from ..decoding import greedy, translation
from ..model import provenance
from ..model.prompts import INSTRUCTION
from ..model.system import load
from ..model.weights import revision
from ..rows import extraction
from ..rows.published import write_rows
from ..rows.results import FLAGGED
from ..rows.segments import LEXICAL
from . import dev_log

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Row = dict[str, Any]
TURNS = {"default": None, "empty": ""}
SHOTS = (0, 1, 4, 8)
DRAWS, SCREENED, BEST = 3, 30, 3  # draws of shots; segments a direction; configurations
DATA, SCRATCH = Path("data"), Path("data/prompt_grid")


def configurations() -> dict[str, Row]:
    """{name: system, shots, draw}. Without shots there is nothing to draw."""
    return {f"{turn}-{shots}" + (f"-draw{draw}" if shots else ""):
            {"system": text, "shots": shots, "draw": draw}
            for turn, text in TURNS.items() for shots in SHOTS
            for draw in range(DRAWS if shots else 1)}


class Base:
    """The base, ready to translate dev rows in any configuration."""

    network: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase

    def __init__(self, system: Row, dev: list[Row], languages: list[str], settings: Row,
                 metrics: list[str], device: str) -> None:
        self.system, self.settings = system, settings
        self.network, self.tokenizer = load(system, device)
        self.stop = greedy.newline_tokens(self.tokenizer)
        self.detect = language_id.load(DATA / "download/lid")
        self.kinds = extraction.lexical_metrics(metrics, {
            "spbleu": provenance.spbleu(DATA / "download/spm", settings["spbleu_label"])})
        self.split = {language: translation.dev(dev, language) for language in languages}
        self.identity = [revision(Path(system["weights"])), system["dtype"],
                         settings["max_new_tokens"],
                         text16(str(self.tokenizer.chat_template) + INSTRUCTION),
                         {name: kind.signature for name, kind in self.kinds.items()}]

    def segments(self, part: slice) -> int:
        """How many translations a part asks for, all directions together."""
        return 2 * sum(len(scored[part]) for _, scored in self.split.values())

    def translate(self, configuration: Row, part: slice) -> list[Row]:
        """Published rows of a configuration on a part of the dev rows."""
        found = []
        for language, into_pivot, direction in translation.directions(self.split):
            pool, scored = self.split[language]
            solved = translation.examples(pool, configuration["shots"], configuration["draw"])
            todo, shown = ([translation.turned(row, into_pivot) for row in rows]
                           for rows in (scored[part], solved))
            if not todo:
                continue
            answers, _ = translation.ask(self.network, self.tokenizer, todo, shown,
                                         configuration["system"], self.settings, self.stop,
                                         direction)
            references, outputs = [row["tgt"] for row in todo], [hyp for hyp, _ in answers]
            about = language_id.flags(self.detect, todo[0]["tgt_lang"], outputs, references)
            rows = [translation.result(row, answer) | flags
                    for row, answer, flags in zip(todo, answers, about, strict=True)]
            stats = {}
            for name, kind in self.kinds.items():
                right, mine = kind.ready([references, outputs])
                stats[name] = kind.statistics(mine, right).astype(int).tolist()
            found += [{**{field: row[field] for field in FLAGGED},
                       "stats": {name: counts[place] for name, counts in stats.items()}}
                      for place, row in enumerate(rows)]
        return found

    def finished(self, configuration: Row, part: slice) -> Row:
        """{"seconds", "rows"} of a part, from its file where an earlier run has finished it."""
        rows = [[pool, scored[part]] for pool, scored in self.split.values()]
        file = SCRATCH / f"{of_json([self.identity, configuration, rows])[:16]}.json"
        if not file.is_file():
            start = time.monotonic()
            found = self.translate(configuration, part)
            jsonl.write_json(file, {"seconds": round(time.monotonic() - start, 1), "rows": found})
        done: Row = json.loads(file.read_text(encoding="utf-8"))
        return done


def scored(rows: list[Row], metric: str) -> dict[str, float]:
    """{direction: corpus score}."""
    sums: dict[str, Any] = {}
    for row in rows:
        sums[row["direction"]] = sums.get(row["direction"], 0) + np.array(row["stats"][metric])
    return {direction: float(LEXICAL[metric][1](total)) for direction, total in sums.items()}


def run(base: Base, metric: str) -> tuple[list[Row], dict[str, list[Row]]]:
    """(table of the configurations, best first; their rows): all are screened, the best go on."""
    wanted, rows, table = configurations(), dict[str, list[Row]](), dict[str, Row]()
    screen, rest = slice(SCREENED), slice(SCREENED, None)
    total = len(wanted) * base.segments(screen) + BEST * base.segments(rest)
    print(f"prompt_grid: {len(wanted)} configurations on {base.segments(screen)} segments, the "
          f"best {BEST} on {base.segments(rest)} more: {total} translations", file=sys.stderr)
    bar, seconds = tqdm(total=total, unit="seg", desc="prompt grid"), 0.0

    def add(name: str, part: slice) -> None:
        nonlocal seconds
        done = base.finished(wanted[name], part)
        rows[name] = rows.get(name, []) + done["rows"]
        scores = scored(rows[name], metric)
        table[name] = {
            "configuration": name, **wanted[name], "segments": len(rows[name]),
            "mean": fmean(scores.values()), "by_direction": scores,
            "seconds": table.get(name, {}).get("seconds", 0) + done["seconds"]}
        bar.update(len(done["rows"]))
        seconds += done["seconds"]
        bar.set_postfix_str(f"about {seconds / bar.n * total / 60:.0f} min in all")

    def ranked(names: Iterable[str]) -> list[str]:
        return sorted(names, key=lambda name: -table[name]["mean"])  # ties: as configured

    with bar:
        for name in wanted:
            add(name, screen)
        screened = ranked(wanted)
        for rank, name in enumerate(screened, 1):
            table[name] |= {"screen": table[name]["mean"], "screen_rank": rank}
        for name in screened[:BEST]:
            kept = {key: table[name][key] for key in ("screen", "screen_rank")}
            add(name, rest)
            table[name] |= kept
    order = ranked(screened[:BEST]) + screened[BEST:]
    return [{**table[name], "rank": rank} for rank, name in enumerate(order, 1)], rows


def main(argv: list[str] | None = None) -> None:
    argparse.ArgumentParser(description=__doc__.split("\n")[0]).parse_args(argv)
    system, settings = params.system("base"), params.suite("eval_mt")
    metric = params.suite("primary_metric")
    if metric not in LEXICAL:
        raise UserError(f"params.yaml: primary_metric {metric}: dev is scored by "
                        f"{' or '.join(LEXICAL)}. Choose one of them for this experiment",
                        BAD_CONFIG)
    offline(params.scaled("offline"))
    import torch

    torch.set_num_threads(params.get("machine.threads"))
    base = Base(system, list(jsonl.read(DATA / "format/corpus/test.jsonl")),
                list(params.scaled("format.languages")), settings, params.suite("metrics"),
                params.get("machine.device"))
    table, rows = run(base, metric)
    best = table[0]
    reports = Path("reports") / params.get("scale")
    out = reports / params.get("suite") / "prompt_grid"
    write_rows(out / "rows.jsonl.gz", ({"configuration": row["configuration"], **segment}
                                       for row in table for segment in rows[row["configuration"]]))
    jsonl.write_json(out / "result.json", {
        "metric": base.kinds[metric].signature, "max_new_tokens": settings["max_new_tokens"],
        "pool": translation.POOL, "screened": SCREENED, "configurations": table,
        "winner": {**params.get("systems.base"), **{
            key: best[key] for key in ("system", "shots", "draw")}}})
    dev_log.add(reports / "dev_log.csv", [dev_log.Tried(
        f"base, prompt {row['configuration']}", str(segments), metric, f"{score:.2f}",
        f"prompt of the base, {purpose}") for row in table for segments, score, purpose in (
            (base.segments(slice(SCREENED)), row["screen"], "screening"),
            (row["segments"], row["mean"], "choice"))
        if purpose == "screening" or row["rank"] <= BEST])
    print(f"prompt_grid: {best['configuration']}, mean {metric} {best['mean']:.2f} over "
          f"{len(best['by_direction'])} directions, {best['segments']} segments; {out}")


if __name__ == "__main__":
    run_stage(main)
