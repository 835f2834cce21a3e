"""Paired tests of every contrast: the one data model behind all tables and figures.

in     data/eval_mt/<system>/{segments.jsonl,meta.json}
       data/eval_reason/<system>/{items.jsonl,meta.json}
       params.yaml: significance   contrasts, margins, resamples: fixed before results
       params.yaml: suites.<suite> metrics, margins in their units, what the suite can show
out    rows/                       what the statistics rest on, without test text
       significance.json           the data model, computed from those rows and nothing else
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
from .rows import results
from .rows.published import publish
from .statistics import endpoints, tables
from .statistics.analysis import model


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.
                                     RawDescriptionHelpFormatter)
    parser.add_argument("translations", type=Path,
                        help="folder with a folder of segments.jsonl and meta.json per system")
    parser.add_argument("answers", type=Path,
                        help="folder with a folder of items.jsonl and meta.json per system; "
                             "contrasts that it lacks are left out")
    parser.add_argument("out", type=Path, nargs="?", help="the JSON file to write; "
                        "the rows go into a folder beside it")
    parser.add_argument("metrics", type=Path, nargs="?", help="a second, short JSON file")
    parser.add_argument("--endpoints", metavar="SYSTEM", help="print the hash of all that is fixed "
                        "beforehand and stop; from the files of one untuned system, so that it can "
                        "be committed before a tuned one is scored")
    args = parser.parse_args(argv)
    settings = {**params.get("significance"), "metrics": params.suite("metrics"),
                "primary_metric": params.suite("primary_metric"),
                "equivalence": params.suite("equivalence"),
                "margin_logprob": params.suite("margin_logprob"),
                "endpoints_sha256": params.suite("endpoints_sha256")}
    if args.endpoints:
        print(endpoints.endpoints(settings, *endpoints.keys(
            {args.endpoints: results.translations(args.translations / args.endpoints)},
            {args.endpoints: results.answers(args.answers / args.endpoints)})))
        return
    if args.out is None:
        parser.error("an output file is needed (or --endpoints)")
    rows = args.out.parent / "rows"
    publish(args.translations, args.answers, settings, params.suite("evidence"), rows)
    found = model(rows)
    jsonl.write_json(args.out, found)
    if args.metrics:
        jsonl.write_json(args.metrics, tables.metrics(found))


def command() -> None:
    """The entry point of an installed package, ``llamax2-significance``."""
    run_stage(main)


if __name__ == "__main__":
    command()
