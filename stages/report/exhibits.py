"""Which tables and figures the report shows, from significance.json and `evidence`.

in     the data model of `significance`; training logs and the data funnel from `evidence`
out    tables sorted into the report's sections, with directions in words; figures by name

A contrast is an entry of the headline, with its fields "system" and "baseline"; a table says in
"about" what it is of. No name is taken apart.
"""

from __future__ import annotations

from typing import Any

from . import evidence, figures
from .render import Table, number

Contrast = dict[str, Any]
METRICS = {"chrf++": "chrF++", "chrf": "chrF", "spbleu": "spBLEU"}
GROUPS = {"into_eng": "Into English", "out_of_eng": "Out of English",
          "low_resource": "Low resource", "mid_resource": "Mid resource",
          "high_resource": "High resource"}
REASONING = {"macro": "reasoning, mean over tasks, %",
             "logprob": "log-probability of the right choice, nats"}


def place(direction: str) -> str:
    """A direction or a group of directions in words."""
    return GROUPS.get(direction) or evidence.arrow(direction)


def contrasts(model: dict[str, Any]) -> list[Contrast]:
    """The headline's entries, the first contrast first."""
    return [model["headline"][name] for name in model["meta"]["contrasts"]]


def versus(contrast: Contrast) -> str:
    """A contrast as 'xplus against base'."""
    return f"{evidence.system(contrast['system'])} against {evidence.system(contrast['baseline'])}"


def metric_name(metric: str) -> str:
    """A metric's usual spelling."""
    return METRICS.get(metric, metric)


def worded(table: Table) -> Table:
    """The table with directions in words, a rule above the first group of directions."""
    rows, grouped = [], False
    for row in table["rows"]:
        if (direction := row.get("direction")) is not None:
            row = {**row, "direction": place(direction),
                   "set_off": direction in GROUPS and not grouped}
            grouped |= direction in GROUPS
        rows.append(row)
    return {**table, "rows": rows}


def headline(model: dict[str, Any]) -> Table:
    """The table of the README: every contrast by group of directions and its reasoning; the first
    contrast also by direction. A verdict is the weaker one where a second contrast has to confirm
    it (the row's "stands")."""
    meta = model["meta"]
    metric, rows = meta["primary_metric"], []
    for place_of, contrast in enumerate(contrasts(model)):
        found = contrast["translation"]
        named = {**(found["directions"] if not place_of else {}),
                 **{name: found[name] for name in ("into_eng", "out_of_eng") if name in found}}
        for name, by_metric in named.items():
            rows.append({"comparison": versus(contrast), **by_metric[metric],
                         "what": f"{metric_name(metric)}, {place(name)}"})
        for part, what in REASONING.items():
            if row := contrast.get("reasoning", {}).get(part):
                rows.append({"comparison": versus(contrast), "what": what, **row})
    for row in rows:
        row["verdict"] = row.get("stands") or row["verdict"]
    return {
        "id": "headline", "title": "Headline", "rows": rows, "notes": [],
        "says": "The primary metric by direction and group, and the means over reasoning tasks.",
        "cannot": "Anything about other models, domains or training runs.",
        "columns": [
            {"key": "comparison", "label": "Comparison", "kind": "text"},
            {"key": "what", "label": "What", "kind": "text"},
            {"key": "baseline", "label": "Before", "kind": "float", "digits": 1},
            {"key": "system", "label": "After", "kind": "float", "digits": 1},
            {"key": "delta", "label": "Δ", "kind": "float", "digits": 2},
            {"key": "ci", "label": f"{meta['level']} CI", "kind": "interval", "digits": 2},
            {"key": "p_holm", "label": "p Holm", "kind": "p"},
            {"key": "kind", "label": "Gain in", "kind": "text"},
            {"key": "verdict", "label": "Verdict", "kind": "verdict"}]}


def section(about: dict[str, Any], first: Contrast, metric: str) -> str:
    """The section of the report that shows a table."""
    kind, mine = about["kind"], about.get("system") in (first["system"], None)
    if kind in ("reasoning", "aggregate", "logprob", "power"):
        return "reasoning" if mine else "more_reasoning"
    if kind not in ("translation", "floors", "off_target", "level"):
        return "provenance"
    if about.get("metric", metric) != metric or not mine:
        return "more"
    if about.get("baseline") in (first["baseline"], None):
        return "translation"
    return "second" if kind == "translation" else "more"


def sections(model: dict[str, Any]) -> dict[str, list[Table]]:
    """Tables by section of the report."""
    found: dict[str, list[Table]] = {name: [] for name in (
        "translation", "second", "more", "reasoning", "more_reasoning", "provenance")}
    first = contrasts(model)[0]
    for table in (one for one in model["tables"] if one["rows"]):
        found[section(table["about"], first, model["meta"]["primary_metric"])].append(
            worded(table))
    return found


def find(model: dict[str, Any], **about: Any) -> Table | None:
    """The table whose "about" holds these values, if it has rows."""
    for table in model["tables"]:
        if table["rows"] and all(table["about"].get(key) == about[key] for key in about):
            return table
    return None


def rules(model: dict[str, Any]) -> dict[str, str]:
    """{direction: its rule of language ID}, of directions that have one."""
    table = find(model, kind="off_target", metric=model["meta"]["primary_metric"])
    return {row["direction"]: row["rule"] for row in (table["rows"] if table else [])
            if row["direction"] not in GROUPS and row["rule"]}


def other_metrics(contrast: Contrast, primary: str) -> list[str]:
    """Where another metric gives a group of directions another verdict, a sentence each."""
    found = []
    for name in ("into_eng", "out_of_eng"):
        by_metric = contrast["translation"].get(name, {})
        said = {metric: row.get("stands") or row["verdict"] for metric, row in by_metric.items()}
        found += [f"By {metric_name(metric)}, {place(name)[0].lower()}{place(name)[1:]} is "
                  f"{verdict} ({number(row['delta'], 2, signed=True)}), not {said[primary]}."
                  for metric, verdict in said.items()
                  if verdict != said[primary] and (row := by_metric[metric])["delta"] is not None]
    return found


def not_above_copying(model: dict[str, Any]) -> list[dict[str, Any]]:
    """Directions in which the system is not shown to beat the copied source."""
    table = find(model, kind="floors", metric=model["meta"]["primary_metric"])
    return [row for row in (table["rows"] if table else []) if row["direction"] not in GROUPS
            and row.get("ci") and row["ci"][0] <= 0]


def fluent(contrast: Contrast, metric: str) -> list[str]:
    """Directions whose gain is fluency: most of it survives shuffled references."""
    return [name for name, by_metric in contrast["translation"]["directions"].items()
            if by_metric[metric].get("kind") == "fluency"]


def difference(row: dict[str, Any] | None) -> Any:
    """(difference, interval), or None where there is none."""
    return (row["delta"], row["ci"]) if row and row.get("ci") and row["delta"] is not None else None


def draw(model: dict[str, Any], training: dict[str, Any], steps: list[Any]) -> dict[str, Any]:
    """Every figure that the data allow, by name."""
    drawn: dict[str, Any] = {}
    if configs := training["configs"]:
        drawn["layers"] = figures.layers(next(iter(configs.values()))["depth"], *(
            configs.get(stage, {"layers": []})["layers"] for stage in ("train_s1", "train_s2")))
    if steps:
        drawn["funnel"] = figures.funnel(steps)
    if training["curves"]:
        drawn["loss"] = figures.loss(training["curves"], training["held_out"])
    return drawn | draw_translation(model) | draw_reasoning(model)


def draw_translation(model: dict[str, Any]) -> dict[str, Any]:
    """Levels of every system, and differences by contrast."""
    drawn, metric = {}, model["meta"]["primary_metric"]
    if floors := find(model, kind="floors", metric=metric):
        words = {"copy_source": "copied source", "shuffled_refs": "shuffled references"}
        names = [*evidence.known_first(floors["about"]["systems"]), *words]
        drawn["levels"] = figures.levels(
            [place(row["direction"]) for row in floors["rows"]],
            {name: [row[name] for row in floors["rows"]] for name in names},
            evidence.SYSTEMS | words, metric_name(metric))
    gains = {}
    for contrast in contrasts(model):
        if table := find(model, kind="translation", metric=metric, system=contrast["system"],
                         baseline=contrast["baseline"]):
            gains[versus(contrast)] = {row["direction"]: row for row in table["rows"]}
    if gains:
        directions = list(next(iter(gains.values())))
        drawn["gains"] = figures.forest(list(map(place, directions)), {
            name: [difference(found.get(one)) for one in directions]
            for name, found in gains.items()}, f"difference in {metric_name(metric)}")
    return drawn


def draw_reasoning(model: dict[str, Any]) -> dict[str, Any]:
    """Differences by task of the first contrast; margins of every contrast."""
    drawn = {}
    meta, first = model["meta"], contrasts(model)[0]
    about = {"system": first["system"], "baseline": first["baseline"]}
    if tasks := find(model, kind="reasoning", **about):
        whole = find(model, kind="aggregate", **about)
        both = [*((row["task"], row) for row in tasks["rows"]),
                *((row["aggregate"], row) for row in (whole["rows"] if whole else []))]
        drawn["forest"] = figures.forest([name for name, _ in both], {
            versus(first): [difference(row) for _, row in both]},
            "difference, points", meta["margin_macro_pp"])
        drawn["discordance"] = figures.discordance(
            [(row["task"], row["b"], row["c"]) for row in tasks["rows"]],
            *(f"only {evidence.system(first[side])}" for side in ("system", "baseline")))
    curves = {}
    for name in meta["contrasts"]:
        curve = model["curves"]["margin"].get(name, {"margin_pp": [], "p_ni": []})
        points = [point for point in zip(curve["margin_pp"], curve["p_ni"], strict=True)
                  if point[1] is not None]  # no p where the difference has no standard error
        if points:
            curves[versus(curve)] = points
    if curves:
        drawn["sensitivity"] = figures.sensitivity(
            curves, meta["alpha"] / 2, meta["margin_macro_pp"])  # the test of harm is one-sided
    return drawn
