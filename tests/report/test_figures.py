"""Figures: the same numbers give the same bytes, and nothing in a figure leaves the page."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from stages.report import figures

POINT = (1.5, (-0.5, 3.5))
DRAW: dict[str, Callable[[], Any]] = {
    "layers": lambda: figures.layers(30, range(4), range(15, 30)),
    "funnel": lambda: figures.funnel([("format", 10, 7), ("dedup", 7, 7), ("qe", 7, 0)]),
    "loss": lambda: figures.loss({"stage 1": [(1, 3.0), (2, 2.5)], "stage 2": [(1, 2.4)]},
                                 {"stage 1": [(0, 3.1), (2, 2.6)]}),
    "levels": lambda: figures.levels(["a → b", "b → a"], {
        "base": [10.0, None], "xplus": [20.0, 15.0], "copy_source": [3.0, 2.0]},
        {"xplus": "tuned"}, "chrF++"),
    "forest": lambda: figures.forest(["a", "b"], {"x": [POINT, None]}, "points", margin=2),
    "gains": lambda: figures.forest(["a"], {"x": [POINT], "y": [POINT]}, "points"),
    "sensitivity": lambda: figures.sensitivity({"x": [(1, 0.2), (2, 0.01)]}, 0.05, 2),
    "discordance": lambda: figures.discordance([("a", 3, 4), ("b", 0, 0)], "new", "old")}


@pytest.mark.parametrize("name", DRAW)
def test_same_numbers_same_bytes(name, tmp_path):
    for run in ("one", "two"):
        (tmp_path / run).mkdir()
        figures.save(DRAW[name](), tmp_path / run, name)
    for file in (f"{name}.svg", f"{name}.png"):
        first = (tmp_path / "one" / file).read_bytes()
        assert first == (tmp_path / "two" / file).read_bytes()
        assert len(first) > 2000
    assert b"matplotlib.org/" not in (tmp_path / "one" / f"{name}.png").read_bytes()


@pytest.mark.parametrize("name", DRAW)
def test_inline_svg_stands_alone(name, tmp_path):
    element = figures.inline(figures.save(DRAW[name](), tmp_path, name), name)
    root = ET.fromstring(element)
    assert root.tag.endswith("svg") and root.get("width") is None and root.get("viewBox")
    ids = {one for node in root.iter() if (one := node.get("id"))}
    assert all(one.startswith(f"{name}-") for one in ids)
    used = set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', element))
    assert {a or b for a, b in used} <= ids
    assert "var(--ink)" in element
    for neutral in (figures.INK, figures.MUTED, figures.LINE, figures.FAINT, figures.PAPER):
        assert neutral not in element
    assert not re.search(r"<script|<image|javascript:|@import", element)


@pytest.mark.parametrize("name", DRAW)
def test_text_lies_inside_the_canvas_and_apart(name):
    figure = DRAW[name]()
    FigureCanvasAgg(figure).draw()
    width, height = figure.canvas.get_width_height()
    axes = figure.axes[0]
    low, high = sorted(axes.get_ylim())
    rows = [label for label in axes.get_yticklabels()
            if axes.axison and low <= label.get_position()[1] <= high]
    texts = [text for text in [*axes.texts, *rows, axes.xaxis.label] if text.get_text()]
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts]
    for text, box in boxes:
        assert box.x0 >= -1 and box.x1 <= width + 1, text
        assert box.y0 >= -1 and box.y1 <= height + 1, text
    for number, (text, box) in enumerate(boxes):
        for other, its in boxes[number + 1:]:
            assert not box.overlaps(its), f"{text!r} lies on {other!r}"


def test_forest_fills_a_mark_only_if_its_interval_leaves_out_zero():
    axes = figures.forest(["a", "b"], {"x": [(1.0, (0.5, 1.5)), (1.0, (-0.5, 2.5))]}, "").axes[0]
    marks = [line for line in axes.lines if line.get_marker() == "o"]
    assert [mark.get_markerfacecolor() for mark in marks] == [figures.ORANGE, figures.PAPER]


def test_systems_differ_without_colour():
    looks = [(marker, filled) for _, marker, filled in (*figures.SYSTEMS.values(), *figures.OTHERS)]
    assert len(set(looks)) == len(looks)
