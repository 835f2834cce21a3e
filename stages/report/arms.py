"""The report's section "Is it the layers?": what the arms show, and which of them were not run.

in     reports/<scale>/<suite>/arms/statistics.json   the data model of ``statistics.arms``
out    tables, figures and sentences; each is made of results, and where there is none it says so
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import evidence, figures
from .render import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Row = dict[str, Any]
TRADE = "reasoning down while translation is up"
WORSE = "a stage that makes the held-out loss worse"
NOTHING: Row = {"meta": None, "tables": [], "alarms": [], "says": []}


def load(run: Path) -> Row | None:
    """The data model of the arms of reports/<scale>/<suite>, None where there is none."""
    found: Row | None = evidence.load(run / "arms/statistics.json")
    return found


def tables(model: Row | None) -> list[Row]:
    """Every table of the section."""
    return list(model["tables"]) if model else []


def exhibits(model: Row | None) -> Row:
    """What the template shows: tables with rows, and sentences."""
    if model is None:
        return NOTHING
    return {"meta": model["meta"], "tables": [table for table in model["tables"] if table["rows"]],
            "alarms": [alarm(row) for row in model["alarms"]], "says": sentences(model)}


def alarm(row: Row) -> str:
    """One named check of forgetting, in a sentence."""
    check = opened(row["check"])
    if not row["asked"]:
        return f"{check}: not run."
    if not row["found"]:
        return f"{check}: not seen ({row['asked']} asked)."
    return (f"{check}: seen in {len(row['found'])} of {row['asked']} "
            f"({', '.join(row['found'])}).")


def signs(contrasts: Sequence[Row], primary: str, held_out: Row) -> list[str]:
    """The same checks of the run itself: a contrast that is better in translation and worse in
    reasoning, a stage after which the held-out loss is higher. One run tunes no layer alone."""
    both = [one for one in contrasts if one.get("translation") and one.get("reasoning")]
    trades = [f"{evidence.system(one['system'])} against {evidence.system(one['baseline'])}"
              for one in both if any(
                  one["translation"].get(group, {}).get(primary, {}).get("verdict") == "better"
                  for group in ("into_eng", "out_of_eng")) and any(
                  (one["reasoning"].get(key) or {}).get("verdict") == "worse"
                  for key in ("macro", "logprob"))]
    losses = {stage: points for stage, points in held_out.items() if len(points) > 1}
    return [alarm({"check": check, "asked": asked, "found": found}) for check, asked, found in (
        (TRADE, len(both), trades),
        (WORSE, len(losses), [stage for stage, points in losses.items()
                              if points[-1][1] > points[0][1]]))]


def opened(text: str) -> str:
    """With a capital in front, and nothing else changed."""
    return text[:1].upper() + text[1:]


def sentences(model: Row) -> list[str]:
    """What the tests say, an endpoint at a time."""
    meta, found = model["meta"], []
    rows = next(table for table in model["tables"] if table["id"] == "arms_reference")["rows"]
    for endpoint in dict.fromkeys(row["endpoint"] for row in rows):
        mine = [row for row in rows if row["endpoint"] == endpoint]
        tested = [row for row in mine if row["p_max"] is not None]
        for word in ("more", "less", "tied"):
            if names := [row["arm"] for row in tested if row["verdict"] == word]:
                found.append(f"{opened(endpoint)}: {', '.join(names)} " + (
                    "cannot be told from the reference." if word == "tied" else
                    f"{'has' if len(names) == 1 else 'have'} {word} than the reference."))
        points = [row for row in mine if row["verdict"].startswith("one run")
                  and row.get("band") not in (None, "n/a")]
        outside = [f"{row['arm']} ({row['band']})" for row in points if row["band"] != "within"]
        if points:
            found.append(f"{opened(endpoint)}, arms with too few runs to be ranked: {len(points)}, "
                         f"of which {len(outside)} outside the band of one more run of the "
                         f"reference{': ' + ', '.join(outside) if outside else ''}.")
    found.append("No pure loss of up to a fifth of the right answers is detected by these items."
                 if meta["smallest_pp"] is None else
                 f"The smallest pure loss of reasoning that these items detect is "
                 f"{number(meta['smallest_pp'], 2)} points; the margin is "
                 f"{number(meta['margin_macro_pp'], 1)}.")
    return found


def draw(model: Row | None) -> dict[str, Figure]:
    """The section's figures by name; none without arms that went through the whole test."""
    points = [row for row in (model or {"points": []})["points"] if "reasoning" in row]
    if not model or not points:
        return {}
    return {"arms": frontier(points, model["meta"]["margin_macro_pp"])}


def frontier(points: Sequence[Row], margin: float) -> Figure:
    """Translation gain against the change of reasoning, and against drift: every arm a labelled
    point with its interval; the margin of reasoning is a band."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(figures.STYLE | {"axes.grid.axis": "both"}):
        figure = Figure(figsize=(figures.WIDTH, 7.2), layout="constrained")
        above, below = figure.subplots(2, 1, sharex=True)
        above.axhspan(-margin, margin, color=figures.FAINT, zorder=0)
        above.axhline(0, color=figures.INK, linewidth=0.9)
        place(above, points, "reasoning", "reasoning_ci")
        place(below, points, "drift", None)
        above.set_ylabel(f"change of reasoning, points\n(band: margin of {margin:g})")
        below.set(xlabel="translation gain over the base, points",
                  ylabel="drift from the base,\nnats a token")
        return figure


def place(axes: Axes, points: Sequence[Row], key: str, interval: str | None) -> None:
    """Each arm at (gain, ``key``); filled where several runs stand behind it."""
    ordered = sorted(points, key=lambda row: row["gain"])
    for n, row in enumerate(ordered):
        several = row["covers"] != "items"
        colour = figures.ORANGE if row["arm"] == "reference" else figures.BLUE
        for span, horizontal in ((row["gain_ci"], True), (row.get(interval or ""), False)):
            if span and horizontal:
                axes.plot(span, [row[key]] * 2, color=colour, linewidth=0.8, alpha=0.6)
            elif span:
                axes.plot([row["gain"]] * 2, span, color=colour, linewidth=0.8, alpha=0.6)
        axes.plot(row["gain"], row[key], "o" if several else "s", color=colour, markersize=5,
                  markerfacecolor=colour if several else figures.PAPER)
        axes.annotate(row["arm"], (row["gain"], row[key]), fontsize=7,
                      xytext=(4, 4 if n % 2 else -9), textcoords="offset points")
