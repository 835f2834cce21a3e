"""Run the arms of ``params.yaml: arms`` as DVC experiments.

    python -m stages.experiments.arms list|run|collect|check

in     params arms, and everything that the pipeline reads; dvc.lock of its last run
       reports/<scale>/<suite>/arms/<arm>/<seed>/result.json of arms that are done
out    reports/<scale>/<suite>/arms/arms.json   every arm and its state, for the report
       .../<arm>/<seed>/   result.json {arm, seed, set, question, identity, commit, scores, drift,
                           quick checks, hashes, seconds}; unless screened only, the published rows
                           of the tuned system (see ``rows.published``)
       .../base.json       quick scores of the base
       .../statistics.json what is said about all of them (see ``statistics.arms``)
       .../checked.json    pairs of code, by hash, shown to give equal bytes
       .../SHA256SUMS      of all these
       reports/<scale>/dev_log.csv   a row for each dev score

list     arms in order, minutes by recorded stage costs, state
run      every arm and seed without a result that holds, one after the other, each a DVC experiment
         named <arm>-<seed> in a temporary copy (`dvc exp run --temp`), then collects it
collect  collects an experiment that was run by hand under that name
check    runs the reference arm again after a change of code and compares bytes
"""

from __future__ import annotations

import argparse

from ...common.command import run_stage
from . import experiment, record
from .plan import Plan, named, running


def show() -> None:
    """Print the plan, and write what follows from the results, unless a run is about to."""
    plan = Plan()
    rows = record.table(plan) if running() else record.write(plan)
    asked = ""
    for place, row in enumerate(rows, 1):
        if row["question"] != asked:
            print(asked := row["question"])
        seed = "" if row["seed"] is None else row["seed"]
        test = "" if row["seed"] is None else "screen" if row["screen"] else "whole"
        cost = "" if row["minutes"] is None else f"{row['minutes']:.0f} min"
        print(f"{place:5}  {row['arm']:22} {seed:>9} {test:7} {cost:>7}  {row['state']}")
    left = [row["minutes"] for row in rows if row["minutes"] is not None]
    print(f"{len(rows)} arms and seeds, {sum(row['state'] == 'done' for row in rows)} done; about "
          f"{sum(left) / 60:.1f} hours for {len(left)} of the others, by the stages' recorded cost")


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    steps = parser.add_subparsers(dest="step", required=True)
    steps.add_parser("list", help="print every arm, its minutes and its state")
    run = steps.add_parser("run", help="run and collect what has no result")
    run.add_argument("--only", metavar="NAME", help="this arm, or this <arm>-<seed>")
    run.add_argument("--again", action="store_true", help="stale results too")
    one = steps.add_parser("collect", help="collect an experiment that was run by hand")
    one.add_argument("arm")
    one.add_argument("seed", type=int)
    steps.add_parser("check", help="does changed code still give the reference arm's bytes?")
    args = parser.parse_args(argv)
    experiment.recover()  # before any plan, which would read a killed arm's overrides as settings
    match args.step:
        case "run":
            experiment.run_all(args.only, args.again)
        case "check":
            experiment.check(Plan())
        case "collect":
            plan = Plan()
            print(experiment.collect(named(plan, args.arm, args.seed), plan,
                                     experiment.git("rev-parse", "HEAD"), None))
    show()


if __name__ == "__main__":
    run_stage(main)
