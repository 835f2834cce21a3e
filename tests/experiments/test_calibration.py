"""The scorer on published numbers: a small direction whose scores sacrebleu itself gave."""

import json

import pytest

from stages.common.errors import UserError
from stages.experiments import calibration
from stages.report.sections import calibration as report
from tests import stage_fixture
from tests.experiments import wmt22_files
from tests.experiments.wmt22_files import NAME, RANKING

METRICS = [f"{kind}-{against}" for against in ("A", "B", "all") for kind in ("bleu", "chrf")]


def settings(folder, source="wmt22@1"):
    stage_fixture.params(folder, 3, recipe={
        "significance": {"alpha": 0.05},
        "suites": {"s": {"download": {"calibration": {"source": source, "convert": "copy"}}}}})


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings(tmp_path)
    wmt22_files.write(tmp_path / calibration.FOLDER)
    return tmp_path


def found(folder):
    calibration.main([])
    return json.loads((folder / "reports/s/s/calibration/calibration.json").read_text())


def test_every_score_equals_sacrebleus(workspace):
    scores = found(workspace)["scores"]
    assert [(one["system"], one["metric"]) for one in scores] == [
        (system, metric) for system in RANKING for metric in METRICS]
    for one in scores:
        assert one["ours"] == pytest.approx(one["published"], abs=1e-11), one
    assert len({round(one["ours"], 3) for one in scores}) == len(scores)
    of = {one["metric"]: one["ours"] for one in scores if one["system"] == "Alpha"}
    assert max(of["bleu-A"], of["bleu-B"]) < of["bleu-all"]  # the second reference adds something


def test_a_score_that_was_published_otherwise_is_reported(workspace):
    file = workspace / calibration.FOLDER / "scores/automatic-scores.tsv"
    lines = file.read_text().splitlines()
    [at] = [n for n, line in enumerate(lines) if "\tBeta\t" in line and "\tchrf-B\t" in line]
    *others, score = lines[at].split("\t")
    lines[at] = "\t".join([*others, str(float(score) + 0.002)])
    file.write_text("\n".join(lines) + "\n")
    table = report.published(found(workspace))
    assert table["says"] == ("23 of 24 published scores come out equal to 3 decimals; the largest "
                             "difference is 2e-03. Not equal: Beta (chrF, reference B).")
    assert {row["system"]: row["equal"] for row in table["rows"] if "equal" in row} == {
        "Alpha": "6 of 6", "Beta": "5 of 6", "Gamma": "6 of 6", "Delta": "6 of 6"}


def test_what_people_and_metrics_say_of_a_pair(workspace):
    """Delta is ranked last but loses fewer words than Beta and Gamma: people separate Gamma from
    it, the metrics say the opposite, and that is named."""
    result = found(workspace)
    by_pair = {(pair["better"], pair["worse"]): pair for pair in result["pairs"]}
    assert list(by_pair) == [(one, other) for n, one in enumerate(RANKING)
                             for other in RANKING[n + 1:]]
    planted = by_pair["Gamma", "Delta"]
    assert planted["human"] == {"z": 0.05, "p_below": 0.05}
    for metric in METRICS:
        assert planted["by"][metric]["says"] == "opposite order, significant"
        assert planted["by"][metric]["delta"] < 0
        assert by_pair["Alpha", "Gamma"]["by"][metric]["says"] == "same order, significant"
        assert by_pair["Beta", "Gamma"]["by"][metric]["says"].endswith("not significant")
    for row in result["agreement"]:
        assert row["separated"] == {
            "pairs": 4, "same order, significant": 3, "same order, not significant": 0,
            "opposite order, significant": 1, "opposite order, not significant": 0}
        assert row["together"]["opposite order, significant"] == 1  # Beta and Delta
    assert report.agreement(result)["says"] == (
        "People separate 4 of 6 pairs; the metrics put 3 of these in the same order with "
        "significance, and reverse with significance: Delta above Gamma (6 of 6 metrics).")


def test_differences_and_errors_are_those_of_leaving_out_one_segment(workspace):
    result = found(workspace)
    references, systems = wmt22_files.texts()

    def score(name, left_out):
        from sacrebleu.metrics import CHRF

        return CHRF().corpus_score(*(
            [line for n, line in enumerate(lines) if n != left_out]
            if kind == "h" else [[line for n, line in enumerate(lines) if n != left_out]]
            for kind, lines in (("h", systems[name]), ("r", references["A"])))).score

    values = [score("Alpha", n) - score("Beta", n) for n in range(60)]
    mean = sum(values) / 60
    row = result["pairs"][0]["by"]["chrf-A"]
    assert row["delta"] == pytest.approx(score("Alpha", None) - score("Beta", None))
    assert row["se"] == pytest.approx((59 / 60 * sum((v - mean) ** 2 for v in values)) ** 0.5)
    assert row["df"] == 59


def test_no_text_is_published(workspace):
    calibration.main([])
    text = (workspace / "reports/s/s/calibration/calibration.json").read_text()
    for side in wmt22_files.texts():
        for lines in side.values():
            assert not any(line in text for line in lines if len(line) > 12)
    assert calibration.main([]) is None  # and again, the same bytes
    assert (workspace / "reports/s/s/calibration/calibration.json").read_text() == text


def test_a_suite_without_such_a_set_and_a_system_without_rank_are_named(workspace):
    (workspace / calibration.FOLDER / f"txt/system-outputs/{NAME}.hyp.Epsilon.en").write_text(
        "word\n" * 60)
    with pytest.raises(UserError, match="Epsilon is not in the human ranking"):
        calibration.main([])
    settings(workspace, "none")
    with pytest.raises(UserError, match="this suite has no set to calibrate on"):
        calibration.main([])
