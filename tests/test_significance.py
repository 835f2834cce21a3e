"""The whole comparison on invented result files: numbers, symmetries and refusals."""

import json
import random
import re
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages import significance
from stages.common import jsonl
from stages.common.errors import UserError
from stages.report import __main__ as report
from stages.statistics import analysis
from tests.rows.result_files import (
    SETTINGS,
    analysed,
    change,
    items,
    params,
    run,
    segments,
    write,
)

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
    model = analysed(*folders, SETTINGS)
    gain = row(model, MT, "direction", "swh_Latn-eng_Latn")
    assert gain["verdict"] == "better"
    assert gain["delta"] == pytest.approx(gain["system"] - gain["baseline"])
    assert gain["ci"][0] < gain["delta"] < gain["ci"][1]
    assert gain["p"] < 0.001
    assert gain["p_sentences"] == 1 / 500  # none of 499 swaps reached it
    assert "p_sentences" in gain["at_resolution"]
    task = row(model, TASKS, "task", "physics@1.0")
    assert task["verdict"] == "inconclusive"
    assert (task["n"], task["clusters"], task["chance"]) == (120, 120, 25.0)


def test_a_literal_task(tmp_path):
    """8 items: the system gains 3 and loses 1, so exact McNemar p = 2 (1 + 4) / 16."""
    base, xplus = [1, 1, 0, 0, 0, 0, 1, 0], [0, 1, 1, 1, 1, 0, 1, 0]
    mt = segments(0.5, 1)
    model = analysed(*run(tmp_path, mt, mt, items(base), items(xplus)), SETTINGS)
    found = row(model, TASKS, "task", "physics@1.0")
    assert (found["baseline"], found["system"], found["delta"]) == (37.5, 62.5, 25.0)
    assert (found["b"], found["c"], found["test"]) == (3, 1, "McNemar")
    assert found["p"] == pytest.approx(10 / 16)
    assert found["p_mid"] == pytest.approx(6 / 16)


def test_identical_systems_are_never_different(tmp_path):
    mt, answers = segments(0.4, 1, BOTH), items(scores(1, 0.5))
    model = analysed(*run(tmp_path, mt, mt, answers, answers), SETTINGS)
    for found in tables(model)[MT]:
        assert (found["delta"], found["p"], found["ci"]) == (0, 1, [0, 0])
        assert found["verdict"] == "n/a (identical outputs)"
    found = row(model, TASKS, "task", "physics@1.0")
    assert (found["delta"], found["p"], found["b"], found["c"]) == (0, 1, 0, 0)
    assert found["verdict"] in ("equivalent", "maintained", "inconclusive")
    assert row(model, WHOLE, "aggregate", "macro mean (primary)")["p"] == 1


def test_swapping_the_systems_turns_the_difference_and_keeps_p(folders):
    ahead = analysed(*folders, SETTINGS)
    back = analysed(*folders, SETTINGS | {"contrasts": [["base", "xplus"]]})
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
    before = analysed(*folders, SETTINGS)
    files = [file for folder in folders for file in sorted(folder.glob("*/*.jsonl"))]
    for n, file in enumerate(files):
        change(file, random.Random(n).shuffle)
    assert analysed(*folders, SETTINGS) == before


def test_a_further_direction_or_task_changes_no_other_number(folders):
    before = analysed(*folders, SETTINGS)
    for n, name in enumerate(("base", "xplus")):
        more = segments(0.3, n, ["spa_Latn-eng_Latn"])
        change(folders[0] / name / "segments.jsonl", lambda rows, more=more: rows.extend(more))
        old = list(jsonl.read(folders[1] / name / "items.jsonl"))
        write(folders[1] / name, "items.jsonl", old + items(scores(n + 9, 0.3, 50), "extra"))
    after = analysed(*folders, SETTINGS)
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
    many = row(analysed(*run(tmp_path / "many", mt, mt, *sides), SETTINGS), TASKS,
               "task", "physics@1.0")
    once = row(analysed(*run(tmp_path / "once", mt, mt, *(
        items(scores(seed, 0.5, 30)) for seed in (1, 2))), SETTINGS), TASKS, "task", "physics@1.0")
    assert (many["n"], many["clusters"], many["test"]) == (330, 30, "sign flips")
    assert many["delta"] == pytest.approx(once["delta"])
    assert many["se"] == pytest.approx(once["se"])
    assert many["p"] == pytest.approx(once["p"], abs=0.1)


def test_samples_of_an_item_are_averaged(tmp_path):
    mt = segments(0.4, 1)
    sides = [[item for n in range(3) for item in items(scores(seed + n, 0.5), sample=n)]
             for seed in (1, 11)]
    found = row(analysed(*run(tmp_path, mt, mt, *sides), SETTINGS), TASKS,
                "task", "physics@1.0")
    assert (found["n"], found["samples"], found["test"]) == (120, 3, "sign flips")


def test_documents_are_the_unit_where_sentences_share_one(tmp_path):
    sides = [segments(loss, seed, per_document=8) for loss, seed in ((0.5, 1), (0.2, 2))]
    found = row(analysed(*run(tmp_path, *sides), SETTINGS), MT, "direction",
                "swh_Latn-eng_Latn")
    assert (found["n"], found["documents"], found["unit"]) == (40, 5, "documents")
    assert found["ci"] != found["ci_sentences"]
    assert found["p_documents"] >= 1 / 32  # five documents: 32 arrangements at most


def test_neural_scores_come_along(folders):
    for name, shift in (("base", 0.0), ("xplus", 0.1)):
        change(folders[0] / name / "segments.jsonl", lambda rows, shift=shift: [
            row.update(scores={"comet22": 0.5 + shift * (1 + n % 2 / 4)})
            for n, row in enumerate(rows)])
    model = analysed(*folders, SETTINGS)
    found = row(model, "t3_translation.xplus-base.comet22", "direction", "swh_Latn-eng_Latn")
    assert (found["baseline"], found["system"]) == (pytest.approx(50), pytest.approx(61.25))
    assert found["agree"] == "yes"


def test_it_runs_alone_on_two_folders(folders, tmp_path, monkeypatch):
    params(tmp_path, SETTINGS)
    monkeypatch.chdir(tmp_path)
    significance.main([*map(str, folders), "out/significance.json", "out/metrics.json"])
    found = json.loads((tmp_path / "out/significance.json").read_text())
    assert {path.name for path in (tmp_path / "out/rows").iterdir()} == {
        "about.json", "base", "copy_source", "settings.json", "xplus"}
    assert found["meta"]["evidence"] == "Invented files: no evidence."
    assert found["meta"]["suite"] == "invented"
    into = found["headline"]["xplus-base"]["translation"]["into_eng"]
    assert into["chrf++"]["verdict"] == "better"
    assert found["headline"]["xplus-base"]["reasoning"]["harmed"] == 0
    short = json.loads((tmp_path / "out/metrics.json").read_text())
    assert set(short) == {"into_eng", "out_of_eng", "reasoning"}
    assert short["into_eng"]["delta"] == into["chrf++"]["delta"]


def whole_run(root, monkeypatch, folders, settings) -> tuple[dict, Path]:
    """Statistics and report below ``root``; the data model and the report's folder."""
    params(root, settings)
    monkeypatch.chdir(root)
    out = root / "reports/desk/invented"
    significance.main([*map(str, folders), str(out / "significance.json"),
                       str(out / "metrics.json")])
    report.main([str(root)])
    return json.loads((out / "significance.json").read_text()), out


def test_hyphens_in_names_are_letters_like_others(tmp_path, monkeypatch):
    answers = [items(scores(n, 0.6)) for n in (1, 2)]
    folders = run(tmp_path, segments(0.5, 1, BOTH), segments(0.2, 2, BOTH), *answers,
                  names=("base-2", "nllb-200"))
    found, out = whole_run(tmp_path, monkeypatch, folders, SETTINGS | {
        "contrasts": [["nllb-200", "base-2"], ["base-2", "nllb-200"]]})
    about = {table["id"]: table["about"] for table in found["tables"]}
    assert about["t3_translation.nllb-200-base-2.chrf++"] == {
        "kind": "translation", "system": "nllb-200", "baseline": "base-2", "metric": "chrf++"}
    assert about["floors.chrf++"]["systems"] == ["nllb-200", "base-2"]
    assert found["meta"]["contrasts"] == ["nllb-200-base-2", "base-2-nllb-200"]
    curve = found["curves"]["margin"]["nllb-200-base-2"]
    assert (curve["system"], curve["baseline"]) == ("nllb-200", "base-2")
    text = (out / "REPORT.md").read_text()
    assert "Translation: nllb-200 against base-2" in text
    assert (out / "tables/t3_translation.nllb-200-base-2.chrf++.csv").is_file()


def test_one_direction_has_one_group(tmp_path, monkeypatch):
    folders = run(tmp_path, segments(0.5, 1, BOTH[1:]), segments(0.2, 2, BOTH[1:]))
    found, out = whole_run(tmp_path, monkeypatch, folders, SETTINGS)
    headline = found["headline"]["xplus-base"]
    assert set(headline) == {"system", "baseline", "translation"}
    assert set(headline["translation"]) == {"directions", "out_of_eng"}
    assert set(json.loads((out / "metrics.json").read_text())) == {"out_of_eng"}
    assert "Into English" not in (out / "REPORT.md").read_text()


def test_no_text_states_another_level_than_alphas(tmp_path, monkeypatch):
    answers = [items(scores(n, 0.6)) for n in (1, 2)]
    sides = [segments(loss, seed, BOTH, per_document=8) for loss, seed in ((0.5, 1), (0.2, 2))]
    folders = run(tmp_path, *sides, *answers)
    _, out = whole_run(tmp_path, monkeypatch, folders, SETTINGS | {"alpha": 0.1})
    for file in (out / "significance.json", out / "REPORT.md", out / "report.html",
                 *(out / "tables").glob("*")):
        # One-sided tests take half of alpha: their level is 95 % where the interval's is 90 %.
        text = file.read_text()
        assert not re.search(r"97\.5 %|(?<!One-sided )95 %", text), file
    assert "90 % CI" in (out / "REPORT.md").read_text()


def test_a_task_of_one_cluster_is_not_tested(tmp_path, monkeypatch):
    answers = [items(scores(n, 0.6, 60)) + items(scores(n, 0.4, 8), "tiny", clusters=[0] * 8)
               for n in (1, 2)]
    mt = segments(0.4, 1)
    found, out = whole_run(tmp_path, monkeypatch, run(tmp_path, mt, mt, *answers), SETTINGS)
    tiny = row(found, TASKS, "task", "tiny@1.0")
    assert tiny["verdict"] == "n/a (one cluster only: tiny)"
    assert {tiny[key] for key in ("ci", "se", "p", "p_holm", "p_ni", "bound_pp", "mde")} == {None}
    assert row(found, TASKS, "task", "physics@1.0")["p_holm"] == row(
        found, TASKS, "task", "physics@1.0")["p"]  # a family of one
    for whole in tables(found)[WHOLE]:
        assert whole["verdict"] == "n/a (one cluster only: tiny)"
        assert (whole["p"], whole["ci"], whole["bound_pp"]) == (None, None, None)
    assert "n/a (one cluster only: tiny)" in (out / "REPORT.md").read_text()


@pytest.mark.parametrize("item", [items([1.0]), items([0.5])])
def test_a_single_item_is_not_tested(tmp_path, item):
    mt = segments(0.4, 1)
    model = analysed(*run(tmp_path, mt, mt, item, items([0.0])), SETTINGS)
    assert row(model, TASKS, "task", "physics@1.0")["verdict"].startswith("n/a (one cluster")
    json.dumps(model, allow_nan=False)


def comparator(folders, **meta) -> None:
    """Let xplus have a tokenizer, template and prompts of its own."""
    own = {"tokenizer": "u" * 16, "template": "v" * 16, "prompt": "w" * 16}
    for folder in folders:
        file = folder / "xplus/meta.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | {"signature": own} | meta))
    change(folders[1] / "xplus/items.jsonl",
           lambda rows: [item.update(prompt_hash="1" * 16) for item in rows])


def test_a_comparator_may_have_a_tokenizer_and_template_of_its_own(folders):
    comparator(folders, comparator=True)
    model = analysed(*folders, SETTINGS)
    assert {found["prompts"] for found in tables(model)["t4_pairing"]} == {
        "own tokenizer and template"}
    for file, field in ((folders[0] / "xplus/segments.jsonl", "ref_hash"),
                        (folders[0] / "xplus/segments.jsonl", "src"),
                        (folders[1] / "xplus/items.jsonl", "target_hash")):
        before = file.read_text()
        change(file, edit(field, "other"))
        with pytest.raises(UserError, match=f"{field} differs"):
            analysed(*folders, SETTINGS)
        file.write_text(before)


def test_nobody_else_may(folders):
    comparator(folders, comparator=False)
    with pytest.raises(UserError, match=r"signature\.tokenizer differs"):
        analysed(*folders, SETTINGS)


def test_only_the_contrasts_of_a_comparator_are_excused(folders):
    """Three systems: the comparator's own contrast pairs, the other two still have to."""
    comparator(folders, comparator=True)
    write(folders[0] / "odd", "segments.jsonl", segments(0.3, 3, BOTH),
          signature={"tokenizer": "z" * 16, "template": "c" * 16})
    analysed(*folders, SETTINGS | {"contrasts": [["xplus", "base"], ["xplus", "odd"]]})
    with pytest.raises(UserError, match=r"signature\.tokenizer differs.*odd.*base"):
        analysed(*folders, SETTINGS | {
            "contrasts": [["xplus", "base"], ["odd", "base"]]})


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
    ("reason", edit("gold", 1), r"physics 1.0 none 3 0: gold differs: .*1 in .*xplus.* None in"),
    ("mt", edit("ref_off_target", {"top1": True, "no_other_p50": False}),
     r"t:003: ref_off_target differs"),
    ("reason", edit("filter", "strict"), r"task physics mixes filter"),
    ("reason", edit("score", float("nan")), r"items.jsonl:4: not_a_number"),
    ("reason", edit("score", 3), r"score 3 is not in 0-1"),
    ("reason", edit("score", "1"), r"'1' is not a number")])
def test_rows_that_do_not_pair_are_refused(folders, kind, spoil, message):
    file = {"mt": folders[0] / "xplus/segments.jsonl", "reason": folders[1] / "xplus/items.jsonl"}
    change(file[kind], spoil)
    with pytest.raises((UserError, jsonl.BadLine), match=message):
        analysed(*folders, SETTINGS)


@pytest.mark.parametrize(("kind", "spoil", "message"), [
    ("mt", {"limit": 10}, "limit differs: 10 in .*xplus.*meta.json, None in"),
    ("mt", {"scale": "tiny"}, "scale differs"), ("mt", {"suite": "x"}, "suite differs"),
    ("mt", {"test_set": "other"}, "test_set differs"),
    ("mt", {"signature": {"tokenizer": "other", "template": "c" * 16}},
     "signature.tokenizer differs"),
    ("reason", {"limit": 10}, "limit differs"),
    ("reason", {"signature": {"tokenizer": "t" * 16, "template": "x"}}, "template differs")])
def test_runs_under_other_conditions_are_refused(folders, kind, spoil, message):
    file = folders[kind == "reason"] / "xplus/meta.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | spoil))
    with pytest.raises(UserError, match=message):
        analysed(*folders, SETTINGS)


def test_a_missing_system_is_named(folders):
    with pytest.raises(UserError, match=r"s1/segments.jsonl is not there. Run the eval"):
        analysed(*folders, SETTINGS | {"contrasts": [["s1", "base"]]})


def test_a_refusal_writes_nothing_and_exits_with_65(folders, tmp_path, monkeypatch, capsys):
    from stages.common.command import run_stage

    change(folders[0] / "xplus/segments.jsonl", lambda rows: rows.pop())
    monkeypatch.chdir(tmp_path)
    params(tmp_path, SETTINGS)
    monkeypatch.setattr(sys, "argv", ["significance", *map(str, folders), "out.json"])
    monkeypatch.setattr("stages.common.command.die_with_parent", lambda: None)
    with pytest.raises(SystemExit) as stop:
        run_stage(significance.main)
    assert stop.value.code == 65
    assert "Traceback" not in capsys.readouterr().err
    assert not (tmp_path / "out.json").exists() and not (tmp_path / "rows").exists()


QUICK = SETTINGS | {"resamples": 20, "ar_trials": 19}
NEURAL = {"comet22": 0.5}


def scored(rows, at: int, scores: object) -> None:
    """Neural scores in every row, and something else in one of them."""
    for one in rows:
        one["scores"] = NEURAL
    rows[at]["scores"] = scores


@pytest.mark.parametrize(("kind", "spoil", "message"), [
    *(("mt", edit(field, value), rf"segments\.jsonl:4: .*{field}") for field in (
        "id", "cluster", "direction", "src", "ref", "hyp", "off_target", "ref_off_target", "empty",
        "ref_hash")
      for value in (None, 7, [], {}, ["x"])),
    *(("reason", edit(field, value), rf"items\.jsonl:4: .*{field}") for field in (
        "task", "version", "filter", "metric", "doc_id", "doc_hash", "cluster", "sample", "score")
      for value in (None, [], [1], {}, True)),
    ("mt", edit("direction", "swh"), r"segments\.jsonl:4: .*direction is not two language codes"),
    ("mt", edit("direction", "a-b-c"), r"segments\.jsonl:4: .*direction is not"),
    ("mt", lambda rows: scored(rows, 3, None), r"segments\.jsonl:4: .*comet22 is scored in some"),
    ("mt", lambda rows: scored(rows, 0, {}), r"segments\.jsonl:\d+: .*comet22 is scored in some"),
    ("mt", lambda rows: scored(rows, 3, {**NEURAL, "x": 1}), r"jsonl:4: .*x is scored in some"),
    *(("mt", lambda rows, value=value: scored(rows, 3, {"comet22": value}),
       r"segments\.jsonl:4: .*comet22 .* is not a number")
      for value in (None, True, [0.5], "0.5", {}, 10**400, -1e9)),
    ("mt", lambda rows: scored(rows, 3, [0.5]), r"segments\.jsonl:4: .*is not an object"),
    ("mt", lambda rows: [one.update(scores={"chrf++": 1}) for one in rows], "cannot name a neural"),
    ("mt", lambda rows: [one.update(scores={"a/b": 1}) for one in rows], "cannot name a neural"),
    ("reason", edit("doc_id", "3"), r"items\.jsonl:4: doc_id '3' is a text where"),
    ("reason", edit("score", 10**400), r"items\.jsonl:4: .*not in 0-1"),
    ("reason", lambda rows: rows.clear(), r"items\.jsonl: no rows")])
def test_a_strange_row_is_refused_with_its_file_and_place(folders, kind, spoil, message):
    for name in ("base", "xplus"):  # both, so that nothing is caught by comparison alone
        change({"mt": folders[0] / name / "segments.jsonl",
                "reason": folders[1] / name / "items.jsonl"}[kind], spoil)
    with pytest.raises(UserError, match=message) as caught:
        analysed(*folders, QUICK)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("kind", "spoil", "message"), [
    *((kind, {"signature": value}, r"meta\.json: signature") for kind in ("mt", "reason")
      for value in (None, "x", [], {}, {"tokenizer": "t"}, {"template": 3, "tokenizer": "t"})),
    *(("mt", {"languages": value}, r"meta\.json: languages") for value in (
        None, [], "swh", {"swh_Latn": None}, {"swh_Latn": "low"})),
    *(("reason", {"tasks": value}, r"meta\.json: tasks") for value in (
        None, [], {}, {"physics": 1}, {"physics": {"chance": None, "multilingual": False}},
        {"physics": {"chance": 0.25}}, {"physics": {"chance": 1.5, "multilingual": False}},
        {"physics": {"chance": 0.25, "multilingual": False}},
        {"physics": {"chance": 0.25, "multilingual": False, "carries": 1}})),
    ("mt", {"scale": None}, r"meta\.json: scale"), ("mt", {"test_set": 3}, r"test_set"),
    ("mt", {"limit": "all"}, r"meta\.json: limit"), ("mt", {"spbleu": "x"}, r"meta\.json: spbleu"),
    ("mt", {"spbleu": {"model": "x"}}, r"meta\.json: spbleu\.label"),
    ("mt", {"comparator": "yes"}, r"meta\.json: comparator")])
def test_a_strange_meta_is_refused_with_its_field(folders, kind, spoil, message):
    for name in ("base", "xplus"):
        file = folders[kind == "reason"] / name / "meta.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | spoil))
    with pytest.raises(UserError, match=message) as caught:
        analysed(*folders, QUICK)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", [
    "", "[]", "3", "null", "{", '{"a": 1, "a": 2}', "\xff", "[" * 9999])
def test_a_meta_that_is_no_object_is_refused(folders, text):
    for folder in folders:
        file = folder / "xplus/meta.json"
        before = file.read_text()
        file.write_text(text, encoding="latin-1")
        with pytest.raises(UserError, match=r"xplus/meta\.json: not a JSON object"):
            analysed(*folders, QUICK)
        file.write_text(before)


@pytest.mark.parametrize(("contrasts", "message"), [
    ([], "is empty"), ("xplus", "no list"), ([["xplus"]], "is not .system, baseline."),
    (["xb"], "is not"), ([["xplus", "xplus"]], "is not"), ([["xplus", 3]], "is not"),
    ([["xplus", "base"], ["xplus", "base"]], "stands twice"),
    ([["a-b", "c"], ["a", "b-c"]], "named as those of another"),
    ([["xplus", "../base"]], "cannot name a system"), ([["xplus", "delta"]], "cannot name"),
    ([["xplus", "copy_source"]], "cannot name"), ([["xplus", "a$b"]], "cannot name"),
    ([["xplus", "who"]], r"who/segments\.jsonl is not there")])
def test_strange_contrasts_are_refused(folders, contrasts, message):
    with pytest.raises(UserError, match=message):
        analysed(*folders, QUICK | {"contrasts": contrasts})


def test_the_weaker_of_two_verdicts_stands(folders):
    """A second system that translates no better than the base, and answers alike."""
    for folder, file in zip(folders, ("segments.jsonl", "items.jsonl"), strict=True):
        write(folder / "rounded", file, list(jsonl.read(folder / "base" / file)))
    both = {"contrasts": [["xplus", "base"], ["rounded", "base"]], "confirm": ["rounded", "base"]}
    first, second = analysed(*folders, SETTINGS | both)["headline"].values()
    [gain] = first["translation"]["into_eng"].values()
    assert (gain["verdict"], gain["stands"]) == ("better", "n/a (identical outputs)")
    macro = first["reasoning"]["macro"]
    assert macro["stands"] in (macro["verdict"], second["reasoning"]["macro"]["verdict"])
    assert "stands" not in second["reasoning"]["macro"]


@pytest.mark.parametrize(("delta", "first", "second", "stands"), [
    (1.0, "better", "worse", "inconclusive"), (-1.0, "maintained", "worse", "worse"),
    (1.0, "inconclusive", "worse", "inconclusive"), (-1.0, "worse", "better", "worse"),
    (None, "n/a (not tested)", "worse", "worse"), (1.0, "better", "better", "better")])
def test_what_stands_of_two_verdicts(delta, first, second, stands):
    row = {"macro": {"delta": delta, "verdict": first}}
    analysis.confirm(row, {"macro": {"verdict": second}})
    assert row["macro"]["stands"] == stands


def test_a_contrast_added_later_is_computed_weakens_and_stays_out_of_the_hash(folders):
    """The second system translates as the base does, and has to bear out each contrast."""
    for folder, file in zip(folders, ("segments.jsonl", "items.jsonl"), strict=True):
        for name in ("rounded", "prompted"):
            write(folder / name, file, list(jsonl.read(folder / "base" / file)))
    fixed = {"contrasts": [["xplus", "base"], ["xplus", "prompted"], ["rounded", "base"]],
             "confirm": ["rounded", "base"]}
    before = analysed(*folders, QUICK | fixed)
    after = analysed(*folders, QUICK | fixed | {"later": [["rounded", "prompted"]]})
    assert before["meta"]["endpoints_sha256"] == after["meta"]["endpoints_sha256"]
    assert "Added later" not in before["meta"]["endpoints_say"]
    assert after["meta"]["endpoints_say"].endswith("weaken a verdict: rounded against prompted.")
    assert list(after["headline"]) == [*before["headline"], "rounded-prompted"]

    def gain(model):
        [row] = model["headline"]["xplus-prompted"]["translation"]["into_eng"].values()
        return row

    assert "stands" not in gain(before)
    assert gain(after)["stands"] == "n/a (identical outputs)"
    for name in before["headline"]:
        assert before["headline"][name]["reasoning"]["macro"]["ci"] == \
            after["headline"][name]["reasoning"]["macro"]["ci"]


def test_a_confirmation_that_is_no_contrast_is_refused(folders):
    with pytest.raises(UserError, match=r"confirm: .*'odd'.* is none of the contrasts"):
        analysed(*folders, QUICK | {"confirm": ["odd", "base"]})


def test_a_primary_metric_that_is_not_computed_is_refused(folders):
    with pytest.raises(UserError, match="primary_metric 'comet22' is not among the metrics chrf"):
        analysed(*folders, QUICK | {"primary_metric": "comet22"})


def test_what_is_fixed_beforehand_is_what_a_committed_hash_covers(folders):
    later = analysed(*folders, QUICK)["meta"]
    assert (later["endpoints_committed"], later["fixed_beforehand"]) == (None, False)
    assert later["endpoints_say"].startswith("Chosen later")
    settings = QUICK | {"endpoints_sha256": later["endpoints_sha256"]}
    before = analysed(*folders, settings)["meta"]
    assert before["fixed_beforehand"] and before["endpoints_sha256"] == later["endpoints_sha256"]
    assert not analysed(*folders, settings | {"alpha": 0.01})["meta"]["fixed_beforehand"]
    for file, field in ((folders[0], "ref_hash"), (folders[1], "target_hash")):
        for name in ("base", "xplus"):
            change(next((file / name).glob("*.jsonl")), edit(field, "other"))
        assert not analysed(*folders, settings)["meta"]["fixed_beforehand"], field


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    | st.sampled_from(["physics", "swh_Latn-eng_Latn", "1.0", 0.5]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(
        st.text(max_size=3), inner, max_size=2), max_leaves=4)


def rewrite(folders, kind: str, edit_row, edit_meta) -> None:
    """Change the first rows and the meta.json of both systems, NaN and all."""
    for name in ("base", "xplus"):
        folder, file = {"mt": (folders[0] / name, "segments.jsonl"),
                        "reason": (folders[1] / name, "items.jsonl")}[kind]
        change(folder / file, lambda rows: [edit_row(rows[n]) for n in range(2)])
        meta = json.loads((folder / "meta.json").read_text())
        edit_meta(meta)
        (folder / "meta.json").write_text(json.dumps(meta))


@settings(max_examples=60, deadline=None, database=None, derandomize=True)
@given(st.data())
def test_any_value_is_taken_or_refused(tmp_path_factory, data):
    """Whatever stands in a field: numbers come out, or one line that says what is wrong."""
    mt, answers = segments(0.4, 1, BOTH, count=4), items([1, 0, 1, 0])
    folders = run(tmp_path_factory.mktemp("fuzz"), mt, mt, answers, answers)
    kind = data.draw(st.sampled_from(["mt", "reason"]))
    in_row = data.draw(st.sampled_from([*(mt if kind == "mt" else answers)[0], "scores"]))
    in_meta = data.draw(st.sampled_from(
        ["scale", "suite", "limit", "test_set", "languages", "tasks", "signature", "spbleu"]))
    value, which = data.draw(VALUES), data.draw(st.booleans())
    rewrite(folders, kind, lambda one: one.update({in_row: value} if which else {}),
            lambda meta: meta.update({} if which else {in_meta: value}))
    try:
        found = analysed(*folders, QUICK)
    except UserError as error:
        assert "\n" not in str(error)
    else:
        json.dumps(found, allow_nan=False)
