"""The report of an invented finished run: complete, self-contained, inert and repeatable."""

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from stages.common import jsonl
from stages.common.errors import UserError
from stages.experiments import calibration
from stages.report import evidence, exhibits
from stages.report.sections import calibration as scorer
from tests.experiments import wmt22_files
from tests.report import finished_run
from tests.report.finished_run import RUN

VOID = {"meta", "br"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    root = finished_run.build(tmp_path_factory.mktemp("run"))
    finished_run.write(root)
    return root


@pytest.fixture(scope="module")
def html(finished) -> str:
    return (finished / RUN / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def markdown(finished) -> str:
    return (finished / RUN / "REPORT.md").read_text(encoding="utf-8")


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data):
        self.text += data


def test_page_is_well_formed_and_self_contained(html):
    page = Page(html)
    assert page.open == []
    assert not {"script", "iframe", "link", "object", "embed", "form", "img"} & set(page.tags)
    for tag, name, value in page.attributes:
        assert not name.startswith("on"), (tag, name)
        if name in ("src", "href", "xlink:href"):
            assert value.startswith("#"), value
    assert "default-src 'none'" in html and "url(http" not in html and "@import" not in html
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert {value[1:] for tag, name, value in page.attributes
            if tag == "a" and name == "href"} <= set(ids)


def test_hostile_output_is_shown_as_text(html, markdown):
    assert finished_run.HOSTILE.replace("\u202e", "U+202E") in Page(html).text
    assert "\u202e" not in html + markdown
    assert "<script" not in html + markdown
    assert r"&lt;script&gt;alert('x')&lt;/script&gt; &#124; &#96;=1+1&#96; U+202Edesrever" \
        in markdown
    assert "49" not in re.findall(r"desrever (\S+)", markdown)


def test_every_table_of_the_statistics_is_there_once(finished, html, markdown):
    for table in finished_run.significance()["tables"]:
        assert html.count(f'id="{table["id"]}"') == 1
        assert f"### {table['title'].replace('_', chr(92) + '_')}\n" in markdown
        for suffix in ("md", "csv", "tex"):
            name = table["id"].replace("+", "+") + "." + suffix
            assert (finished / RUN / "tables" / name).is_file()


def test_figures_are_files_and_inline(finished, html):
    names = {path.stem for path in (finished / RUN / "figures").glob("*.svg")}
    assert names == {path.stem for path in (finished / RUN / "figures").glob("*.png")}
    assert names == {"layers", "funnel", "loss", "levels", "gains", "forest", "sensitivity",
                     "discordance"}
    assert html.count("<svg") == len(names)


def test_verdict_sentences(markdown):
    assert ("- **▲ better** **Into English**: +7.30 chrF++ (95 % CI 5.10 to 9.40; p = 0.0006 "
            "after Holm). A gain that the choice of test text does not explain.\n") in markdown
    assert ("- **○ inconclusive** **Out of English**: +1.10 chrF++ (95 % CI −0.40 to 2.50; "
            "p = 0.210 after Holm). These data do not tell the two apart, which is not evidence "
            "that they are equal.\n") in markdown
    assert "Non-inferior at the margin of 2.0 points." in markdown
    assert "the conclusion tips at a margin of 1.60." in markdown


def test_a_score_that_copying_would_reach_is_said_to_be_one(markdown):
    assert ("Not shown to beat a plain copy of the source: English → Swahili (+0.30).\n"
            ) in markdown


def test_losing_reasoning_is_not_sold_as_maintained(tmp_path):
    root = finished_run.build(tmp_path)
    model = finished_run.significance()
    model["headline"]["xplus-base"]["reasoning"]["macro"] |= {
        "delta": -1.0, "ci": [-3.2, 1.2], "bound_pp": -2.9, "verdict": "inconclusive"}
    finished_run.put(root / RUN / "significance.json", model)
    finished_run.write(root)
    text = (root / RUN / "REPORT.md").read_text()
    assert "A loss beyond the margin of 2.0 points is not ruled out" in text
    assert "Non-inferior at" not in text and "**◆ maintained** **Mean" not in text


def test_same_input_same_bytes(finished, tmp_path):
    root = finished_run.build(tmp_path)
    finished_run.write(root)
    for path in sorted((finished / RUN).rglob("*.*")):
        twin = root / RUN / path.relative_to(finished / RUN)
        assert path.read_bytes() == twin.read_bytes(), path


def test_examples_are_drawn_by_the_seed_alone(finished):
    metas = evidence.metas(finished / "data/eval_mt")
    assert list(metas) == ["base", "base_prompted", "s1", "xplus"]
    rules = {"deu_Latn-eng_Latn": "top1"}
    one = evidence.examples(finished, metas, 1, "xplus", 4, rules)
    assert one == evidence.examples(finished, metas, 1, "xplus", 4, rules)
    assert one != evidence.examples(finished, metas, 2, "xplus", 4, rules)
    assert list(one) == ["German → English", "English → German", "English → Indonesian",
                         "English → Swahili", "Indonesian → English", "Swahili → English"]
    assert {len(samples) for samples in one.values()} == {4}
    assert [row["who"] for row in one["German → English"][0]] == [
        "Source", "Reference", "base", "base, best prompt", "stage 1 only", "xplus"]


def test_where_text_may_not_be_repeated_the_report_shows_none(finished, tmp_path):
    root = finished_run.build(tmp_path)
    params = json.loads((root / "params.yaml").read_text())
    params["suites"]["kolibri"]["examples"] = 0
    (root / "params.yaml").write_text(json.dumps(params))
    finished_run.write(root)
    source = next(jsonl.read(root / "data/eval_mt/base/segments.jsonl"))["src"]
    for name in ("REPORT.md", "report.html"):
        assert source in (finished / RUN / name).read_text()
        text = (root / RUN / name).read_text()
        assert source not in text and "Text of this suite's sets is not repeated here" in text


def test_lines_seen_in_training_are_counted_by_language_and_side(finished):
    tables, _ = evidence.data_tables(finished)
    [rows] = [table["rows"] for table in tables if table["id"] == "data_overlap"]
    assert rows == [
        {"text": "German", "lines": 100, "like a source, %": 3, "like a translation, %": 1},
        {"text": "Swahili", "lines": 200, "like a source, %": 0, "like a translation, %": 0}]
    assert "Test lines seen in training" in (finished / RUN / "REPORT.md").read_text()


def test_an_answers_language_is_flagged_by_the_rule_of_its_direction():
    row = {"empty": False, "off_target": {"top1": False, "no_other_p50": True}}
    assert evidence.flagged(row, "top1") == evidence.flagged(row, None) == []
    assert evidence.flagged(row, "no_other_p50") == ["wrong language"]
    assert evidence.flagged(row | {"empty": True}, None) == ["no answer"]


def test_only_the_statistics_are_required(tmp_path):
    root = finished_run.build(tmp_path)
    shutil.rmtree(root / "data")
    finished_run.write(tmp_path)
    text = (tmp_path / RUN / "REPORT.md").read_text()
    for what in ("training (`data/train_s1/config.json`", "the data stages (`data/format",
                 "a timed run (`data/runtime`", "translation (`data/eval_mt/xplus"):
        assert f"Not run: {what}" in text


def test_missing_statistics_name_the_file_and_the_remedy(tmp_path):
    (finished_run.build(tmp_path) / RUN / "significance.json").unlink()
    message = r"desk/kolibri/significance\.json is not there. Run `dvc repro`"
    with pytest.raises(UserError, match=message):
        finished_run.write(tmp_path)


def test_broken_file_is_named(tmp_path):
    root = finished_run.build(tmp_path)
    (root / "data/format/corpus/stats.json").write_text("{")
    with pytest.raises(UserError, match=r"format/corpus/stats\.json: not JSON"):
        finished_run.write(root)


def test_cost_outlives_the_files_it_came_from(tmp_path):
    root = finished_run.build(tmp_path)
    kept = root / RUN / "runtime.json"
    first = evidence.cost(root, [], kept)
    assert first and first["rows"][-1] == {
        "stage": "total", "seconds": 724.6, "peak memory, MiB": 2100}
    assert first["rows"][0]["machine"] == "a processor, 2 cores"
    shutil.rmtree(root / "data/runtime")
    finished_run.put(root / "data/runtime/format.json",
                       {"stage": "format", "seconds": 2.5, "peak_mib": 90})
    again = evidence.cost(root, ["train_s1", "format"], kept)
    assert again and [row["stage"] for row in again["rows"]] == ["train_s1", "format", "total"]
    assert again["rows"][1]["seconds"] == 2.5


def test_lock_is_the_identity_of_the_run(tmp_path):
    assert evidence.run_identity(tmp_path / "run.lock") == (None, [])
    (tmp_path / "run.lock").write_text("schema: '2.0'\nstages:\n  b: {}\n  a: {}\n")
    digest, stages = evidence.run_identity(tmp_path / "run.lock")
    assert digest == "4300445d23eb5870159dc883afeefa07b50234aafb865243711002becb44036d"
    assert stages == ["b", "a"]


@pytest.mark.parametrize(("numbers", "text"), [
    ([0, 1, 2, 3], "0–3"), ([15, 16, 18], "15–16, 18"), ([], ""), ([7], "7")])
def test_spans(numbers, text):
    assert evidence.spans(numbers) == text


def test_generic_counts_become_tables():
    tables, note = evidence.extras("langid", {
        "seen": 2, "kept": 1, "dropped": {"x": 1}, "threshold": 0.5, "rule": "per language",
        "confusion": {"swh_Latn": {"swh_Latn": 3}, "deu_Latn": {"nl": 1}}, "empty": {},
        "choices": {"default": "top", "swh_Latn": "known"}, "rules": [{"lang": "swh_Latn"}]})
    assert note == "langid: threshold 0.500, rule per language."
    assert [table["rows"] for table in tables] == [
        [{"": "Swahili", "Swahili": 3, "German": 0, "nl": 0, "others": 0},
         {"": "German", "Swahili": 0, "German": 0, "nl": 1, "others": 0}],
        [{"": "default", "value": "top"}, {"": "Swahili", "value": "known"}],
        [{"lang": "Swahili"}]]


def test_stale_tables_are_removed(tmp_path):
    root = finished_run.build(tmp_path)
    finished_run.put(root / RUN / "tables/gone.csv", 1)
    finished_run.write(root)
    assert not (root / RUN / "tables/gone.csv").exists()


def test_the_limits_are_those_of_scale_and_suite(tmp_path):
    root = finished_run.build(tmp_path, scale="tiny")
    text = (finished_run.write(root) / "REPORT.md").read_text()
    assert "- **Scale tiny.** What it cannot show." in text
    assert json.loads((root / RUN / "runtime.json").read_text())


def test_the_run_keeps_its_lock_and_leaves_other_runs_alone(tmp_path):
    root = finished_run.build(tmp_path)
    (root / "dvc.lock").write_text("schema: '2.0'\nstages:\n  format: {}\n")
    others = [root / "reports/desk/flores/tables/old.csv", root / "reports/tiny/kolibri/run.lock",
              root / "reports/REPORT.md"]
    for other in others:
        finished_run.put(other, "other")
    run = finished_run.write(root)
    assert (run / "run.lock").read_bytes() == (root / "dvc.lock").read_bytes()
    assert [json.loads(other.read_text()) for other in others] == ["other"] * 3
    everything = {path for path in (root / "reports").rglob("*") if path.is_file()}
    assert {path for path in everything if run not in path.parents} == set(others)


def test_the_test_text_is_a_row_of_the_funnel_and_nothing_else(finished):
    tables, steps = evidence.data_tables(finished)
    found = {table["id"]: table["rows"] for table in tables}
    assert [row["step"] for row in found["data_funnel"]] == [
        "format", "format, test text", "dedup", "langid", "qe score", "qe select"]
    assert found["data_funnel"][1]["kept"] == 700
    assert "data_format_test" not in found
    assert "format, test text" not in [step for step, _, _ in steps]


def renamed(value, names):
    """The value with every system's name replaced, in texts and in keys."""
    if isinstance(value, dict):
        return {renamed(key, names): renamed(one, names) for key, one in value.items()}
    if isinstance(value, list):
        return [renamed(one, names) for one in value]
    if value in names:
        return names[value]
    if isinstance(value, str):
        for name in sorted(names, key=len, reverse=True):
            value = re.sub(rf"\b{name}\b", names[name], value)
    return value


def test_any_names_will_do(tmp_path):
    """No section, figure or mark depends on what a system is called."""
    names = {"xplus": "nllb-200", "base": "base-2", "base_prompted": "other-few", "s1": "first"}
    root = finished_run.build(tmp_path)
    finished_run.put(root / RUN / "significance.json", renamed(finished_run.significance(), names))
    for old, new in names.items():
        (root / "data/eval_mt" / old).rename(root / "data/eval_mt" / new)
    run = finished_run.write(root)
    text = (run / "REPORT.md").read_text()
    assert "### Translation: nllb-200 against base-2\n" in text
    second = text[text.index("## Second baselines"):text.index("## Examples")]
    assert "nllb-200 against other-few" in second and "base-2" not in second
    shown = re.findall(r"<dt>([^<]*)</dt><dd[^>]* class=\"shown\"",
                       (run / "report.html").read_text())
    assert shown and set(shown) == {"nllb-200"}


def test_tables_go_to_the_sections_that_they_are_about():
    found = exhibits.sections(finished_run.significance())
    assert {name: [table["id"] for table in tables] for name, tables in found.items()} == {
        "translation": ["t3_translation.xplus-base.chrf++", "floors.chrf++"],
        "second": ["t3_translation.xplus-base_prompted.chrf++"],
        "more": ["t3_translation.s1-base.chrf++"], "reasoning": ["t1_reasoning.xplus-base"],
        "more_reasoning": [],
        "provenance": ["t4_provenance"]}


def test_every_system_is_drawn():
    model = finished_run.significance()
    floors = next(table for table in model["tables"] if table["id"] == "floors.chrf++")
    floors["about"]["systems"].append("unheard-of")
    for row in floors["rows"]:
        row["unheard-of"] = 1.0
    drawn = exhibits.draw_translation(model)["levels"]
    labels = drawn.axes[0].get_legend_handles_labels()[1]
    assert labels == ["base", "base, best prompt", "stage 1 only", "xplus", "unheard-of",
                      "copied source", "shuffled references"]


def test_a_group_without_directions_is_left_out(tmp_path):
    root = finished_run.build(tmp_path)
    model = finished_run.significance()
    for contrast in model["headline"].values():
        contrast["translation"] = {**contrast["translation"]}
        del contrast["translation"]["out_of_eng"]
    finished_run.put(root / RUN / "significance.json", model)
    run = finished_run.write(root)
    assert "**Out of English**" not in (run / "REPORT.md").read_text()
    assert "**Into English**" in (run / "REPORT.md").read_text()
    assert "Out of English" not in (run / "tables/headline.md").read_text()


def test_the_level_is_that_of_the_run(tmp_path):
    root = finished_run.build(tmp_path)
    model = json.loads(json.dumps(finished_run.significance()).replace("95 %", "90 %"))
    finished_run.put(root / RUN / "significance.json", model)
    run = finished_run.write(root)
    for file in (run / "REPORT.md", run / "report.html", *run.glob("tables/*")):
        assert "95 %" not in file.read_text(), file
    assert "**Another domain.**" in (run / "REPORT.md").read_text()


def written(tmp_path, change) -> str:
    """REPORT.md of the invented run after ``change`` of its significance.json."""
    root = finished_run.build(tmp_path)
    model = finished_run.significance()
    change(model)
    finished_run.put(root / RUN / "significance.json", model)
    return (finished_run.write(root) / "REPORT.md").read_text()


def test_the_scorer_on_published_numbers_stands_where_it_was_calibrated(finished, tmp_path):
    assert "calibration_" not in (finished / RUN / "report.html").read_text()
    root = finished_run.build(tmp_path)
    finished_run.put(root / RUN / scorer.FILE, {"source": "wmt22@1", **calibration.calibrate(
        wmt22_files.published(tmp_path / "wmt22"), 0.05)})
    run = finished_run.write(root)
    text = (run / "REPORT.md").read_text()
    provenance = text[text.index("## Provenance"):]
    assert ("### The scorer on published scores\n\n24 of 24 published scores come out equal to "
            "3 decimals; the largest difference is ") in provenance
    assert "People separate 4 of 6 pairs; the metrics put 3 of these in the same order with " \
        "significance, and reverse with significance: Delta above Gamma (6 of 6 metrics).\n" \
        in provenance
    pairs = (run / "tables/calibration_pairs.md").read_text()
    assert "| Gamma | Delta | 0.05 | p &lt; 0.05 | −" in pairs
    for name in ("scores", "agreement", "pairs"):
        assert f'id="calibration_{name}"' in (run / "report.html").read_text()
        assert f"tables/calibration_{name}.csv" in (run / "SHA256SUMS").read_text()
    assert "calibration/calibration.json" in (run / "SHA256SUMS").read_text()


def test_a_gain_that_shuffling_keeps_is_called_fluency(tmp_path):
    def change(model):
        for row in model["headline"]["xplus-base"]["translation"]["directions"].values():
            row["chrf++"] = {**row["chrf++"], "kind": "fluency"}
        into = model["headline"]["xplus-base"]["translation"]
        into["into_eng"] = {"chrf++": {**into["into_eng"]["chrf++"], "kind": "fluency"}}

    text = written(tmp_path, change)
    assert "fluency in the language, not translation of the sentence" in text
    assert "A gain in fluency rather than in translation" in text


def test_the_weaker_verdict_is_the_headline(tmp_path):
    def change(model):
        into = model["headline"]["xplus-base"]["translation"]
        into["into_eng"] = {"chrf++": {**into["into_eng"]["chrf++"], "stands": "inconclusive"}}

    text = written(tmp_path, change)
    assert "- **○ inconclusive** **Into English**: +7.30" in text
    assert "Alone it would be called better; the rounded system does not confirm that" in text
    table = (tmp_path / RUN / "tables/headline.md").read_text()
    assert "| xplus against base | ○ inconclusive | chrF++, Into English |" in table


def test_caveats_and_the_log_probability_stand_on_the_first_screen(tmp_path):
    def change(model):
        reasoning = model["headline"]["xplus-base"]["reasoning"]
        reasoning["caveats"] = ["Without physics the verdict would be another."]
        reasoning["logprob"] = {"delta": -0.0512, "ci": [-0.08, -0.02], "p": 0.0004,
                                "p_holm": 0.0004, "verdict": "worse", "baseline": -1.0,
                                "system": -1.0512}

    text = written(tmp_path, change)
    verdict = text[:text.index("## What was trained")]
    assert "Without physics the verdict would be another." in verdict
    assert "**▼ worse** **Log-probability of the right choice**: −0.051 nats" in verdict
