"""The same systems judged by other suites: does a finding carry from one kind of text to another?

in     reports/<scale>/<suite>/significance.json of every suite of the scale
       .../rows/<system>/translation.json   which weights were judged, and on what text
out    a table, a figure and sentences; nothing where no other suite has judged these weights

Only suites that judged the same weights stand side by side; the others are named, not compared.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from .. import evidence, exhibits, figures
from ..render import Table

Row = dict[str, Any]


class Judged(NamedTuple):
    """A suite: its name, what it translates, its data model, the weights of system and baseline."""

    suite: str
    test_set: str
    model: dict[str, Any]
    weights: tuple[str, ...]


def judged(reports: Path, pair: tuple[str, str]) -> list[Judged]:
    """Every suite below ``reports`` that holds the contrast ``pair``, by name."""
    found = []
    for file in sorted(reports.glob("*/significance.json")):
        model = evidence.load(file)
        about = [evidence.load(file.parent / "rows" / system / "translation.json")
                 for system in pair]
        if all(about) and any((one["system"], one["baseline"]) == pair
                              for one in exhibits.contrasts(model)):
            found.append(Judged(file.parent.name, about[0]["test_set"], model, tuple(
                one["signature"]["revision"] for one in about)))
    return found


def findings(model: dict[str, Any], pair: tuple[str, str]) -> dict[str, Row]:
    """{what was measured: its row} of a contrast, translation first."""
    [contrast] = [one for one in exhibits.contrasts(model)
                  if (one["system"], one["baseline"]) == pair]
    metric, translated = model["meta"]["primary_metric"], contrast["translation"]
    by_name = {**translated["directions"],
               **{name: translated[name] for name in exhibits.GROUPS if name in translated}}
    rows = {f"{exhibits.metric_name(metric)}, {exhibits.place(name)}": by_metric[metric]
            for name, by_metric in by_name.items()}
    return rows | {what: row for part, what in exhibits.REASONING.items()
                   if (row := contrast.get("reasoning", {}).get(part))}


def verdict(row: Row) -> str:
    """The verdict that stands, the weaker one where a second contrast had to confirm it."""
    return str(row.get("stands") or row["verdict"])


def sentences(both: list[tuple[Judged, dict[str, Row]]]) -> list[str]:
    """What carried from the first suite to each other one."""
    (first, mine), *others = both
    found = []
    for other, theirs in others:
        fates: dict[str, list[str]] = {"carries to": [], "does not carry to": [],
                                       "turns into a loss on": [], "": []}
        for what, row in theirs.items():
            gained, there = what in mine and verdict(mine[what]) == "better", verdict(row)
            if gained:
                fates["carries to" if there == "better" else "turns into a loss on"
                      if there == "worse" else "does not carry to"].append(what)
            elif there == "worse":
                fates[""].append(what)
        where, there = (f"{one.test_set} ({one.suite})" for one in (first, other))
        found += [f"A gain on {where} {fate} {there}: {'; '.join(names)}." if fate else
                  f"A loss on {there}: {'; '.join(names)}."
                  for fate, names in fates.items() if names]
    return found


def exhibit(reports: Path, suite: str, pair: tuple[str, str]) -> tuple[Table | None, Any, Row]:
    """(table, figure, {"says": sentences, "apart": suites that judged other weights})."""
    all_suites = judged(reports, pair)
    here = [one for one in all_suites if one.suite == suite]
    same = [one for one in all_suites if here and one.weights == here[0].weights]
    apart = [one.suite for one in all_suites if one not in same]
    if len(same) < 2:
        return None, None, {"says": [], "apart": apart}
    both = [(one, findings(one.model, pair)) for one in same]
    names = list(dict.fromkeys(what for _, rows in both for what in rows))
    columns: list[Row] = [{"key": "what", "label": "What", "kind": "text"}]
    table_rows: list[Row] = [{"what": what} for what in names]
    for one, rows in both:
        columns += [
            {"key": f"{one.suite}_delta", "label": f"Δ, {one.suite}", "kind": "float",
             "digits": 2},
            {"key": f"{one.suite}_ci", "label": f"{one.model['meta']['level']} CI",
             "kind": "interval", "digits": 2},
            {"key": f"{one.suite}_verdict", "label": "Verdict", "kind": "verdict"}]
        for row in table_rows:
            found = rows.get(row["what"])
            row |= {f"{one.suite}_delta": found and found["delta"],
                    f"{one.suite}_ci": found and found.get("ci"),
                    f"{one.suite}_verdict": verdict(found) if found else None}
    table: Table = {
        "id": "suites", "title": f"{exhibits.versus({'system': pair[0], 'baseline': pair[1]})}, "
        "suite by suite", "rows": table_rows, "columns": columns,
        "notes": [f"{one.suite}: {one.test_set}. {one.model['meta']['evidence']}"
                  for one in same],
        "says": "The same two systems on the tests of every suite.",
        "cannot": "Differences between suites are not tested: texts, tasks and lengths differ."}
    translated = [what for what in names if what not in exhibits.REASONING.values()]
    figure = figures.forest(
        [what.split(", ", 1)[1] for what in translated],
        {f"{one.test_set} ({one.suite})": [exhibits.difference(rows.get(what))
                                           for what in translated] for one, rows in both},
        f"difference in {exhibits.metric_name(same[0].model['meta']['primary_metric'])}")
    return table, figure, {"says": sentences(both), "apart": apart}
