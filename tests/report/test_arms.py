"""The section on arms: every sentence comes from results."""

import copy

import pytest

from stages.report import arms, figures
from stages.statistics.arms import compare, tables

BASE = {"seeds": 3, "drift": 0.02, "eta": 30.0, "covers": "items and runs", "nats": -0.1,
        "nats_ci": [-0.2, 0.0]}
POINTS = [
    {**BASE, "arm": "reference", "gain": 7.0, "gain_ci": [5.0, 9.0], "reasoning": -0.2,
     "reasoning_ci": [-1.5, 1.1]},
    {**BASE, "arm": "full_10x", "seeds": 1, "covers": "items", "gain": 9.0, "gain_ci": [7.0, 11.0],
     "reasoning": -6.0, "reasoning_ci": [-8.0, -4.0], "drift": 0.9}]
PLAN = [{"arm": "reference", "seed": 1, "question": "q", "expects": "e", "state": "done"},
        {"arm": "later", "seed": None, "question": "r", "expects": "e",
         "state": "not run: needs a model"}]


def row(arm, verdict, p=None, band=None, endpoint="reasoning, mean over tasks"):
    return {"arm": arm, "endpoint": endpoint, "seeds": 3, "delta": -1.0, "ci": None, "p": p,
            "p_max": p, "verdict": verdict, "band": band}


COMPARED = [row("lora", compare.TIED, 0.4), row("joint", compare.LESS, 0.01),
            row("half", compare.POINT, band="within"), row("full_10x", compare.POINT, band="below")]


@pytest.fixture
def model():
    return {
        "meta": {"planned": 2, "done": 1, "smallest_pp": 1.25, "margin_macro_pp": 2.0,
                 "alpha": 0.05},
        "points": copy.deepcopy(POINTS), "alarms": [
            {"check": "reasoning down while translation is up", "asked": 2, "found": ["full_10x"]},
            {"check": "a layer that hurts when tuned alone", "asked": 0, "found": []},
            {"check": "a stage that makes the held-out loss worse", "asked": 3, "found": []}],
        "tables": tables.every(POINTS, COMPARED, [], [], 1.25, [], [], [], PLAN, 0.05)}


def test_without_results_every_arm_reads_not_run(model):
    nothing = arms.exhibits(None)
    assert nothing["meta"] is None and nothing["tables"] == []
    assert arms.draw(None) == {}
    model |= {"points": [], "tables": tables.every([], [], [], [], None, [], [], [], [
        {**PLAN[0], "state": "not run"}, PLAN[1]], 0.05)}
    [plan] = arms.exhibits(model)["tables"]
    assert plan["id"] == "arms_plan"
    assert [row["state"] for row in plan["rows"]] == ["not run", "not run: needs a model"]
    assert arms.draw(model) == {}


def test_sentences_follow_the_results(model):
    says = arms.exhibits(model)["says"]
    assert says == [
        "Reasoning, mean over tasks: joint has less than the reference.",
        "Reasoning, mean over tasks: lora cannot be told from the reference.",
        "Reasoning, mean over tasks, arms with too few runs to be ranked: 2, of which 1 outside "
        "the band of one more run of the reference: full_10x (below).",
        "The smallest pure loss of reasoning that these items detect is 1.25 points; the margin "
        "is 2.0."]


def test_the_plan_has_a_row_a_question():
    rows = tables.plan([*PLAN, {**PLAN[0], "seed": 2, "state": "stale"}, {**PLAN[0], "arm": "far"}])
    assert [(row["arms"], row["seeds"], row["done"], row["state"]) for row in rows] == [
        ("reference, far", 3, 2, "2 done; 1 stale"), ("later", 1, 0, "not run: needs a model")]


def test_a_check_that_was_not_made_says_so(model):
    assert arms.exhibits(model)["alarms"] == [
        "Reasoning down while translation is up: seen in 1 of 2 (full_10x).",
        "A layer that hurts when tuned alone: not run.",
        "A stage that makes the held-out loss worse: not seen (3 asked)."]


def contrast(gain, loss):
    return {"system": "xplus", "baseline": "base", "translation": {
        "directions": {}, "into_eng": {"chrf++": {"verdict": gain}}},
        "reasoning": {"macro": {"verdict": loss}, "logprob": None}}


@pytest.mark.parametrize(("gain", "loss", "seen"), [
    ("better", "worse", "seen in 1 of 1 (xplus against base)"),
    ("better", "equivalent", "not seen"),
    ("inconclusive", "worse", "not seen")])
def test_a_run_is_asked_for_the_signs_too(gain, loss, seen):
    trade, worse = arms.signs([contrast(gain, loss)], "chrf++", {
        "stage 1": [(0, 2.0), (9, 1.5)], "stage 2": [(0, 1.5), (9, 1.6)]})
    assert trade.startswith(f"Reasoning down while translation is up: {seen}")
    assert worse == "A stage that makes the held-out loss worse: seen in 1 of 2 (stage 2)."
    assert arms.signs([], "chrf++", {})[0].endswith(": not run.")


def test_every_arm_is_a_labelled_point_with_its_interval(model):
    figure = arms.draw(model)["arms"]
    above, below = figure.axes
    for axes in (above, below):
        assert {text.get_text() for text in axes.texts} == {"reference", "full_10x"}
    spans = {tuple(line.get_ydata()) for line in above.lines}
    assert (-8.0, -4.0) in spans and (-1.5, 1.1) in spans
    points = {(float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in below.lines
              if len(line.get_xdata()) == 1}
    assert points == {(7.0, 0.02), (9.0, 0.9)}


def test_the_figure_has_the_same_bytes_twice(model, tmp_path):
    first, second = (figures.save(arms.draw(model)["arms"], tmp_path, "arms") for _ in range(2))
    assert first == second
