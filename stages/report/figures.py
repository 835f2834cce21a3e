"""Figures of the report, drawn with matplotlib: plain numbers in, one Figure out.

Every mark differs from its neighbours by shape, hatch or place as well as by colour (Okabe and
Ito's palette, https://jfly.uni-koeln.de/color/), so the figures read in grey. ``save`` writes the
same bytes for the same numbers: no dates, no random ids, the font that matplotlib ships.
``inline`` turns a saved SVG into one that takes its ink from the page it is set in.
"""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..common import jsonl
from .render import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, LINE, FAINT, PAPER = "#1f2328", "#6b7280", "#d5d9df", "#eceff2", "#ffffff"
BLUE, ORANGE, GREEN = "#2478b5", "#d9660a", "#12906a"
# Per system: colour, marker, filled. Others take theirs from a cycle.
SYSTEMS = {"base": (MUTED, "o", False), "base_prompted": (BLUE, "s", False),
           "s1": (GREEN, "^", False), "xplus": (ORANGE, "o", True),
           "copy_source": (MUTED, "|", True), "shuffled_refs": (MUTED, "x", True)}
OTHERS = [(GREEN, "D", True), (BLUE, "v", True), (ORANGE, "D", False), (GREEN, "P", True),
          (BLUE, "h", False), (ORANGE, "v", False), (MUTED, "*", True)]
WIDTH = 5.0  # inches; text of 9 pt then stays legible on a phone
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans", "font.size": 9, "axes.edgecolor": LINE,
    "axes.labelcolor": INK, "text.color": INK, "xtick.color": MUTED, "ytick.color": MUTED,
    "ytick.labelcolor": INK, "axes.spines.top": False, "axes.spines.right": False,
    "axes.spines.left": False, "ytick.left": False, "axes.grid": True, "axes.grid.axis": "x",
    "grid.color": LINE, "grid.linewidth": 0.6, "axes.axisbelow": True, "hatch.linewidth": 0.7,
    "legend.frameon": False, "legend.fontsize": 8.5, "svg.fonttype": "path",
    "figure.facecolor": PAPER, "axes.facecolor": "none"}

Interval = tuple[float, float]


@contextmanager
def _axes(height: float) -> Iterator[tuple[Figure, Axes]]:
    """A figure of the report's width and style, without pyplot's global state."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        yield figure, figure.add_subplot()


def _rows(axes: Axes, labels: Sequence[str]) -> None:
    """Name horizontal rows, the first on top."""
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)


def _legend(figure: Figure) -> None:
    """On top of the figure, in as many columns as the longest name leaves room for."""
    names = figure.axes[0].get_legend_handles_labels()[1]
    columns = max(1, min(len(names), 72 // (max(map(len, names)) + 7)))
    figure.legend(loc="outside upper left", ncols=columns, borderaxespad=0.2, handletextpad=0.3,
                  columnspacing=1.2)


def layers(depth: int, stage1: Sequence[int], stage2: Sequence[int]) -> Figure:
    """A strip of the model's layers, from the embedding to the head, by what trains them."""
    from matplotlib.patches import Rectangle

    kinds = ["stage 1" if layer in stage1 else "stage 2" if layer in stage2 else "frozen"
             for layer in range(depth)]
    looks = {"stage 1": (BLUE, "////"), "stage 2": (ORANGE, ""), "frozen": (FAINT, "")}
    with _axes(1.15) as (figure, axes):
        for layer, kind in enumerate(kinds):
            colour, hatch = looks[kind]
            axes.add_patch(Rectangle((layer, 0), 0.86, 1, facecolor=colour, hatch=hatch,
                                     edgecolor=PAPER if kind != "frozen" else LINE, linewidth=0.6))
        start = 0
        for layer in range(1, depth + 1):
            if layer == depth or kinds[layer] != kinds[start]:
                span = f"{start}–{layer - 1}" if layer - 1 > start else f"{start}"
                axes.text((start + layer - 0.14) / 2, -0.22, f"{kinds[start]}\n{span}",
                          ha="center", va="top", fontsize=8.5,
                          color=MUTED if kinds[start] == "frozen" else INK)
                start = layer
        axes.text(-0.4, 0.5, "embedding", ha="right", va="center", color=MUTED, fontsize=8.5)
        axes.text(depth + 0.3, 0.5, "head", ha="left", va="center", color=MUTED, fontsize=8.5)
        axes.set(xlim=(-0.5, depth + 0.5), ylim=(-1.25, 1.1))
        axes.set_axis_off()
        return figure


def funnel(steps: Sequence[tuple[str, int, int]]) -> Figure:
    """Bars of (step, seen, kept): solid is kept, hatched is dropped."""
    with _axes(0.42 * len(steps) + 0.75) as (figure, axes):
        widest = max(seen for _, seen, _ in steps) or 1
        for place, (_, seen, kept) in enumerate(steps):
            axes.barh(place, kept, height=0.56, color=BLUE)
            axes.barh(place, seen - kept, left=kept, height=0.56, color=FAINT, hatch="/////",
                      edgecolor=MUTED, linewidth=0.6)
            axes.text(seen + widest * 0.012, place, f"{kept:,} of {seen:,}", va="center",
                      fontsize=8.5)
        _rows(axes, [name for name, _, _ in steps])
        axes.set(xlim=(0, widest * 1.4), xlabel="pairs (solid: kept, hatched: dropped)")
        axes.xaxis.set_major_formatter("{x:,.0f}")
        return figure


def loss(curves: Mapping[str, Sequence[tuple[float, float]]],
         held_out: Mapping[str, Sequence[tuple[float, float]]]) -> Figure:
    """Training loss of (step, loss) per stage, smoothed, and held-out loss where measured."""
    looks = [(BLUE, "-", "o"), (ORANGE, "--", "s"), (GREEN, "-.", "^")]
    with _axes(2.9) as (figure, axes):
        axes.grid(True, axis="y")
        for (colour, dash, marker), (name, points) in zip(looks, curves.items(), strict=False):
            steps, losses = zip(*points, strict=True)
            reach = max(1, len(losses) // 20)
            smooth = [sum(part) / len(part) for part in (
                losses[max(0, i - reach):i + reach + 1] for i in range(len(losses)))]
            axes.plot(steps, losses, color=colour, linewidth=0.6, alpha=0.35)
            axes.plot(steps, smooth, dash, color=colour, linewidth=1.8, label=name)
            if held_out.get(name):
                at, value = zip(*held_out[name], strict=True)
                axes.plot(at, value, marker, color=colour, markerfacecolor=PAPER, markersize=6,
                          markeredgewidth=1.4, label=f"{name}, held out", clip_on=False)
        axes.set(xlabel="optimiser step", ylabel="loss (nats per target token)")
        _legend(figure)
        return figure


def levels(labels: Sequence[str], scores: Mapping[str, Sequence[float | None]],
           names: Mapping[str, str], metric: str) -> Figure:
    """Scores of every system and floor, one row a direction."""
    with _axes(0.34 * len(labels) + 1.0) as (figure, axes):
        for place in range(len(labels)):
            found = [score for values in scores.values()
                     if (score := values[place]) is not None]
            axes.plot([min(found, default=0.0), max(found, default=0.0)], [place, place],
                      color=LINE, linewidth=3, solid_capstyle="round", zorder=1)
        others = itertools.cycle(OTHERS)
        for system, values in scores.items():
            colour, marker, filled = SYSTEMS.get(system) or next(others)
            kept = [(value, place) for place, value in enumerate(values) if value is not None]
            axes.plot(*zip(*kept, strict=True), marker, color=colour, markersize=6.5,
                      markeredgewidth=1.5, markerfacecolor=colour if filled else PAPER,
                      label=names.get(system, system))
        _rows(axes, labels)
        axes.set(xlabel=metric)
        axes.set_xlim(left=min(0, axes.get_xlim()[0]))
        _legend(figure)
        return figure


def forest(labels: Sequence[str], series: Mapping[str, Sequence[tuple[float, Interval] | None]],
           xlabel: str, margin: float | None = None) -> Figure:
    """Differences with their intervals: one row a label, one mark a series.

    A filled mark has an interval that leaves out 0. ``margin`` shades what counts as no harm.
    """
    looks = [(ORANGE, "o"), (BLUE, "s"), (GREEN, "^"), (MUTED, "D")]
    step = 0.26 if len(series) > 1 else 0.0
    with _axes((0.24 + 0.13 * len(series)) * len(labels) + 0.95) as (figure, axes):
        if margin is not None:
            axes.axvspan(-margin, 0, color=GREEN, alpha=0.13, linewidth=0)
            axes.axvline(-margin, color=GREEN, linewidth=1.2, linestyle="--")
            axes.text(-margin, -0.62, f"margin −{margin:g} ", ha="right", va="bottom",
                      color=GREEN, fontsize=8.5)
        axes.axvline(0, color=INK, linewidth=0.9)
        for rank, (name, points) in enumerate(series.items()):
            colour, marker = looks[rank % len(looks)]
            if len(series) > 1:  # the legend shows the mark as it looks when filled
                axes.plot([], [], marker, color=colour, label=name)
            for place, point in enumerate(points):
                if point is None:
                    continue
                delta, (low, high) = point
                at = place + step * (rank - (len(series) - 1) / 2)
                axes.plot([low, high], [at, at], color=colour, linewidth=1.6)
                axes.plot([delta], [at], marker, color=colour, markersize=6, markeredgewidth=1.4,
                          markerfacecolor=PAPER if low <= 0 <= high else colour)
                if len(series) == 1:
                    axes.annotate(number(delta, 1, signed=True), (1.01, at), va="center",
                                  xycoords=("axes fraction", "data"), fontsize=8.5,
                                  annotation_clip=False)
        _rows(axes, labels)
        axes.set(xlabel=xlabel)
        if len(series) > 1:
            _legend(figure)
        return figure


def sensitivity(curves: Mapping[str, Sequence[tuple[float, float]]], alpha: float,
                margin: float) -> Figure:
    """p of non-inferiority against the margin it is tested at, one line a contrast."""
    looks = [(ORANGE, "-", "o"), (BLUE, "--", "s"), (GREEN, "-.", "^")]
    with _axes(2.8) as (figure, axes):
        axes.grid(True, axis="y")
        axes.axhspan(0, alpha, color=GREEN, alpha=0.13, linewidth=0)
        axes.axhline(alpha, color=GREEN, linewidth=1, linestyle="--")
        axes.axvline(margin, color=INK, linewidth=0.9, linestyle=":")
        for (colour, dash, marker), (name, points) in zip(looks, curves.items(), strict=False):
            axes.plot(*zip(*points, strict=True), dash, marker=marker, color=colour, label=name,
                      markersize=5.5, clip_on=False)
        right = axes.get_xlim()[1]
        axes.text(right, alpha, f"below p = {alpha:g}: no worse, shown", va="bottom", ha="right",
                  color=GREEN, fontsize=8.5)
        axes.text(margin, 1, " margin fixed in advance", va="top", fontsize=8.5, color=MUTED,
                  transform=axes.get_xaxis_transform())
        axes.set(xlabel="margin (points)", ylabel="p, non-inferiority")
        axes.set_ylim(bottom=0)
        if len(curves) > 1:
            _legend(figure)
        return figure


def discordance(rows: Sequence[tuple[str, int, int]], gained: str, lost: str) -> Figure:
    """Items that only one system solves: (task, gained, lost) as bars right and left of 0."""
    with _axes(0.38 * len(rows) + 1.0) as (figure, axes):
        widest = max((max(right, left) for _, right, left in rows), default=1) or 1
        for place, (_, right, left) in enumerate(rows):
            axes.barh(place, right, height=0.56, color=ORANGE, label=gained if not place else None)
            axes.barh(place, -left, height=0.56, color=FAINT, hatch="/////", edgecolor=MUTED,
                      linewidth=0.6, label=lost if not place else None)
            axes.text(right + widest * 0.03, place, f"{right:g}", va="center", fontsize=8.5)
            axes.text(-left - widest * 0.03, place, f"{left:g}", va="center", ha="right",
                      fontsize=8.5)
        axes.axvline(0, color=INK, linewidth=0.9)
        _rows(axes, [name for name, _, _ in rows])
        axes.set(xlim=(-widest * 1.2, widest * 1.2), xlabel="items only one of the two solves")
        axes.xaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
        _legend(figure)
        return figure


def save(figure: Figure, folder: Path, name: str) -> str:
    """Write ``name``.svg and ``name``.png below ``folder``; return the SVG text."""
    import matplotlib

    with matplotlib.rc_context({**STYLE, "svg.hashsalt": name}):
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
        with jsonl.open_atomic(folder / f"{name}.png", "wb") as file:
            figure.savefig(file, format="png", dpi=160, metadata={"Software": None})
    svg = re.sub(r"[ \t]+\n", "\n", text.getvalue())
    # Hundredths of a point are plenty; small factors, as in scale(0.015625), stay.
    svg = re.sub(r"((?:\d\d+|[1-9])\.\d\d)\d+", r"\1", svg)
    jsonl.write_text(folder / f"{name}.svg", svg)
    return svg


def inline(svg: str, name: str) -> str:
    """The <svg> element alone, ids made unique, neutral colours replaced by CSS variables."""
    element = svg[svg.index("<svg"):]
    element = re.sub(r"<metadata>.*?</metadata>", "", element, flags=re.S)
    element = re.sub(r'((?:\bid=|href=)"#?|url\(#)', rf"\g<1>{name}-", element)
    for colour, variable in ((INK, "ink"), (MUTED, "muted"), (LINE, "line"), (FAINT, "faint"),
                             (PAPER, "paper")):
        element = element.replace(colour, f"var(--{variable})")
    return re.sub(r' (width|height)="[\d.]+pt"', "", element, count=2)
