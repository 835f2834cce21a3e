"""Paired tests of every contrast: the one data model behind all tables and figures.

in     data/eval_mt/<system>/{segments.jsonl,meta.json}
       data/eval_reason/<system>/{items.jsonl,meta.json}
       params.yaml: significance   contrasts, margins, resamples: fixed before results
       params.yaml: suites.<suite> metrics, margin of equivalence, what the suite can show
out    significance.json           the data model
       metrics.json                the few numbers by which experiments are compared
paper  claims "+15 spBLEU" and "reasoning comparable" and tests neither: all of this is ours

Runs alone on any two folders of result files in the same form. Which test stands behind which
verdict: `stages/statistics/closed_forms.py`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from .common import jsonl, params
from .common.command import run_stage
from .statistics import tables
from .statistics.analysis import model


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.
                                     RawDescriptionHelpFormatter)
    parser.add_argument("translations", type=Path,
                        help="folder with a folder of segments.jsonl and meta.json per system")
    parser.add_argument("answers", type=Path,
                        help="folder with a folder of items.jsonl and meta.json per system; "
                             "contrasts that it lacks are left out")
    parser.add_argument("out", type=Path, help="the JSON file to write")
    parser.add_argument("metrics", type=Path, nargs="?", help="a second, short JSON file")
    args = parser.parse_args(argv)
    settings = {**params.get("significance"), "metrics": params.suite("metrics"),
                "primary_metric": params.suite("primary_metric"),
                "equivalence": params.suite("equivalence")}
    found = model(args.translations, args.answers, settings, params.suite("evidence"))
    jsonl.write_json(args.out, found)
    if args.metrics:
        jsonl.write_json(args.metrics, tables.metrics(found))


def command() -> None:
    """The entry point of an installed package, ``llamax2-significance``."""
    run_stage(main)


if __name__ == "__main__":
    command()
