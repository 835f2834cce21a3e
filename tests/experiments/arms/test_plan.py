"""The plan of the arms: written out, refused, identified. No stage runs here."""

import subprocess
from pathlib import Path

import pytest
from dvc.utils.hydra import apply_overrides
from ruamel.yaml import YAML

from stages.common import jsonl
from stages.common.errors import UserError
from stages.experiments.arms import definitions, experiment, pipeline, plan
from stages.experiments.arms.pipeline import Stage
from tests import test_pipeline

ROOT = Path(__file__).parents[3]
TREE = {
    "scale": "s", "suite": "s", "seed": 1, "layers": {"bottom": 1, "top": 2, "skip": []},
    "train": {"method": "layers", "seed": 1, "kl": 0.0},
    "train_s1": {"layers": "bottom", "pairs": [0, 1], "epochs": 1},
    "train_s2": {"layers": "top", "pairs": [0, 1], "epochs": 1},
    "systems": {"base": {"derive": None}, "xplus": {"derive": None}}, "report": {"colour": "red"},
    "scales": {"s": {"model": {"name": "toy", "depth": 6}, "qe": {"pairs": 100}}}}


def stage(name, params, deps, outs, *parents):
    return Stage(name, {"params.yaml": params}, deps, outs, list(parents))


GRAPH = {one.name: one for one in (
    stage("qe", ["scales.s.qe", "seed"], ["stages/qe.py"], ["data/qe"]),
    stage("train_s1", ["layers.bottom", "train", "train_s1"],
          ["data/base", "data/qe/pairs.jsonl", "stages/train.py"], ["data/train_s1"], "qe"),
    stage("train_s2", ["layers", "train", "train_s2"], ["data/train_s1", "stages/train.py"],
          ["data/train_s2"], "train_s1"),
    stage("eval_mt@base", ["seed", "systems.base"], ["data/base"], ["data/eval_mt/base"]),
    stage("eval_mt@xplus", ["seed", "systems.xplus"], ["data/train_s2"], ["data/eval_mt/xplus"],
          "train_s2"))}
TARGETS = ["train_s1", "train_s2", "eval_mt@xplus"]
WHY = {"question": "Is it?", "expects": "Yes."}


def arm(**more):
    return WHY | {"seeds": [1]} | more


def refused(match, **block):
    with pytest.raises(UserError, match=match):
        definitions.refuse(definitions.read(block), TARGETS, GRAPH, TREE)


def test_like_and_each_write_arms_out():
    found = definitions.read({"full": arm(set={"train.method": "full"}), "full_at": arm(
        like="full", each={"10": {"train.kl": 0.1}, "90": {"train.kl": 0.9}}, screen=True)})
    assert {name: one.set for name, one in found.items()} == {
        "full": {"train.method": "full"}, "full_at_10": {"train.method": "full", "train.kl": 0.1},
        "full_at_90": {"train.method": "full", "train.kl": 0.9}}
    assert [one.screen for one in found.values()] == [False, True, True]


def test_what_cannot_mean_what_it_says_is_refused_before_any_work():
    refused(r"arms\.a: set: params.yaml has no key 'train.knd'", a=arm(set={"train.knd": 1}))
    refused("no stage that trains or scores reads 'report.colour'",
            a=arm(set={"report.colour": "blue"}))
    refused(r"arms\.a: set: bottom 1 and top 9 overlap", a=arm(set={"layers.top": 9}))
    refused(r"layers \[7\] are not in the model", a=arm(set={"train_s2.layers": [7]}))
    refused("arms.b: has the same settings as a", a=arm(set={"train.kl": 0.5}),
            b=arm(set={"train.kl": 0.5}))
    refused("arms.b: has the same settings as a", a=arm(), b=arm(set={"layers.top": 2}))
    refused("seeds: name at least one", a=WHY)
    refused("question is missing", a={"expects": "e", "seeds": [1]})
    refused(r"\['sets'\] is not among", a=arm(sets={}))
    refused("no arm above it", a=arm(like="b"), b=arm())
    refused("choose", a=arm(choose={"of": ["b"], "by": "highest"}))


def test_the_same_settings_screened_and_tested_are_two_arms():
    definitions.refuse(definitions.read({"a": arm(screen=True), "b": arm()}), TARGETS, GRAPH, TREE)


def test_an_arm_that_cannot_run_yet_is_not_checked():
    found = definitions.read({"later": WHY | {"needs": "another\n model"}})
    definitions.refuse(found, TARGETS, GRAPH, TREE)
    assert found["later"].needs == "another model"


@pytest.mark.parametrize(("by", "place", "chosen"), [
    ({"by": "highest"}, 1, 3), ({"by": "highest"}, 2, 2), ({"by": "nearest", "to": "ref"}, 1, 1)])
def test_a_choice_waits_for_the_screen(by, place, chosen):
    found = definitions.read({
        "ref": arm(), "at": arm(each={str(n): {"train.kl": float(n)} for n in (1, 2, 3)}),
        "pick": arm(choose={"of": ["at_1", "at_2", "at_3"], **by}, each={"x": place})})
    gains = {"ref": 5.0, "at_1": 6.0, "at_2": 7.0, "at_3": 9.0}
    assert definitions.resolved(found["pick_x"], found, gains).set == {"train.kl": float(chosen)}
    assert definitions.resolved(found["pick_x"], found, {"ref": 5.0, "at_1": 6.0}) is None


def rerun(**settings):
    usual, other = (pipeline.signatures([*TARGETS, "eval_mt@base"], GRAPH, tree) for tree in (
        TREE, pipeline.changed(TREE, settings)))
    return {name for name in usual if usual[name] != other[name]}


def test_an_arm_reruns_what_depends_on_it_and_never_the_base():
    assert rerun(**{"layers.top": 1}) == {"train_s2", "eval_mt@xplus"}
    assert rerun(**{"train.seed": 2}) == {"train_s1", "train_s2", "eval_mt@xplus"}
    assert rerun(**{"systems.xplus.derive": {"interpolate": 0.5}}) == {"eval_mt@xplus"}
    assert rerun(**{"scales.s.qe.pairs": 50}) == {"qe", "train_s1", "train_s2", "eval_mt@xplus"}
    assert rerun(**{"report.colour": "blue"}) == set()


def test_overrides_leave_the_settings_alone():
    pipeline.changed(TREE, {"layers.top": 1})
    assert TREE["layers"]["top"] == 2


def test_the_hashes_are_of_what_the_arm_takes_over():
    lock = {"stages": {"train_s1": {"deps": [
        {"path": "data/base", "md5": "b"}, {"path": "data/qe/pairs.jsonl", "md5": "p"},
        {"path": "stages/train.py", "md5": "c"}]},
        "train_s2": {"deps": [{"path": "data/train_s1", "md5": "t"}]}}}
    both = [GRAPH["train_s1"], GRAPH["train_s2"]]
    assert pipeline.locked(both, lock) == {"data/base": "b", "data/qe/pairs.jsonl": "p"}
    assert pipeline.locked([GRAPH["train_s2"]], lock) == {"data/train_s1": "t"}
    with pytest.raises(UserError, match="train_s1 has no hash of data/base"):
        pipeline.locked(both, {"stages": {}})


def test_code_is_named_by_its_content(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "stages").mkdir()
    file = tmp_path / "stages/train.py"
    file.write_text("a = 1\n")
    before = pipeline.code(GRAPH["train_s2"].deps)
    file.write_text("a = 2\n")
    assert pipeline.code(GRAPH["train_s2"].deps) != before
    file.write_text("a = 1\n")
    assert pipeline.code(GRAPH["train_s2"].deps) == before


def test_changed_code_is_stale_until_bytes_were_equal():
    def one(inputs="i", **code):
        return {"settings": "s", "inputs": inputs, "quick": "q", "screen": False, "code": code}

    assert plan.held(one(a="x"), one(a="x"), []) == "done"
    assert plan.held(one(a="x"), one(a="y"), []) == "stale"
    assert plan.held(one(a="x"), one(a="z"), [["y", "z"], ["x", "y"]]) == "done"
    assert plan.held(one(a="x"), one(a="z"), [["y", "z"]]) == "stale"
    assert plan.held(one(a="x", b="p"), one(a="z", b="q"), [["x", "z"]]) == "stale"
    assert plan.held(one(a="x"), one("other pairs", a="x"), []) == "outdated"


def test_a_lock_of_another_scale_is_seen():
    lock = {"stages": {stage: {"params": {"params.yaml": pipeline.settings(GRAPH[stage], TREE)}}
                       for stage in GRAPH}}
    assert pipeline.foreign(GRAPH, GRAPH, TREE, lock) == []
    assert pipeline.foreign(GRAPH, GRAPH, pipeline.changed(TREE, {"seed": 2}), lock) == [
        "qe", "eval_mt@base", "eval_mt@xplus"]
    assert set(pipeline.foreign(GRAPH, GRAPH, TREE, {})) == set(GRAPH)


def test_the_code_of_the_quick_scores_is_what_they_import():
    """Beside the code of the stages that test, whose hashes stand beside it, and of reading."""
    def files(paths):
        return {str(path.relative_to(ROOT)) for path in paths}

    mine = files(test_pipeline.reach(ROOT / "stages/experiments/arms/quick.py"))
    tested = {file for name in ("eval_mt", "eval_reason")
              for file in files(test_pipeline.reach(ROOT / f"stages/{name}.py"))}
    assert mine - tested == set(plan.OWN_CODE)


@pytest.mark.parametrize(("key", "value"), [
    ("systems.xplus.derive", {"interpolate": 0.3}), ("train_s2.layers", [4, 5]),
    ("train_s2.layers", {"random": 2, "seed": 1}), ("train_s1.layers", "none"),
    ("train.kl", 1.5e-3), ("systems.xplus.derive", None), ("train.method", "full")])
def test_dvc_reads_an_override_as_it_is_meant(tmp_path, key, value):
    file = tmp_path / "params.yaml"
    YAML().dump(TREE, file)
    apply_overrides(file, [experiment.override(key, value)])
    assert pipeline.at(YAML(typ="safe").load(file), key) == value


def test_minutes_follow_pairs_passes_and_layers():
    def cost(**settings):
        tree = pipeline.changed(TREE, settings)
        tree["scales"]["s"]["qe"] = {"select": {"pairs": {"a": 100}}}
        return plan.work("train_s2", tree)

    usual = cost()
    assert cost(**{"train_s2.epochs": 2}) == pytest.approx(2 * usual)
    assert cost(**{"train_s2.pairs": [0, 0.25]}) == pytest.approx(usual / 4)
    assert cost(**{"train_s2.layers": "all"}) > usual > cost(**{"train_s2.layers": [5]})
    assert cost(**{"train_s2.layers": "none"}) < 0.1


def test_the_demanded_arms_can_run(monkeypatch):
    monkeypatch.chdir(ROOT)
    tree = pipeline.load(pipeline.FILE)
    found = definitions.read(tree["arms"])
    if tree["scale"] == "desk":
        definitions.refuse(found, [*plan.TRAIN, *plan.TESTS], pipeline.read_graph(), tree)
    assert {3} == {len(found[name].seeds) for name in (
        "reference", "joint_two_passes", "full_matched", "lora_matched")}
    assert found["flipped"].flip == [0.01, 0.02, 0.03, 0.05]


def test_a_stopped_runs_overrides_are_taken_back_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "params.yaml"
    file.write_text("train:\n  seed: 1 # ours\n  kl: 0\n")
    for command in (["init", "-q"], ["add", "."], ["-c", "user.name=a", "-c", "user.email=a@b",
                                                   "commit", "-qm", "a"]):
        subprocess.run(["git", *command], check=True)
    jsonl.write_json(plan.RUNNING, {"pid": 2**22 + 1, "name": "a-2", "set": {"train.seed": 2}})
    for text, taken_back in (("train: {seed: 2, kl: 0}", True), ("train: {seed: 2, kl: 5}", False)):
        file.write_text(text)
        experiment.recover()
        assert (file.read_text() != text) == taken_back
    with pytest.raises(UserError, match=r"params.yaml has uncommitted changes"):
        experiment.clean()
