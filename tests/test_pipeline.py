"""dvc.yaml told the truth by the code: deps are imports, params are the keys that are read.

DVC follows neither. A helper that is imported but not listed gives stale results in silence; one
listed but not imported reruns stages for nothing.
"""

import ast
import json
import re
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
SETTINGS = ROOT / "stages/common/params.py"
EXEMPT = {"machine"}  # how a machine runs things changes no result, so it reruns nothing
ROOMS = sorted(path.name for path in (ROOT / "stages").iterdir()
               if (path / "__init__.py").is_file())
MODELS = {"model", "training", "launch", "decoding", "comet", "convert"}
# What a room may import beside itself and `common`.
MAY_USE = {"training": {"model", "launch"}, "launch": {"model"}, "decoding": {"model", "launch"},
           "comet": {"launch"},
           "statistics": {"rows"}, "verify": {"rows", "statistics", "report"},
           "report": {"model"}}
TOP = {"experiments"}  # commands beside the pipeline: they may use every room


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
    return frozenset(imported(ast.parse(file.read_text()), file))


def imported(tree: ast.AST, file: Path) -> set[Path]:
    """Project files that a part of ``file`` imports."""
    found = set()
    for node in ast.walk(tree):
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
    return found


def reach(file: Path) -> set[Path]:
    """The file and all project files it imports, directly or not."""
    seen: set[Path] = set()
    todo = [file]
    while todo:
        if (current := todo.pop()) not in seen:
            seen.add(current)
            todo += imports(current)
    return seen


def is_params(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id == "params"


def keys_read(files: set[Path]) -> set[str]:
    """Keys of params.yaml that the files read, in the form in which dvc.yaml lists them.

    Only ``params.<function>("literal")`` is a way to read; whatever else could be one fails here.
    """
    keys: set[str] = set()
    for file in files - {SETTINGS}:
        keys |= keys_in(ast.parse(file.read_text()), file)
    return keys


def keys_in(tree: ast.AST, file: Path) -> set[str]:
    """``keys_read`` of one parsed file."""
    keys, calls, imported = set(), set(), False
    for node in ast.walk(tree):
        where = f"{file}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = getattr(node, "module", None) or ""
            assert module.split(".")[-1] != "params", f"{where}: import the module, not a name"
            for alias in node.names:
                assert alias.name != "*", f"{where}: no star imports"
                if alias.name.split(".")[-1] == "params":
                    assert isinstance(node, ast.ImportFrom) and not alias.asname, (
                        f"{where}: import it as `params`")
                    imported = True
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and is_params(
                node.func.value):
            calls.add(node.func.value)
            [key] = node.args
            if node.func.attr == "system":  # its own description, and the turn it may stand for
                keys |= {"systems", "scales.${scale}.model.system"}
                continue
            assert isinstance(key, ast.Constant), f"{where}: key is no literal"
            prefix = {"get": "", "scaled": "scales.${scale}.", "suite": "suites.${suite}."}
            keys.add(prefix[node.func.attr] + key.value)
    if imported:
        for node in ast.walk(tree):
            assert not is_params(node) or node in calls, f"{file}:{node.lineno}: params escapes"
    return {key for key in keys if key.split(".")[0] not in EXEMPT}


def covers(group: str, key: str) -> bool:
    return key == group or key.startswith(group + ".")


def test_the_graph_holds_exactly_the_ten_stages_of_the_design():
    assert list(PIPELINE) == CARD


@pytest.mark.parametrize("stage", CARD)
def test_every_stage_has_a_script_and_a_test(stage):
    assert (ROOT / f"stages/{stage}.py").is_file()
    assert (ROOT / f"tests/test_{stage}.py").is_file()
    assert f"python -m stages.{stage} " in definition(stage)["cmd"]


def conversions() -> dict[str, set[Path]]:
    """What each case of ``download.build`` and ``assets.convert`` imports, directly or not."""
    found: dict[str, set[Path]] = {}
    for script in (ROOT / "stages/download.py", ROOT / "stages/convert/assets.py"):
        [cases] = [node.cases for node in ast.walk(ast.parse(script.read_text()))
                   if isinstance(node, ast.Match)]
        for case in cases:
            if isinstance(case.pattern, ast.MatchValue):
                part = ast.Module(case.body, [])
                found[case.pattern.value.value] = {
                    file for target in imported(part, script) for file in reach(target)}
    return found


@pytest.mark.parametrize("asset", PIPELINE["download"]["foreach"])
def test_an_asset_depends_on_its_own_conversions_alone(asset):
    """Beside what all of them share; over all scales."""
    shared = {ROOT / dep for dep in definition("download")["deps"] if dep.endswith(".py")}
    item = PIPELINE["download"]["foreach"][asset]
    made_with, name = ROOT / item["code"], item["asset"].split(".")[-1]
    listed = set(made_with.glob("*.py")) if made_with.is_dir() else {made_with}
    used = {file for owner in PARAMS[f"{item['of']}s"].values()
            for file in conversions()[owner["download"][name]["convert"]]}
    assert {file for file in listed if file.read_text().strip()} - shared == used - shared


@pytest.mark.parametrize("stage", CARD)
def test_deps_are_exactly_the_imports(stage):
    listed = {dep for dep in definition(stage)["deps"] if dep.endswith(".py")}
    needed = reach(ROOT / f"stages/{stage}.py")
    if stage == "download":  # its conversions are listed asset by asset, see above
        needed -= {file for files in conversions().values() for file in files
                   if "convert" in file.parts}
    if stage == "eval_mt":  # the item that scores lists the metrics' room
        assert loop(stage)["score"]["code"] == "stages/comet"
        needed -= {file for file in needed if "comet" in file.parts}
    assert listed == {str(file.relative_to(ROOT)) for file in needed}


@pytest.mark.parametrize("stage", CARD)
def test_params_are_exactly_the_keys_read(stage):
    declared = [key for key in definition(stage).get("params", []) if isinstance(key, str)]
    listed = {filled(key, name, item) for key in declared for name, item in loop(stage).items()}
    read = keys_read(reach(ROOT / f"stages/{stage}.py"))
    # A loop reads one entry of a mapping: all of them together are the key that the code asks for.
    parents = {filled(key, name, item).rpartition(".")[0] for key in declared if "${" in key
               for name, item in loop(stage).items() if filled(key, name, item) != key}
    missing = {key for key in read if key not in parents
               and not any(covers(group, key) for group in listed)}
    unread = {group for group in listed
              if not any(covers(group, key) or (key in parents and covers(key, group))
                         for key in read)}
    assert (missing, unread) == (set(), set())


def loop(stage: str) -> dict[str, dict]:
    """Items that the stage's loop runs over; one empty name without a loop."""
    found = PIPELINE[stage].get("foreach", {"": {}})
    return PARAMS["systems"] if found == "${systems}" else found


def filled(key: str, name: str, item: dict) -> str:
    """A params line with the loop's variables filled in, but for ${scale} and ${suite}."""
    return re.sub(r"\$\{(key|item\.(\w+))\}",
                  lambda hit: name if hit[1] == "key" else item[hit[2]], key)


@pytest.mark.parametrize("code", [
    "from stages.common.params import get\nget('seed')", "from ..common.params import *",
    "from .common import params as p\np.get('seed')", "import stages.common.params",
    "from .common import params\nread = params.get\nread('seed')",
    "from .common import params\nparams.get('se' + 'ed')",
    "from .common import params\ngetattr(params, 'get')('seed')"])
def test_no_way_around_the_scan(code):
    with pytest.raises(AssertionError):
        keys_in(ast.parse(code), Path("stages/x.py"))


@pytest.mark.parametrize("stage", [stage for stage in CARD if definition(stage).get("params")])
def test_every_params_line_is_needed(stage, monkeypatch):
    """Deleting any one of them makes the proof above fail; but for what one item of a loop reads
    as part of a larger key, and the others by itself."""
    whole = definition(stage)["params"]
    larger = {filled(key, name, item) for key in whole if isinstance(key, str) and "${item" in key
              for name, item in loop(stage).items()}
    for line in [key for key in whole if isinstance(key, str)
                 and not any(covers(group, key) for group in larger)]:
        monkeypatch.setitem(definition(stage), "params", [key for key in whole if key != line])
        with pytest.raises(AssertionError):
            test_params_are_exactly_the_keys_read(stage)


def test_arrows_between_rooms_run_downward():
    for file in (ROOT / "stages").glob("*/**/*.py"):
        room = file.relative_to(ROOT / "stages").parts[0]
        allowed = {room, "common"} | (set(ROOMS) if room in TOP else MAY_USE.get(room, set()))
        for target in imports(file):
            at = target.relative_to(ROOT / "stages").parts[0]
            assert at in allowed, f"{file}: imports {target}"
    assert not any("corpus" in MAY_USE.get(room, set()) for room in MODELS)


def test_no_circle_of_imports():
    for file in (ROOT / "stages").glob("**/*.py"):
        behind = {found for step in imports(file) - {file.parent / "__init__.py"}
                  for found in reach(step)}
        assert file not in behind or file.name == "__init__.py", file


def test_no_room_is_crowded():
    for folder in [ROOT / "stages" / room for room in ROOMS]:
        modules = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
        assert len(modules) <= 10, folder


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
        if word.startswith(("data/", "reports/", "${item.pairs}")):
            known = [*item["deps"], *outs]
            assert any(word == path or path.startswith(word + "/") for path in known), word


@pytest.mark.parametrize("group", ["scales", "suites"])
def test_every_scale_and_suite_has_the_same_sections(group):
    for found in PARAMS[group].values():
        assert list(found) == list(PARAMS[group]["desk"])


@pytest.mark.parametrize("stage", ["download", "format", "dedup", "langid", "qe", "train_s1",
                                   "train_s2"])
def test_a_suite_neither_filters_nor_trains(stage):
    assert "${suite}" not in json.dumps(definition(stage))
    others = {name for name, item in loop(stage).items() if "${suite}" in json.dumps(item)}
    assert others == {"download": {"items", "suite_test", "calibration", "judges"},
                      "format": {"suite"}}.get(stage, set())


def unmarked(text: str) -> list[str]:
    """Lines that hold a value which neither they nor a head above them calls paper or ours."""
    heads: list[tuple[int, bool]] = []  # indentation of the heads around a line; do they speak?
    bad = []
    for number, line in enumerate(text.splitlines(), 1):
        content, _, comment = line.partition(" #")
        if line.startswith("#") or not content.strip():
            continue
        indent = len(content) - len(content.lstrip())
        indent += content.lstrip().startswith("- ")  # lists are flush with their key
        heads = [head for head in heads if head[0] < indent]
        said = comment.strip().split(":")[0].split(",")[0] in ("paper", "ours")
        if content.rstrip().endswith(":"):
            heads.append((indent, said))
        elif not said and not any(spoken for _, spoken in heads):
            bad.append(f"{number}: {line}")
    return bad


def test_every_value_in_params_says_whose_it_is():
    assert unmarked((ROOT / "params.yaml").read_text()) == []


@pytest.mark.parametrize("text", ["a: 1", "a: # why\n  b: 1", "a: # ours\n  b: 1\nc: 2",
                                  "a:\n  b: # paper\n    c: 1\n  d: 2", "a:\n- 1"])
def test_a_value_without_source_is_found(text):
    assert unmarked(text)


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
