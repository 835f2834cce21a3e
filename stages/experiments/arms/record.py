"""What follows from the results of all arms: their states, statistics and the log of dev scores."""

from __future__ import annotations

import shutil
from statistics import fmean
from typing import Any

from ...common import jsonl, manifest
from ...statistics.arms.analysis import model
from .. import dev_log
from .plan import Plan

Row = dict[str, Any]


def table(plan: Plan) -> list[Row]:
    """Every arm and seed in order: state, minutes, overrides."""
    rows: list[Row] = []
    seen = set(plan.usual.values())
    for arm in plan.arms.values():
        about = {"arm": arm.name, "question": arm.question, "expects": arm.expects,
                  "screen": arm.screen, "set": arm.set, "flip": arm.flip,
                 "seed": None, "minutes": None}
        if arm.needs or arm.flip:
            rows.append({**about, "state": f"not run: needs {arm.needs}" if arm.needs
                         else "from rows"})
            continue
        for seed in arm.seeds:
            run, state = plan.one(arm, seed), plan.state(arm, seed)
            minutes = None if state == "done" else plan.minutes(
                run or plan.supposed(arm, seed), seen)
            rows.append({**about, "seed": seed, "state": state, "minutes": minutes,
                         "set": run.set if run else arm.set})
    return rows


def write(plan: Plan) -> list[Row]:
    """Write what follows from the results: states, statistics, the log of dev scores, hashes.

    Returns ``table``. Nothing here is kept that results do not hold, so a stop loses nothing.
    """
    rows = table(plan)
    for half in plan.folder.glob("*/*.part"):  # of a run that was killed as it collected
        shutil.rmtree(half)
    jsonl.write_json(plan.folder / "arms.json", [
        {key: value for key, value in row.items() if key != "minutes"} for row in rows])
    if (plan.run / "rows/settings.json").is_file():
        jsonl.write_json(plan.folder / "statistics.json", model(plan.run))
    tried = []
    for row in rows:
        if row["state"] == "done" and (found := plan.result(row["arm"], row["seed"])):
            dev = found["quick"]["dev"]
            tried.append(dev_log.Tried(
                f"arm {row['arm']}-{row['seed']}",
                str(found["quick"]["segments"] * len(dev)), found["quick"]["metric"],
                f"{fmean(dev.values()):.2f}", "arms"))
    if tried:
        dev_log.add(plan.run.parent / "dev_log.csv", tried)
    manifest.write(plan.folder)
    return rows
