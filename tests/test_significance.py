"""The whole comparison on invented result files: numbers, symmetries and refusals."""

import json
import random
import sys

import pytest

from stages import significance
from stages.common import jsonl
from stages.common.errors import UserError
from tests.statistics.result_files import SETTINGS, change, items, run, segments, write

BOTH = ("swh_Latn-eng_Latn", "eng_Latn-swh_Latn")


def scores(seed: int, share: float, count: int = 120) -> list[float]:
    rng = random.Random(seed)
    return [float(rng.random() < share) for _ in range(count)]


@pytest.fixture
def folders(tmp_path):
    """xplus translates clearly better, and answers about as well."""
    answers = [items(scores(n, 0.6), "physics") + items(scores(n + 5, 0.5), "social_iqa")
               for n in (1, 2)]
    return run(tmp_path, segments(0.5, 1, BOTH), segments(0.2, 2, BOTH), *answers)


def tables(model) -> dict[str, list]:
    return {table["id"]: table["rows"] for table in model["tables"]}


def row(model, table: str, key: str, value: str) -> dict:
    [found] = [row for row in tables(model)[table] if row[key] == value]
    return found


MT, TASKS, WHOLE = ("t3_translation.xplus-base.chrf++", "t1_reasoning.xplus-base",
                    "t2_aggregate.xplus-base")


def test_a_clear_gain_is_better_and_a_level_task_is_not(folders):
    model = significance.model(*folders, SETTINGS)
    gain = row(model, MT, "direction", "swh_Latn-eng_Latn")
    assert gain["verdict"] == "better"
    assert gain["delta"] == pytest.approx(gain["system"] - gain["baseline"])
    assert gain["ci"][0] < gain["delta"] < gain["ci"][1]
    assert gain["p"] == 1 / 500  # none of 499 swaps reached it
    task = row(model, TASKS, "task", "physics@1.0")
    assert task["verdict"] == "inconclusive"
    assert (task["n"], task["clusters"], task["chance"]) == (120, 120, 25.0)


def test_a_literal_task(tmp_path):
    """8 items: the system gains 3 and loses 1, so exact McNemar p = 2 (1 + 4) / 16."""
    base, xplus = [1, 1, 0, 0, 0, 0, 1, 0], [0, 1, 1, 1, 1, 0, 1, 0]
    mt = segments(0.5, 1)
    model = significance.model(*run(tmp_path, mt, mt, items(base), items(xplus)), SETTINGS)
    found = row(model, TASKS, "task", "physics@1.0")
    assert (found["baseline"], found["system"], found["delta"]) == (37.5, 62.5, 25.0)
    assert (found["b"], found["c"], found["test"]) == (3, 1, "McNemar")
    assert found["p"] == pytest.approx(10 / 16)
    assert found["p_mid"] == pytest.approx(6 / 16)


def test_identical_systems_are_never_different(tmp_path):
    mt, answers = segments(0.4, 1, BOTH), items(scores(1, 0.5))
    model = significance.model(*run(tmp_path, mt, mt, answers, answers), SETTINGS)
    for found in tables(model)[MT]:
        assert (found["delta"], found["p"], found["ci"]) == (0, 1, [0, 0])
        assert found["verdict"] == "n/a (identical outputs)"
    found = row(model, TASKS, "task", "physics@1.0")
    assert (found["delta"], found["p"], found["b"], found["c"]) == (0, 1, 0, 0)
    assert found["verdict"] in ("equivalent", "maintained", "inconclusive")
    assert row(model, WHOLE, "aggregate", "macro mean (primary)")["p"] == 1


def test_swapping_the_systems_turns_the_difference_and_keeps_p(folders):
    ahead = significance.model(*folders, SETTINGS)
    back = significance.model(*folders, SETTINGS | {"contrasts": [["base", "xplus"]]})
    for kind, key in (("t3_translation.{}.chrf++", "direction"), ("t1_reasoning.{}", "task"),
                      ("t2_aggregate.{}", "aggregate")):
        pairs = zip(tables(ahead)[kind.format("xplus-base")],
                    tables(back)[kind.format("base-xplus")], strict=True)
        for one, other in pairs:
            assert one[key] == other[key]
            assert one["delta"] == pytest.approx(-other["delta"], abs=1e-12)
            assert one["p"] == other["p"]
            assert one["ci"] == pytest.approx([-other["ci"][1], -other["ci"][0]], abs=1e-9)


def test_the_order_of_rows_does_not_matter(folders):
    before = significance.model(*folders, SETTINGS)
    files = [file for folder in folders for file in sorted(folder.glob("*/*.jsonl"))]
    for n, file in enumerate(files):
        change(file, random.Random(n).shuffle)
    assert significance.model(*folders, SETTINGS) == before


def test_a_further_direction_or_task_changes_no_other_number(folders):
    before = significance.model(*folders, SETTINGS)
    for n, name in enumerate(("base", "xplus")):
        more = segments(0.3, n, ["spa_Latn-eng_Latn"])
        change(folders[0] / name / "segments.jsonl", lambda rows, more=more: rows.extend(more))
        old = list(jsonl.read(folders[1] / name / "items.jsonl"))
        write(folders[1] / name, "items.jsonl", old + items(scores(n + 9, 0.3, 50), "extra"))
    after = significance.model(*folders, SETTINGS)
    family = ("p_holm", "verdict")  # a larger family corrects more
    for table, key, names in ((MT, "direction", BOTH), (TASKS, "task", ("physics@1.0",))):
        for name in names:
            one, other = ({k: v for k, v in row(model, table, key, name).items()
                           if k not in family} for model in (before, after))
            assert one == other


def test_copies_of_a_question_are_one_question(tmp_path):
    """Eleven translations of 30 questions: the cluster is the unit, McNemar would be wrong."""
    names = [n for n in range(30) for _ in range(11)]
    sides = [items([score for score in scores(seed, 0.5, 30) for _ in range(11)], clusters=names)
             for seed in (1, 2)]
    mt = segments(0.4, 1)
    many = row(significance.model(*run(tmp_path / "many", mt, mt, *sides), SETTINGS), TASKS,
               "task", "physics@1.0")
    once = row(significance.model(*run(tmp_path / "once", mt, mt, *(
        items(scores(seed, 0.5, 30)) for seed in (1, 2))), SETTINGS), TASKS, "task", "physics@1.0")
    assert (many["n"], many["clusters"], many["test"]) == (330, 30, "sign flips")
    assert many["delta"] == pytest.approx(once["delta"])
    assert many["se"] == pytest.approx(once["se"])
    assert many["p"] == pytest.approx(once["p"], abs=0.1)


def test_samples_of_an_item_are_averaged(tmp_path):
    mt = segments(0.4, 1)
    sides = [[item for n in range(3) for item in items(scores(seed + n, 0.5), sample=n)]
             for seed in (1, 11)]
    found = row(significance.model(*run(tmp_path, mt, mt, *sides), SETTINGS), TASKS,
                "task", "physics@1.0")
    assert (found["n"], found["samples"], found["test"]) == (120, 3, "sign flips")


def test_sentences_that_share_a_document_get_a_second_interval(tmp_path):
    sides = [segments(loss, seed, per_document=8) for loss, seed in ((0.5, 1), (0.2, 2))]
    found = row(significance.model(*run(tmp_path, *sides), SETTINGS), MT, "direction",
                "swh_Latn-eng_Latn")
    assert (found["n"], found["documents"]) == (40, 5)
    assert found["ci_documents"] is not None
    assert found["p_documents"] >= 1 / 32  # five documents: 32 arrangements at most


def test_neural_scores_come_along(folders):
    for name, shift in (("base", 0.0), ("xplus", 0.1)):
        change(folders[0] / name / "segments.jsonl", lambda rows, shift=shift: [
            row.update(scores={"comet22": 0.5 + shift}) for row in rows])
    model = significance.model(*folders, SETTINGS)
    found = row(model, "t3_translation.xplus-base.comet22", "direction", "swh_Latn-eng_Latn")
    assert (found["baseline"], found["system"]) == (pytest.approx(50), pytest.approx(60))
    assert found["agree"] == "yes"


def test_it_runs_alone_on_two_folders(folders, tmp_path, monkeypatch):
    (tmp_path / "params.yaml").write_text(
        "scale: s\nlayers: {bottom: 1, top: 1, skip: []}\n"
        f"scales: {{s: {{model: {{name: m, depth: 2}}}}}}\nsignificance: {json.dumps(SETTINGS)}\n")
    monkeypatch.chdir(tmp_path)
    significance.main([*map(str, folders), "out/significance.json", "out/metrics.json"])
    found = json.loads((tmp_path / "out/significance.json").read_text())
    assert found["meta"]["evidence"].startswith("Scale desk: a small model")
    into = found["headline"]["translation"]["xplus-base"]["into_eng"]
    assert into["chrf++"]["verdict"] == "better"
    assert found["headline"]["reasoning"]["xplus-base"]["harmed"] == 0
    short = json.loads((tmp_path / "out/metrics.json").read_text())
    assert set(short) == {"into_eng", "out_of_eng", "reasoning"}
    assert short["into_eng"]["delta"] == into["chrf++"]["delta"]


def edit(name: str, change_to: object, at: int = 3):
    return lambda rows: rows[at].update({name: change_to})


@pytest.mark.parametrize(("kind", "spoil", "message"), [
    ("mt", lambda rows: rows.pop(3), r"t:003 is in .*base.* but not in .*xplus"),
    ("mt", lambda rows: rows.append(rows[3]), r"segments.jsonl:81: duplicate of .*t:003"),
    ("mt", edit("ref_hash", "0" * 16), r"t:003: ref_hash differs: .*xplus.*base"),
    ("mt", edit("id", "t:999"), r"t:\d+ is in .* but not in"),
    ("mt", edit("hyp", None), r"segments.jsonl:4: no hyp"),
    ("mt", edit("scores", {"comet22": float("nan")}), r"segments.jsonl:4: not_a_number"),
    ("mt", edit("scores", {"comet22": 0.5}), r"t:003: .*comet22.* scored in"),
    ("reason", lambda rows: rows.pop(3), r"physics 1.0 none 3 0 is in .*base.* but not in .*xplus"),
    ("reason", lambda rows: rows.append(rows[3]), r"items.jsonl:241: duplicate of physics"),
    ("reason", edit("doc_hash", "0" * 16), r"physics 1.0 none 3 0: doc_hash differs"),
    ("reason", edit("prompt_hash", "0" * 16), r"physics 1.0 none 3 0: prompt_hash differs"),
    ("reason", edit("filter", "strict"), r"task physics mixes filter"),
    ("reason", edit("score", float("nan")), r"items.jsonl:4: not_a_number"),
    ("reason", edit("score", 3), r"score 3 is not in 0-1"),
    ("reason", edit("score", "1"), r"'1' is not a number")])
def test_rows_that_do_not_pair_are_refused(folders, kind, spoil, message):
    file = {"mt": folders[0] / "xplus/segments.jsonl", "reason": folders[1] / "xplus/items.jsonl"}
    change(file[kind], spoil)
    with pytest.raises((UserError, jsonl.BadLine), match=message):
        significance.model(*folders, SETTINGS)


@pytest.mark.parametrize(("kind", "spoil", "message"), [
    ("mt", {"limit": 10}, "limit differs: 10 in .*xplus.*meta.json, None in"),
    ("mt", {"scale": "tiny"}, "scale differs"), ("mt", {"test_set": "other"}, "test_set differs"),
    ("mt", {"signature": {"tokenizer": "other"}}, "signature.tokenizer differs"),
    ("reason", {"limit": 10}, "limit differs"),
    ("reason", {"signature": {"tokenizer": "t" * 16, "template": "x"}}, "template differs")])
def test_runs_under_other_conditions_are_refused(folders, kind, spoil, message):
    file = folders[kind == "reason"] / "xplus/meta.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | spoil))
    with pytest.raises(UserError, match=message):
        significance.model(*folders, SETTINGS)


def test_a_missing_system_is_named(folders):
    with pytest.raises(UserError, match=r"s1/segments.jsonl is not there. Run the eval"):
        significance.model(*folders, SETTINGS | {"contrasts": [["s1", "base"]]})


def test_a_refusal_writes_nothing_and_exits_with_65(folders, tmp_path, monkeypatch, capsys):
    from stages.common.command import run_stage

    change(folders[0] / "xplus/segments.jsonl", lambda rows: rows.pop())
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(
        "scale: s\nlayers: {bottom: 1, top: 1, skip: []}\n"
        f"scales: {{s: {{model: {{name: m, depth: 2}}}}}}\nsignificance: {json.dumps(SETTINGS)}\n")
    monkeypatch.setattr(sys, "argv", ["significance", *map(str, folders), "out.json"])
    monkeypatch.setattr("stages.common.command.die_with_parent", lambda: None)
    with pytest.raises(SystemExit) as stop:
        run_stage(significance.main)
    assert stop.value.code == 65
    assert "Traceback" not in capsys.readouterr().err
    assert not (tmp_path / "out.json").exists()
