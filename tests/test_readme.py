"""The README tells the truth: results, graph, targets, settings."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PARAMS = YAML(typ="safe").load((ROOT / "params.yaml").read_text())


def table_in(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if line.startswith("|"))


@pytest.mark.parametrize("table", ["headline", "suites"])
def test_a_result_table_is_the_reports(table):
    assert table_in((ROOT / f"reports/desk/desk/tables/{table}.md").read_text()) in README


def test_the_graph_is_dvcs():
    command = [sys.executable, "-m", "dvc", "dag", "--md", "--collapse-foreach-matrix"]
    graph = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert graph.strip() in README


def test_every_target_and_path_exists():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"\bmake ([a-z-]+)", README):
        assert f"\n{target}: " in makefile, target
    for path in re.findall(r"`((?:stages|tests)/[\w./]+)`|\]\(([\w./]+)\)", README):
        assert (ROOT / (path[0] or path[1])).exists(), path


def test_the_number_of_pairs_is_the_budget():
    pairs = sum(PARAMS["scales"]["desk"]["qe"]["select"]["pairs"].values())
    assert f"{pairs:,} pairs of Chromium" in README


@pytest.mark.parametrize("key", ["bottom", "top"])
def test_the_defaults_are_those_of_params(key):
    values = re.search(r"`layers\.skip` \| (\d+), (\d+), none", README)
    assert int(values[1 if key == "bottom" else 2]) == PARAMS["layers"][key]
