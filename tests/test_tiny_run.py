"""The whole DAG at scale tiny, through the declared commands, in a clone of its own.

Random weights: this proves the plumbing and claims nothing about translation.
"""

import gzip
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from stages.common import jsonl
from stages.decoding import engines
from stages.model import weights

from .decoding import model_server

ROOT = Path(__file__).parents[1]
REASONING = ("base", "xplus", "xplus_rounded")
# What another choice of the top layers reruns.
DEPENDENT = {"train_s2", "significance", "eval_mt@score",
             *(f"eval_{kind}@{name}" for kind in ("mt", "reason")
               for name in ("xplus", "xplus_rounded"))}
KEEP = ["dvc.yaml", "params.yaml", "stages", "tests/fixtures", ".dvc/config", ".dvc/.gitignore",
        ".dvcignore", ".gitignore", "data/sources.lock"]


class Clone:
    """A repository of its own, in a path with a space, that runs this checkout's code."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in KEEP:
            source, target = ROOT / name, folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, target)
        self.call("git", "init", "--quiet")
        self.commit()

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(self.folder), "SHELL": "/bin/bash",
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                **{f"GIT_{who}_{what}": "test@example.org" for who in
                   ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}}

    def call(self, *command: str, ok: bool = True) -> str:
        done = subprocess.run(command, cwd=self.folder, env=self.environment, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        assert (done.returncode == 0) == ok, done.stdout
        return done.stdout

    def dvc(self, *arguments: str, ok: bool = True) -> str:
        return self.call(sys.executable, "-m", "dvc", *arguments, ok=ok)

    def commit(self) -> None:
        self.call("git", "add", "--all")
        self.call("git", "commit", "--quiet", "--message", "state")

    def lock(self) -> dict[str, list]:
        """{stage: its output hashes}."""
        stages = YAML(typ="safe").load((self.folder / "dvc.lock").read_text())["stages"]
        return {name: stage.get("outs") for name, stage in stages.items()}

    def ran(self, output: str) -> set[str]:
        return {line.split("'")[1] for line in output.splitlines()
                if line.startswith("Running stage '")}


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    clone = Clone(tmp_path_factory.mktemp("tiny run") / "a clone")
    params = clone.folder / "params.yaml"
    params.write_text(params.read_text().replace("\nscale: desk", "\nscale: tiny")
                      .replace("\nsuite: desk", "\nsuite: tiny"))
    for name in ("significance.json", "metrics.json"):  # another run's evidence
        file = clone.folder / "reports/desk/desk" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("{}")
    clone.commit()
    clone.output = clone.dvc("repro")
    clone.commit()
    return clone


def test_every_stage_ran(clone):
    stages = {name.split("@")[0] for name in clone.ran(clone.output)}
    assert stages == {"download", "format", "dedup", "langid", "qe", "train_s1", "train_s2",
                      "eval_mt", "eval_reason", "significance"}


def test_another_runs_evidence_is_left_alone(clone):
    for name in ("significance.json", "metrics.json"):
        assert (clone.folder / "reports/desk/desk" / name).read_text() == "{}"


@pytest.mark.parametrize(("file", "stages"), [
    ("stages/training/pairs.py", {"train_s1", "train_s2"}),
    ("stages/report/exhibits.py", set()),
    ("stages/statistics/closed_forms.py", {"significance"}),
    ("stages/decoding/likelihood.py", {f"eval_reason@{name}" for name in REASONING}),
    ("stages/comet/scoring.py", {"eval_mt@score"}),
    ("stages/verify/compare.py", set()),
    ("stages/training/sft.py", {"train_s1", "train_s2"})])
def test_a_comment_reruns_only_what_uses_the_file(clone, file, stages):
    before = (clone.folder / file).read_text()
    (clone.folder / file).write_text(before + "# a comment\n")
    status = json.loads(clone.dvc("status", "--json"))
    (clone.folder / file).write_text(before)
    assert set(status) == stages


@pytest.mark.parametrize("change", [("threads: 2", "threads: 1"), ("device: cpu", "device: cuda")])
def test_machine_settings_rerun_nothing(clone, change):
    params = clone.folder / "params.yaml"
    before = params.read_text()
    assert change[0] in before
    params.write_text(before.replace(*change))
    status = json.loads(clone.dvc("status", "--json"))
    params.write_text(before)
    assert status == {}


def test_two_neural_metrics_stand_beside_the_others(clone):
    report = json.loads((clone.folder / "reports/tiny/tiny/significance.json").read_text())
    tables = {table["id"]: table for table in report["tables"]}
    for metric in ("xcomet-xl", "wmt22-comet-da"):
        rows = tables[f"t3_translation.xplus-base.{metric}"]["rows"]
        assert {row["direction"] for row in rows} >= {"eng_Latn-swh_Latn", "swh_Latn-eng_Latn"}


def test_generated_and_multilingual_tasks_stand_beside_the_choices(clone):
    report = json.loads((clone.folder / "reports/tiny/tiny/significance.json").read_text())
    [table] = [table for table in report["tables"] if table["id"] == "t1_reasoning.xplus-base"]
    rows = {row["task"].split("@")[0]: row for row in table["rows"]}
    assert set(rows) == {"tiny_items", "tiny_steps", "tiny_sums"}
    sums, steps = rows["tiny_sums"], rows["tiny_steps"]
    assert sums["n"] == 2 * sums["clusters"] == 2 * steps["n"]


def test_how_metrics_judge_reruns_no_translation(clone):
    params = clone.folder / "params.yaml"
    before = params.read_text()
    params.write_text(before.replace("dtype: float32 # of the matrix products", "dtype: x")
                      .replace("      tokens: 4000\n", "      tokens: 3000\n"))
    status = json.loads(clone.dvc("status", "--json"))
    params.write_text(before)
    assert set(status) == {"eval_mt@score"}


def test_a_served_base_gives_the_rows_of_the_local_one(clone):
    segments, params = (clone.folder / name for name in (
        "data/eval_mt/base/segments.jsonl", "params.yaml"))
    local, before = segments.read_text(), params.read_text()
    about = {"weights": str(clone.folder / "data/download/model"), "derive": None}
    served = model_server.Served(*weights.load(Path(about["weights"])),
                                 engines.served_name("base", about))
    with model_server.running(served) as url:
        tree = YAML().load(before)
        tree["suites"]["tiny"]["eval_mt"]["engine"] = "server"
        tree["machine"]["server"] = {"url": url, "concurrency": 4, "timeout": 60}
        with open(params, "w") as file:
            YAML().dump(tree, file)
        clone.dvc("repro", "--single-item", "eval_mt@base")
    assert segments.read_text() == local and served.asked
    clone.call("git", "checkout", "--quiet", ".")
    clone.dvc("checkout", "--quiet")


def test_nothing_is_left_to_do(clone):
    assert clone.ran(clone.dvc("repro")) == set()


def test_every_row_is_accounted_for(clone):
    for stage in ("format/corpus", "format/suite", "dedup", "langid", "qe/score", "qe/select"):
        stats = json.loads((clone.folder / f"data/{stage}/stats.json").read_text())
        assert stats["seen"] == stats["kept"] + sum(stats["dropped"].values()), stage


def test_significance_names_its_scale(clone):
    report = json.loads((clone.folder / "reports/tiny/tiny/significance.json").read_text())
    assert report["meta"]["scale"] == "tiny"
    assert {table["id"].split(".")[0] for table in report["tables"]} >= {
        "t1_reasoning", "t2_aggregate", "t3_translation"}


def test_rows_hold_no_text_and_give_every_number_again(clone):
    clone.call(sys.executable, "-m", "stages.report")
    rows = clone.folder / "reports/tiny/tiny/rows"
    assert {path.name for path in rows.iterdir() if path.is_dir()} == {
        "base", "base_prompted", "copy_source", "xplus", "xplus_rounded"}
    text = next(jsonl.read(clone.folder / "data/format/suite/test.jsonl"))["src"]
    for path in rows.rglob("*.gz"):
        assert text not in gzip.decompress(path.read_bytes()).decode()
    assert "0 differences" in clone.call(sys.executable, "-m", "stages.verify", "reports/tiny/tiny")


def test_the_endpoints_are_known_before_a_tuned_system_is_scored(clone):
    """Their hash from the base's files alone is that of the finished run."""
    model = json.loads((clone.folder / "reports/tiny/tiny/significance.json").read_text())
    printed = clone.call(sys.executable, "-m", "stages.significance", "data/eval_mt",
                         "data/eval_reason", "--endpoints", "base")
    assert printed.splitlines()[0] == model["meta"]["endpoints_sha256"]


def test_the_report_is_written(clone):
    clone.call(sys.executable, "-m", "stages.report")
    html = (clone.folder / "reports/tiny/tiny/report.html").read_text()
    assert "tiny" in html
    assert (clone.folder / "reports/tiny/tiny/REPORT.md").is_file()


def test_another_top_reruns_only_what_depends_on_it(clone):
    before = clone.lock()
    output = clone.dvc("exp", "run", "--set-param", "layers.top=10")
    assert clone.ran(output) == DEPENDENT
    after = clone.lock()
    changed = {name for name in before if before[name] != after[name]}
    assert changed <= DEPENDENT and {"train_s2", "eval_mt@xplus"} <= changed
    clone.call("git", "checkout", "--quiet", ".")
    clone.dvc("checkout", "--quiet")


@pytest.mark.long
def test_the_same_in_a_temporary_folder_and_from_the_queue(clone):
    output = clone.dvc("exp", "run", "--temp", "--set-param", "layers.top=9")
    assert clone.ran(output) == DEPENDENT
    clone.dvc("exp", "run", "--queue", "--set-param", "layers.top=8", "--name", "top-eight")
    output = clone.dvc("exp", "run", "--run-all", "--jobs", "1")
    assert "top-eight" in clone.dvc("exp", "show", "--csv")


def test_an_impossible_choice_stops_before_any_work(clone):
    output = clone.dvc("exp", "run", "--set-param", "layers.top=33", ok=False)
    assert "overlap or exceed the model: it has 36 layers" in output
    assert "done in" not in output  # no stage finished anything
    clone.call("git", "checkout", "--quiet", ".")
    clone.dvc("checkout", "--quiet")


@pytest.mark.parametrize(("change", "says"), [
    (("\n  top: 15", "\n  top: 27"), "overlap or exceed the model: it has 30 layers"),
    (("\n  layers: top #", "\n  layers: [3, 30] #"), "layers [30] are not in the model")])
def test_an_impossible_choice_stops_an_empty_clone(tmp_path, change, says):
    """Nothing is downloaded, nothing is in the cache, and still no stage does any work."""
    clone = Clone(tmp_path / "empty")
    params = clone.folder / "params.yaml"
    assert change[0] in params.read_text()
    params.write_text(params.read_text().replace(*change))
    output = clone.dvc("repro", ok=False)
    assert says in output
    assert "done in" not in output
    assert not (clone.folder / "data/download").exists()
    assert not (clone.folder / "data/archives").exists()


@pytest.mark.long
def test_run_from_nothing_twice_gives_the_same_bytes(clone):
    before = clone.lock()
    clone.dvc("repro", "--force")
    assert clone.lock() == before
