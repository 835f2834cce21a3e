"""Which tables and figures the report shows, from significance.json and `records`.

in     the data model of `significance`; training logs and the data funnel from `records`
out    tables sorted into the report's sections, with directions in words; figures by name
"""

from __future__ import annotations

from typing import Any

from . import evidence, figures
from .render import Table

METRICS = {"chrf++": "chrF++", "chrf": "chrF", "spbleu": "spBLEU"}
GROUPS = {"into_eng": "Into English", "out_of_eng": "Out of English",
          "low_resource": "Low resource", "mid_resource": "Mid resource",
          "high_resource": "High resource"}


def place(direction: str) -> str:
    """A direction or a group of directions in words."""
    return GROUPS.get(direction) or evidence.arrow(direction)


def versus(contrast: str) -> str:
    """xplus-base as 'xplus against base'."""
    return " against ".join(map(evidence.system, contrast.split("-")))


def metric_name(metric: str) -> str:
    """A metric's usual spelling."""
    return METRICS.get(metric, metric)


def worded(table: Table) -> Table:
    """The table with directions in words, a rule above the first group of directions."""
    rows, grouped = [], False
    for row in table["rows"]:
        if (direction := row.get("direction")) is not None:
            row = {**row, "direction": place(direction),
                   "rule": direction in GROUPS and not grouped}
            grouped |= direction in GROUPS
        rows.append(row)
    return {**table, "rows": rows}


def headline(model: dict[str, Any], contrasts: list[str], metric: str) -> Table:
    """The table of the README: the first system by direction and group, and its reasoning."""
    rows = []
    first = contrasts[0].split("-")[0]
    for contrast in (name for name in contrasts if name.split("-")[0] == first):
        found = model["headline"]["translation"].get(contrast, {})
        named = {**found.get("directions", {}), **{name: found.get(name) for name in
                                                   ("into_eng", "out_of_eng")}}
        rows += [{"comparison": versus(contrast), "what": f"{metric_name(metric)}, {place(name)}",
                  **by_metric[metric]} for name, by_metric in named.items()
                 if by_metric and metric in by_metric]
        if reasoned := model["headline"]["reasoning"].get(contrast):
            rows.append({"comparison": versus(contrast), "what": "reasoning, mean over tasks, %",
                         **reasoned["macro"]})
    return {
        "id": "headline", "title": "Headline", "rows": rows, "notes": [],
        "says": "The primary metric by direction and the mean over reasoning tasks.",
        "cannot": "Anything about other models, domains or training runs.",
        "columns": [
            {"key": "comparison", "label": "Comparison", "kind": "text"},
            {"key": "what", "label": "What", "kind": "text"},
            {"key": "baseline", "label": "Before", "kind": "float", "digits": 1},
            {"key": "system", "label": "After", "kind": "float", "digits": 1},
            {"key": "delta", "label": "Δ", "kind": "float", "digits": 2},
            {"key": "ci", "label": "95 % CI", "kind": "interval", "digits": 2},
            {"key": "p_holm", "label": "p Holm", "kind": "p"},
            {"key": "verdict", "label": "Verdict", "kind": "verdict"}]}


def sections(tables: list[Table], contrast: str, metric: str) -> dict[str, list[Table]]:
    """Tables by section of the report. What no section claims is provenance, so none is lost."""
    found: dict[str, list[Table]] = {name: [] for name in (
        "translation", "fewshot", "more", "reasoning", "provenance")}
    for table in tables:
        kind, _, rest = table["id"].partition(".")
        about, _, measured = rest.rpartition(".")
        if kind in ("t1_reasoning", "t2_aggregate"):
            section = "reasoning"
        elif kind not in ("t3_translation", "floors"):
            section = "provenance"
        elif measured != metric:
            section = "more"
        else:
            section = "translation" if about in (contrast, "") else (
                "fewshot" if "fewshot" in about else "more")
        found[section].append(worded(table))
    return found


def not_above_copying(tables: list[Table], metric: str) -> list[dict[str, Any]]:
    """Directions in which the system is not shown to beat the copied source."""
    found = [table["rows"] for table in tables if table["id"] == f"floors.{metric}"]
    rows: list[dict[str, Any]] = found[0] if found else []
    return [row for row in rows if row["direction"] not in GROUPS
            and row.get("ci") and row["ci"][0] <= 0]


def difference(row: dict[str, Any] | None) -> Any:
    """(difference, interval), or None where there is none."""
    return (row["delta"], row["ci"]) if row and row.get("ci") and row["delta"] is not None else None


def draw(model: dict[str, Any], training: dict[str, Any], steps: list[Any],
         contrasts: list[str], metric: str, margin: float) -> dict[str, Any]:
    """Every figure that the data allow, by name."""
    rows = {table["id"]: table["rows"] for table in model["tables"] if table["rows"]}
    drawn: dict[str, Any] = {}
    if configs := training["configs"]:
        drawn["layers"] = figures.layers(next(iter(configs.values()))["depth"], *(
            configs.get(stage, {"layers": []})["layers"] for stage in ("train_s1", "train_s2")))
    if steps:
        drawn["funnel"] = figures.funnel(steps)
    if training["curves"]:
        drawn["loss"] = figures.loss(training["curves"], training["held_out"])
    if levels := rows.get(f"floors.{metric}"):
        names = {"copy_source": "copied source", "shuffled_refs": "shuffled references"}
        drawn["levels"] = figures.levels([place(row["direction"]) for row in levels], {
            system: [row[system] for row in levels] for system in figures.SYSTEMS
            if system in levels[0]}, evidence.SYSTEMS | names, metric_name(metric))
    gains = {name: {row["direction"]: row for row in rows[key]} for name in contrasts
             if (key := f"t3_translation.{name}.{metric}") in rows}
    if gains:
        directions = list(next(iter(gains.values())))
        drawn["gains"] = figures.forest(list(map(place, directions)), {
            versus(name): [difference(found.get(one)) for one in directions]
            for name, found in gains.items()}, f"difference in {metric_name(metric)}")
    if tasks := rows.get(f"t1_reasoning.{contrasts[0]}"):
        wholes = rows.get(f"t2_aggregate.{contrasts[0]}", [])
        both = [*((row["task"], row) for row in tasks),
                *((row["aggregate"], row) for row in wholes)]
        drawn["forest"] = figures.forest([name for name, _ in both], {
            versus(contrasts[0]): [difference(row) for _, row in both]},
            "difference, points", margin)
        system, baseline = map(evidence.system, contrasts[0].split("-"))
        drawn["discordance"] = figures.discordance(
            [(row["task"], row["b"], row["c"]) for row in tasks], f"only {system}",
            f"only {baseline}")
    curves = model["curves"].get("margin", {})
    if shown := {versus(name): list(zip(curves[name]["margin_pp"], curves[name]["p_ni"],
                                        strict=True)) for name in contrasts if name in curves}:
        drawn["sensitivity"] = figures.sensitivity(shown, model["meta"]["alpha"], margin)
    return drawn
