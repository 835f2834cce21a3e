"""The scoring pass: apart from translating, joined by what was translated, n/a with a reason."""

import json
import shutil

import pytest

from stages.comet import checkpoints, judges, scoring
from stages.common import jsonl
from stages.common.errors import UserError
from stages.rows import results
from tests.rows.result_files import SETTINGS, analysed, change, run, segments

BOTH = ("swh_Latn-eng_Latn", "ceb_Latn-eng_Latn")
HOW = {"tokens": 400, "dtype": "float32"}


@pytest.fixture(scope="module")
def metrics(fixtures, tmp_path_factory):
    folder = tmp_path_factory.mktemp("judges")
    texts = [row["ref"] + row["src"] for row in segments(0.2, 1)]
    checkpoints.tiny(texts, folder)
    return folder


@pytest.fixture
def folders(tmp_path):
    return run(tmp_path, segments(0.4, 1, BOTH), segments(0.1, 2, BOTH))


def scored(folders, metrics, scratch, chosen_by="comet-desk-qe"):
    files = {system: folders[0] / system / "segments.jsonl" for system in ("base", "xplus")}
    out = folders[0] / "score"
    shutil.rmtree(out, ignore_errors=True)
    scoring.run(metrics, files, HOW, "cpu", chosen_by, scratch, out)
    return out


def table(model, metric):
    [found] = [one for one in model["tables"] if one["id"] == f"t3_translation.xplus-base.{metric}"]
    return found


def test_true_classes_judge_the_rows_that_exist(folders, metrics, tmp_path):
    out = scored(folders, metrics, tmp_path / "scratch", "wmt22-cometkiwi-da")
    rows = list(jsonl.read(folders[0] / "xplus/segments.jsonl"))
    found = list(jsonl.read(out / "xplus.jsonl"))
    assert [(row["direction"], row["id"]) for row in found] == [
        (row["direction"], row["id"]) for row in rows]
    known = [n for n, row in enumerate(rows) if "ceb_Latn" not in row["direction"]]
    assert [n for n, row in enumerate(found) if row["scores"]] == known
    for metric in ("xcomet-xl", "wmt22-comet-da"):
        kind = type(checkpoints.load(metric, metrics / metric)).__name__
        assert kind == {"xcomet-xl": "XCOMETMetric", "wmt22-comet-da": "RegressionMetric"}[metric]
        values = judges.score(metric, rows, metrics / metric, 400)
        assert [found[n]["scores"][metric] for n in known] == [values[n] for n in known]
    model = analysed(*folders, SETTINGS)
    for metric in ("xcomet-xl", "wmt22-comet-da"):
        mine = table(model, metric)
        assert [row["direction"] for row in mine["rows"]] == [
            "swh_Latn-eng_Latn", "into_eng", "low_resource"]
        assert (f"n/a for ceb_Latn-eng_Latn: {metric} does not know ceb_Latn: its encoder saw none."
                in mine["notes"])
        assert any("Read with care" in note and "one family" in note for note in mine["notes"])
        assert f"{checkpoints.METRICS[metric].hub}|revision:random weigh|" in mine["notes"][0]
        values = [row["scores"][metric] for row in found if row["scores"]]
        assert mine["rows"][0]["system"] == pytest.approx(100 * sum(values) / len(values))
    assert [row["direction"] for row in table(model, "chrf++")["rows"]][:2] == sorted(BOTH)
    assert not any("Read with care" in note for note in table(model, "chrf++")["notes"])


def test_a_new_metric_scores_itself_and_translates_nothing(folders, metrics, tmp_path):
    one = tmp_path / "one"
    shutil.copytree(metrics / "xcomet-xl", one / "xcomet-xl")
    first = list(jsonl.read(scored(folders, one, tmp_path / "scratch") / "base.jsonl"))
    translated = (folders[0] / "base/segments.jsonl").stat().st_mtime_ns
    both = list(jsonl.read(scored(folders, metrics, tmp_path / "scratch") / "base.jsonl"))
    for before, after in zip(first, both, strict=True):
        assert set(before["scores"]) <= {"xcomet-xl"} and before["scores"].items() <= after[
            "scores"].items()
    assert any("wmt22-comet-da" in row["scores"] for row in both)
    assert (folders[0] / "base/segments.jsonl").stat().st_mtime_ns == translated


def test_what_was_scored_before_an_interruption_is_not_scored_again(folders, metrics, tmp_path):
    scored(folders, metrics, tmp_path / "scratch")
    file = min((tmp_path / "scratch").glob("xcomet-xl.*"))
    values = json.loads(file.read_text())
    file.write_text(json.dumps([value and 0.125 for value in values]))
    found = scored(folders, metrics, tmp_path / "scratch")
    marked = [system for system in ("base", "xplus")
              if {row["scores"].get("xcomet-xl") for row in jsonl.read(found / f"{system}.jsonl")}
              == {None, 0.125}]
    assert len(marked) == 1
    change(folders[0] / marked[0] / "segments.jsonl", lambda rows: rows[0].update(hyp="other"))
    found = scored(folders, metrics, tmp_path / "scratch")
    assert 0.125 not in {row["scores"].get("xcomet-xl")
                         for row in jsonl.read(found / f"{marked[0]}.jsonl")}


def test_scores_of_other_outputs_are_refused(folders, metrics, tmp_path):
    out = scored(folders, metrics, tmp_path / "scratch")
    change(folders[0] / "base/segments.jsonl", lambda rows: rows[3].update(hyp="other"))
    with pytest.raises(UserError, match=r"base.jsonl:4: .* is another output than .*eval_mt@score"):
        results.translations(folders[0] / "base")
    change(out / "xplus.jsonl", lambda rows: rows.pop())
    with pytest.raises(UserError, match=r"xplus.jsonl lacks ceb_Latn-eng_Latn t:039"):
        results.translations(folders[0] / "xplus")
    (out / "xplus.jsonl").unlink()
    with pytest.raises(UserError, match=r"xplus.jsonl is not there, so xplus has no neural scores"):
        results.translations(folders[0] / "xplus")


def test_without_metrics_nothing_is_added(folders, metrics, tmp_path):
    plain = analysed(*folders, SETTINGS)
    (tmp_path / "none").mkdir()
    out = scored(folders, tmp_path / "none", tmp_path / "scratch")
    assert [path.name for path in out.iterdir()] == ["meta.json"]
    assert analysed(*folders, SETTINGS) == plain
