"""dvc.yaml told the truth by the code: deps are imports, params are the keys that are read.

DVC follows neither. A helper that is imported but not listed gives stale results in silence; one
listed but not imported reruns stages for nothing.
"""

import ast
import json
import subprocess
from functools import cache
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
PIPELINE = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"]
PARAMS = YAML(typ="safe").load((ROOT / "params.yaml").read_text())
CARD = ["download", "format", "dedup", "langid", "qe", "train_s1", "train_s2", "eval_mt",
        "eval_reason", "significance"]


def definition(stage: str) -> dict:
    return PIPELINE[stage].get("do", PIPELINE[stage])


def module_file(name: str) -> Path | None:
    """The file under stages/ behind a dotted module name, if there is one."""
    path = ROOT / Path(*name.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file() and name.startswith("stages"):
            return file
    return None


@cache
def imports(file: Path) -> frozenset[Path]:
    """Project files imported anywhere in a file, at its top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            package = file.relative_to(ROOT).parts[:-node.level] if node.level else ()
            module = ".".join([*package, *(node.module or "").split(".")]).strip(".")
            names = [module, *(f"{module}.{alias.name}" for alias in node.names)]
        for name in names:
            if (target := module_file(name)) and target.read_text().strip():
                found.add(target)
    return frozenset(found)


def reach(file: Path) -> set[Path]:
    """The file and all project files it imports, directly or not."""
    seen: set[Path] = set()
    todo = [file]
    while todo:
        if (current := todo.pop()) not in seen:
            seen.add(current)
            todo += imports(current)
    return seen


def keys_read(files: set[Path]) -> set[str]:
    """Literal keys of params.get and params.scaled, the latter as scales.${scale}.<key>."""
    keys = set()
    for file in files - {ROOT / "stages/common/params.py"}:
        for node in ast.walk(ast.parse(file.read_text())):
            if (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
                    and isinstance(node.func.value, ast.Name)
                    and node.func.value.id == "params"):
                [key] = node.args
                assert isinstance(key, ast.Constant), f"{file}:{node.lineno}: key is no literal"
                prefix = {"get": "", "scaled": "scales.${scale}."}[node.func.attr]
                keys.add(prefix + key.value)
    return keys


def covers(group: str, key: str) -> bool:
    return key == group or key.startswith(group + ".")


def test_the_graph_holds_exactly_the_ten_stages_of_the_design():
    assert list(PIPELINE) == CARD


@pytest.mark.parametrize("stage", CARD)
def test_every_stage_has_a_script_and_a_test(stage):
    assert (ROOT / f"stages/{stage}.py").is_file()
    assert (ROOT / f"tests/test_{stage}.py").is_file()
    assert f"python -m stages.{stage} " in definition(stage)["cmd"]


@pytest.mark.parametrize("stage", CARD)
def test_deps_are_exactly_the_imports(stage):
    listed = {dep for dep in definition(stage)["deps"] if dep.endswith(".py")}
    needed = {str(file.relative_to(ROOT)) for file in reach(ROOT / f"stages/{stage}.py")}
    assert listed == needed


@pytest.mark.parametrize("stage", CARD)
def test_params_are_exactly_the_keys_read(stage):
    # A loop item in a key, such as scales.${scale}.download.${item.asset}, narrows what is read.
    listed = {key.split(".${item")[0].split(".${key")[0]
              for key in definition(stage).get("params", [])}
    read = keys_read(reach(ROOT / f"stages/{stage}.py"))
    read -= {key for key in read if key.startswith("scales.${scale}.qe.")
             and not any(covers(group, key) for group in listed)}
    missing = {key for key in read if not any(covers(group, key) for group in listed)}
    unread = {group for group in listed
              if not any(covers(group, key) or covers(key, group) for key in read)}
    assert (missing, unread) == (set(), set())


def test_no_room_imports_a_stage():
    scripts = {ROOT / f"stages/{stage}.py" for stage in CARD}
    for file in (ROOT / "stages").glob("*/**/*.py"):
        assert not imports(file) & scripts, file


@pytest.mark.parametrize("stage", CARD)
def test_data_paths_in_the_command_are_deps_or_outs(stage):
    item = definition(stage)
    outs = [next(iter(out)) if isinstance(out, dict) else out
            for out in item.get("outs", []) + item.get("metrics", [])]
    for word in item["cmd"].split():
        if word.startswith(("data/", "reports/", "${item.weights}", "${item.pairs}")):
            known = [*item["deps"], *outs]
            assert any(word == path or path.startswith(word + "/") for path in known), word


@pytest.mark.parametrize("scale", PARAMS["scales"])
def test_every_scale_has_the_same_sections(scale):
    assert list(PARAMS["scales"][scale]) == list(PARAMS["scales"]["desk"])


def test_every_value_in_params_says_whose_it_is():
    marked = 10**6  # indentation of the nearest head whose comment speaks for all below it
    for number, line in enumerate((ROOT / "params.yaml").read_text().splitlines(), 1):
        content, _, comment = line.partition(" #")
        if line.startswith("#") or not content.strip():
            continue
        indent = len(content) - len(content.lstrip())
        said = comment.strip().split(":")[0].split(",")[0] in ("paper", "ours")
        item = content.lstrip().startswith("- ")  # lists are flush with their key
        if indent < marked or (indent == marked and not item):
            marked = indent if said and content.rstrip().endswith(":") else 10**6
            assert said or content.rstrip().endswith(":"), f"params.yaml:{number}: {line}"


def test_committed_counts_add_up():
    lock = ROOT / "reports/significance.json"
    if not lock.is_file():
        pytest.fail("reports/significance.json is not committed: run `make report`")
    for file in (ROOT / "data").glob("*/stats.json"):
        stats = json.loads(file.read_text())
        assert stats["seen"] == stats["kept"] + sum(stats["dropped"].values()), file


def test_lock_is_fresh():
    """dvc.lock matches code and params; data need not be there."""
    status = subprocess.run(["python", "-m", "dvc", "status", "--json"], cwd=ROOT,
                            capture_output=True, text=True, check=True).stdout
    stale = {}
    for stage, changes in json.loads(status).items():
        bad = [change for change in changes if isinstance(change, dict)
               and any(state not in ("deleted", "not in cache")
                       for kind in change.values() if isinstance(kind, dict)
                       for state in kind.values())]
        if bad:
            stale[stage] = bad
    assert stale == {}
