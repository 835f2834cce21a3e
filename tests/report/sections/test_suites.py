"""Findings of two suites side by side: what carries, what does not, and who may be compared."""

import copy

from stages.report.sections import suites
from tests.report import finished_run
from tests.report.finished_run import put

PAIR = ("xplus", "base")
BETTER = {"delta": 3.0, "ci": [1.0, 5.0], "p_holm": 0.001, "verdict": "better"}
WORSE = {"delta": -3.0, "ci": [-5.0, -1.0], "p_holm": 0.001, "verdict": "worse"}
OPEN = {"delta": 0.1, "ci": [-1.0, 1.2], "p_holm": 0.9, "verdict": "inconclusive"}


def model(into, out, macro, suite):
    """A data model with two directions, into and out of English, and the mean over tasks."""
    found = finished_run.significance()
    found["meta"] |= {"suite": suite, "contrasts": ["xplus-base"]}
    found["headline"] = {"xplus-base": {
        "system": "xplus", "baseline": "base",
        "translation": {"directions": {"swh_Latn-eng_Latn": {"chrf++": into},
                                       "eng_Latn-swh_Latn": {"chrf++": out}}},
        "reasoning": {"macro": macro}}}
    return copy.deepcopy(found)


def write(reports, suite, text, weights="w1", **rows):
    if rows:
        put(reports / suite / "significance.json", model(suite=suite, **rows))
    for system in PAIR:
        put(reports / suite / "rows" / system / "translation.json",
            {"test_set": text, "signature": {"revision": weights if system == "xplus" else "b"}})


def test_gains_that_carry_turn_or_vanish_are_named(tmp_path):
    write(tmp_path, "desk", "strings", into=BETTER, out=BETTER, macro=OPEN)
    write(tmp_path, "standard", "news", into=BETTER, out=WORSE, macro=WORSE)
    table, figure, found = suites.exhibit(tmp_path, "desk", PAIR)
    assert found == {"apart": [], "says": [
        "A gain on strings (desk) carries to news (standard): chrF++, Swahili → English.",
        "A gain on strings (desk) turns into a loss on news (standard): chrF++, English → Swahili.",
        "A loss on news (standard): reasoning, mean over tasks, %."]}
    rows = {row["what"]: row for row in table["rows"]}
    assert rows["chrF++, English → Swahili"]["desk_delta"] == 3.0
    assert rows["chrF++, English → Swahili"]["standard_ci"] == [-5.0, -1.0]
    assert rows["reasoning, mean over tasks, %"]["standard_verdict"] == "worse"
    assert figure is not None


def test_the_weaker_verdict_stands_and_an_open_one_does_not_carry(tmp_path):
    write(tmp_path, "desk", "strings", into=BETTER, out=BETTER | {"stands": "inconclusive"},
          macro=BETTER)
    write(tmp_path, "standard", "news", into=OPEN, out=BETTER, macro=BETTER)
    _, _, found = suites.exhibit(tmp_path, "standard", PAIR)
    assert found["says"] == [
        "A gain on strings (desk) carries to news (standard): reasoning, mean over tasks, %.",
        "A gain on strings (desk) does not carry to news (standard): chrF++, Swahili → English."]


def test_other_weights_are_named_and_not_compared(tmp_path):
    write(tmp_path, "desk", "strings", into=BETTER, out=BETTER, macro=OPEN)
    write(tmp_path, "standard", "news", "w2", into=BETTER, out=BETTER, macro=OPEN)
    assert suites.exhibit(tmp_path, "desk", PAIR) == (None, None, {"says": [],
                                                                  "apart": ["standard"]})


def test_a_single_suite_has_nothing_beside_it(tmp_path):
    write(tmp_path, "desk", "strings", into=BETTER, out=BETTER, macro=OPEN)
    put(tmp_path / "broken" / "significance.json", model(BETTER, BETTER, OPEN, "broken"))
    assert suites.exhibit(tmp_path, "desk", PAIR) == (None, None, {"says": [], "apart": []})


def test_the_report_shows_the_section(tmp_path):
    root = finished_run.build(tmp_path)
    write(root / finished_run.RUN.parent, finished_run.RUN.name, "strings")  # the run's own result
    write(root / finished_run.RUN.parent, "standard", "news", into=WORSE, out=OPEN, macro=OPEN)
    text = (finished_run.write(root) / "REPORT.md").read_text(encoding="utf-8")
    section = text.split("## From interface text to news")[1].split("\n## ")[0]
    assert "turns into a loss on news" in section
    assert (root / finished_run.RUN / "figures/suites.png").is_file()
    assert (root / finished_run.RUN / "tables/suites.csv").is_file()
