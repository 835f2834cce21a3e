"""From a folder of rows and results to the data model, with real readers."""

import json

import pytest

from stages.common.errors import UserError
from stages.rows import published
from stages.statistics.arms import analysis
from tests.rows import result_files as files
from tests.statistics.arms.invented import BASE_QUICK as BASE
from tests.statistics.arms.invented import result, training

SETTINGS = files.SETTINGS | {"resamples": 300}
@pytest.fixture
def run(tmp_path):
    """Base, a reference of three runs, an arm of three that is equal to it, one that is damaged."""
    root = tmp_path / "run"
    plan = [{"arm": "flipped", "seed": None, "flip": [0.1, 0.5], "state": "from rows"}]
    base = files.segments(0.5, 0, count=60, per_document=3), files.items([1] * 60 + [0] * 40)
    for arm, seeds, loss, wrong in (("reference", (1, 2, 3), 0.3, 0), ("same", (1, 2, 3), 0.3, 0),
                                    ("damaged", (1,), 0.3, 30)):
        for seed in seeds:
            scores = [1] * (60 - wrong) + [0] * (40 + wrong)
            translations, answers = files.run(
                tmp_path / f"{arm}-{seed}", base[0], files.segments(loss, seed, count=60,
                                                                    per_document=3),
                base[1], files.items(scores))
            out = tmp_path / f"{arm}-{seed}/rows"
            published.publish(translations, answers, SETTINGS, "Invented.", out)
            place = root / "arms" / arm / str(seed)
            place.parent.mkdir(parents=True, exist_ok=True)
            (out / "xplus").rename(place)
            result(place, arm, seed, 12.0, overrides={"systems.xplus.derive": {"interpolate": 0.5}}
                   if arm == "damaged" else None)
            plan.append({"arm": arm, "seed": seed, "flip": [], "state": "done"})
    out.rename(root / "rows")
    for layer, dev in ((0, 14.0), (2, 9.0), (4, 12.0)):
        result(root / "arms" / f"layer_{layer}" / "1", f"layer_{layer}", 1, dev, True,
               training([layer], 2.0, 2.1 if layer == 2 else 1.9))
        plan.append({"arm": f"layer_{layer}", "seed": 1, "flip": [], "state": "done"})
    plan.append({"arm": "old", "seed": 1, "flip": [], "state": "stale"})
    (root / "arms/arms.json").write_text(json.dumps([
        {"question": "Is it?", "expects": "Yes.", **row} for row in plan]))
    (root / "arms/base.json").write_text(json.dumps(BASE))
    return root


def table(model, name):
    return next(one["rows"] for one in model["tables"] if one["id"] == f"arms_{name}")


def test_the_model_of_a_run(run):
    model = analysis.model(run)
    json.dumps(model, allow_nan=False)
    assert [row["arm"] for row in model["points"]] == ["reference", "same", "damaged"]
    assert [row["covers"] for row in model["points"]] == ["items and runs"] * 2 + ["items"]
    verdicts = {(row["endpoint"].split(",")[0], row["arm"]): row["verdict"]
                for row in table(model, "reference")}
    assert verdicts == {("translation", "same"): "tied", ("reasoning", "same"): "tied",
                        ("translation", "damaged"): "one run: not ranked",
                        ("reasoning", "damaged"): "one run: not ranked"}
    assert {row["arm"] for row in table(model, "spread")} == {"reference", "same"}


def test_the_harm_control(run):
    model = analysis.model(run)
    rows = {row["arm"]: row for row in table(model, "dose")}
    assert rows["flipped 10 %"]["loss"] == pytest.approx(6.0)
    assert rows["flipped 50 %"]["verdict"] == "worse"
    assert (rows["damaged"]["share"], rows["damaged"]["verdict"]) == (0.5, "below 0")
    assert 0 < model["meta"]["smallest_pp"] <= 12


def test_single_layers_and_the_alarms(run):
    model = analysis.model(run)
    assert [(row["layer"], row["dev"]) for row in table(model, "layers")] == [
        (0, 4.0), (2, -1.0), (4, 2.0)]
    ranks = {row["predictor"]: row["rho"] for row in table(model, "predictors")
             if row["worth"] == "dev gain"}
    assert ranks["size of the gradient"] == pytest.approx(0.5)
    assert ranks["its nuclear norm"] == ranks["influence of the layer"] == pytest.approx(-0.5)
    assert {row["check"]: row["found"] for row in model["alarms"]} == {
        "reasoning down while translation is up": ["damaged"],
        "a layer that hurts when tuned alone": ["layer 2"],
        "a stage that makes the held-out loss worse": ["layer_2-1, train_s2"]}


def test_without_results_there_is_still_a_harm_control(run):
    plan = [row | {"state": "not run"} for row in json.loads((run / "arms/arms.json").read_text())]
    (run / "arms/arms.json").write_text(json.dumps(plan))
    (run / "arms/base.json").unlink()
    model = analysis.model(run)
    assert model["points"] == [] and len(table(model, "dose")) == 2
    assert [row["asked"] for row in model["alarms"]] == [0, 0, 0]


def test_rows_of_other_items_are_refused(run):
    file = run / "arms/same/2/translation.json"
    meta = json.loads(file.read_text())
    file.write_text(json.dumps(meta | {"limit": 7}))
    with pytest.raises(UserError, match="limit differs"):
        analysis.model(run)
