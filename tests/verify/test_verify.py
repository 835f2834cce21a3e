"""Whatever somebody changes in a committed run is found and named, and no model is needed for it.

The edits are seeded; a dozen of each kind run always, all of them with the long tests.
"""

import gzip
import json
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from stages import significance
from stages.common import jsonl, manifest
from stages.common.errors import UserError
from stages.experiments import calibration
from stages.report import __main__ as report
from stages.report import render
from stages.report.sections import calibration as scorer
from stages.statistics.arms import analysis as arms
from stages.verify import __main__ as verify
from tests.experiments import wmt22_files
from tests.rows.result_files import SETTINGS, items, params, run, segments
from tests.statistics.arms.invented import BASE_QUICK, result

ROOT = Path(__file__).parents[2]
BOTH = ("swh_Latn-eng_Latn", "eng_Latn-swh_Latn")
QUICK = SETTINGS | {"resamples": 100, "ar_trials": 99, "simulations": 20}
FEW, ALL, PRINTED = 12, 200, 50


@pytest.mark.parametrize(("run", "megabytes"), [("desk/desk", 1), ("desk/standard", 6)])
def test_committed_rows_stay_small(run, megabytes):
    """As they lie there: git compresses no gzip."""
    files = [*(ROOT / "reports" / run / "rows").rglob("*.*")]
    assert sum(file.stat().st_size for file in files) <= megabytes * 1e6


def scores(seed: int, share: float) -> list[float]:
    rng = random.Random(seed)
    return [float(rng.random() < share) for _ in range(60)]


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A finished run of invented systems, report and manifest included."""
    root = tmp_path_factory.mktemp("finished")
    answers = [items(scores(n, 0.6), "physics") + items(scores(n + 5, 0.5), "social_iqa")
               for n in (1, 2)]
    folders = run(root, segments(0.5, 1, BOTH, 20), segments(0.2, 2, BOTH, 20), *answers)
    params(root, QUICK)
    out = root / "reports/desk/invented"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        significance.main([*map(str, folders), str(out / "significance.json"),
                           str(out / "metrics.json")])
        jsonl.write_json(out / scorer.FILE, {"source": "wmt22@1", **calibration.calibrate(
            wmt22_files.published(root / "wmt22"), QUICK["alpha"])})
        report.main([str(root)])
    return out


@pytest.fixture
def committed(finished, tmp_path) -> Path:
    """A copy of the run, to be changed."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


def found(folder: Path) -> list[str]:
    return verify.differences(folder)[0]


def test_an_untouched_run_follows_from_its_rows(committed, capsys):
    assert verify.differences(committed) == ([], [])
    verify.main([str(committed)])
    assert "0 differences" in capsys.readouterr().out


def test_a_run_without_rows_or_manifest_is_not_verified(committed):
    shutil.rmtree(committed / "rows")
    (committed / manifest.NAME).unlink()
    first, second = found(committed)
    assert first.endswith("SHA256SUMS: is not there")
    assert "settings.json" in second


def test_no_run_at_all_is_not_a_success(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="reports/ holds no run"):
        verify.main([])


@pytest.fixture(scope="module")
def with_arms(finished, tmp_path_factory) -> Path:
    """A copy of the run with one arm, which is its tuned system again, in the report too."""
    root = tmp_path_factory.mktemp("arms")
    run = Path(shutil.copytree(finished, root / "reports/desk/invented"))
    shutil.copytree(run / "rows/xplus", run / "arms/reference/1")
    result(run / "arms/reference/1", "reference", 1, 12.0)
    about = {"question": "Is it?", "expects": "Yes.", "flip": []}
    (run / "arms/arms.json").write_text(json.dumps([
        {**about, "arm": "reference", "seed": 1, "state": "done"},
        {**about, "arm": "flipped", "seed": None, "flip": [0.1], "state": "from rows"}]))
    (run / "arms/base.json").write_text(json.dumps(BASE_QUICK))
    jsonl.write_json(run / "arms/statistics.json", arms.model(run))
    manifest.write(run / "arms")
    params(root, QUICK)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        report.main([str(root)])
    return run


def test_a_run_with_arms_follows_from_its_rows(with_arms):
    assert verify.differences(with_arms) == ([], [])
    assert (with_arms / "tables/arms_base.md").is_file()
    assert "arms/" not in (with_arms / manifest.NAME).read_text()  # it has one of its own


@pytest.mark.parametrize(("file", "old", "new", "says"), [
    ("arms/statistics.json", '"worse"', '"tied"', "table arms_dose, row flipped 10 % worse"),
    ("arms/reference/1/result.json", "0.04", "0.05", "table arms_base, row reference items, drift"),
    ("arms/arms.json", '"done"', '"stale"', "table arms_base, row reference"),
    ("tables/arms_dose.md", "flipped", "turned", "tables/arms_dose.md:")])
def test_an_edit_of_arms_is_found(with_arms, tmp_path, file, old, new, says):
    run = Path(shutil.copytree(with_arms, tmp_path / "run"))
    text = (run / file).read_text()
    assert old in text
    (run / file).write_text(text.replace(old, new, 1))
    for folder in (run, run / "arms"):
        manifest.write(folder)  # even where the hashes are those of the edited files
    assert any(says in line for line in found(run)), found(run)


def read(path: Path) -> str:
    return gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else \
        path.read_bytes().decode("utf-8")


def put(path: Path, text: str) -> None:
    data = text.encode("utf-8")
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


def other_digit(rng: random.Random, digit: str) -> str:
    return rng.choice([one for one in "0123456789" if one != digit])


def flip_a_digit(rng: random.Random, path: Path) -> None:
    text = read(path)
    at = rng.choice([match.start() for match in re.finditer(r"\d", text)])
    put(path, text[:at] + other_digit(rng, text[at]) + text[at + 1:])


def lines_of(path: Path) -> list[str]:
    return read(path).splitlines(keepends=True)


def drop_a_row(rng: random.Random, path: Path) -> None:
    lines = lines_of(path)
    del lines[rng.randrange(len(lines))]
    put(path, "".join(lines))


def repeat_a_row(rng: random.Random, path: Path) -> None:
    lines = lines_of(path)
    put(path, "".join([*lines, rng.choice(lines)]))


def change_a_row(rng: random.Random, path: Path, change: Callable[[dict], object]) -> None:
    lines = lines_of(path)
    at = rng.randrange(len(lines))
    row = json.loads(lines[at])
    change(row)
    put(path, "".join([*lines[:at], json.dumps(row) + "\n", *lines[at + 1:]]))


def swap_two_values(rng: random.Random, path: Path) -> None:
    lines = lines_of(path)
    rows = [json.loads(line) for line in lines]
    field = rng.choice([key for key in rows[0] if len({json.dumps(row[key]) for row in rows}) > 1])
    a, b = next((a, b) for a, b in iter(lambda: rng.sample(range(len(rows)), 2), None)
                if rows[a][field] != rows[b][field])
    rows[a][field], rows[b][field] = rows[b][field], rows[a][field]
    put(path, "".join(json.dumps(row) + "\n" for row in rows))


def turn_a_flag(rng: random.Random, path: Path) -> None:
    flag = rng.choice(("empty", "copy", "truncated", "off_target", "ref_off_target"))
    change_a_row(rng, path, lambda row: row.update({flag: {
        **row[flag], "top1": not row[flag]["top1"]} if flag.endswith("target") else not row[flag]}))


def change_an_id(rng: random.Random, path: Path) -> None:
    change_a_row(rng, path, lambda row: row.update(
        {"id": "t:777"} if "id" in row else {"doc_id": 777}))


def change_a_hash(rng: random.Random, path: Path) -> None:
    change_a_row(rng, path, lambda row: row.update(
        {rng.choice([key for key in row if key.endswith("_hash")]): "0" * 16}))


def change_a_setting(rng: random.Random, path: Path) -> None:
    content = json.loads(read(path))
    name = rng.choice([key for key, value in content.items() if isinstance(value, int | float)])
    content[name] *= 2
    put(path, json.dumps(content))


def cells(model: dict) -> list[tuple[dict, dict, dict]]:
    """Every cell of the data model that holds a number: table, row, column."""
    return [(table, row, column) for table in model["tables"] for row in table["rows"]
            for column in table["columns"] if type(row.get(column["key"])) in (int, float)]


def change_a_cell(rng: random.Random, path: Path) -> None:
    model = json.loads(read(path))
    _, row, column = rng.choice(cells(model))
    row[column["key"]] += rng.choice((1, -1)) * (row[column["key"]] or 1) / 8
    put(path, json.dumps(model))


SEGMENTS, ITEMS = "rows/*/segments.jsonl.gz", "rows/*/items.jsonl.gz"
EDITS: list[tuple[Callable[[random.Random, Path], None], tuple[str, ...]]] = [
    (flip_a_digit, (SEGMENTS, ITEMS, "rows/*/*.json", "rows/*.json", "*.json", "tables/*", "*.md",
                    "calibration/*.json", "*.html", "figures/*.svg", manifest.NAME)),
    (swap_two_values, (SEGMENTS, ITEMS)), (drop_a_row, (SEGMENTS, ITEMS, "tables/*")),
    (repeat_a_row, (SEGMENTS, ITEMS, "tables/*")),
    (turn_a_flag, ("rows/[bx]*/segments.jsonl.gz",)), (change_an_id, (SEGMENTS, ITEMS)),
    (change_a_hash, (SEGMENTS, ITEMS)), (change_a_setting, ("rows/settings.json",)),
    (change_a_cell, ("significance.json",))]


def all_files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("number", [
    *range(FEW), *(pytest.param(n, marks=pytest.mark.long) for n in range(FEW, ALL))])
def test_every_edit_is_found_and_named(committed, number):
    rng = random.Random(number)
    change, patterns = EDITS[number % len(EDITS)]
    before = all_files(committed)
    files = sorted(committed.glob(rng.choice(patterns)))
    change(rng, rng.choice(files))
    [edited] = [path for path, content in all_files(committed).items() if content != before[path]]
    named = [line for line in found(committed) if edited.relative_to(committed).as_posix() in line
             or edited.name == manifest.NAME]
    assert named, (change.__name__, edited)


def move_a_cell(rng: random.Random, folder: Path) -> str:
    """Change a cell of significance.json by a digit that is printed."""
    path = folder / "significance.json"
    model = json.loads(read(path))
    while True:
        table, row, column = rng.choice(cells(model))
        old, key = row[column["key"]], column["key"]
        new = old + rng.choice((1, -1)) * 10.0 ** -rng.randrange(5)
        if render.display(column, new) != render.display(column, old):
            break
    row[key] = new
    put(path, json.dumps(model))
    place = f"table {table['id']}, row ", f", {key}: stored {new!r}"
    return ".*".join(map(re.escape, place))


def move_a_metric(rng: random.Random, folder: Path) -> str:
    path = folder / "metrics.json"
    content = json.loads(read(path))
    name, key = rng.choice([(name, key) for name, row in content.items() for key in row])
    content[name][key] += 0.25
    put(path, json.dumps(content))
    return rf"metrics\.json, {name}, {key}: stored"


def models_tables(folder: Path) -> list[str]:
    return [re.sub(r"[^\w.+-]", "_", table["id"])
            for table in json.loads(read(folder / "significance.json"))["tables"] if table["rows"]]


def move_a_printed_digit(rng: random.Random, folder: Path) -> str:
    """In a file of tables/, in a line of numbers."""
    path = folder / "tables" / f"{rng.choice(models_tables(folder))}.{rng.choice(('md', 'csv'))}"
    flip_a_digit(rng, path)
    return re.escape(path.name)


def move_a_digit_of_the_report(rng: random.Random, folder: Path) -> str:
    path = folder / "REPORT.md"
    lines = lines_of(path)
    at = rng.choice([n for n, line in enumerate(lines)
                     if line.startswith("|") and line.count("|") > 3 and re.search(r"\d", line)])
    place = rng.choice([match.start() for match in re.finditer(r"\d", lines[at])])
    lines[at] = lines[at][:place] + other_digit(rng, lines[at][place]) + lines[at][place + 1:]
    put(path, "".join(lines))
    return rf"REPORT\.md:{at + 1}: "


def turn_an_answer(rng: random.Random, folder: Path) -> str:
    """A right answer becomes wrong, or the reverse: a point and more of a task."""
    system = rng.choice(("base", "xplus"))
    change_a_row(rng, folder / "rows" / system / "items.jsonl.gz",
                 lambda row: row.update(score=1 - row["score"]))
    side = "system" if system == "xplus" else "baseline"
    return rf"table t1_reasoning\.xplus-base, row .*, {side}: stored"


def lose_the_matches_of_a_segment(rng: random.Random, folder: Path) -> str:
    change_a_row(rng, folder / "rows/xplus/segments.jsonl.gz", lambda row: row["stats"].update(
        {"chrf++": [0 if n % 3 == 2 else count for n, count in enumerate(row["stats"]["chrf++"])]}))
    return r"table t3_translation\.xplus-base\.chrf\+\+, row .*, system: stored"


def lower_a_floor(rng: random.Random, folder: Path) -> str:
    path = folder / "rows/xplus/translation.json"
    meta = json.loads(read(path))
    for sums in meta["shuffled"]["chrf++"][rng.choice(BOTH)]:
        sums[2] //= 2
    put(path, json.dumps(meta))
    return r"table floors\.chrf\+\+, row .*, shuffled_refs: stored"


def halve_alpha(rng: random.Random, folder: Path) -> str:
    path = folder / "rows/settings.json"
    put(path, json.dumps(json.loads(read(path)) | {"alpha": rng.choice((0.01, 0.02, 0.1))}))
    return r"significance\.json, meta, level: stored '95 %'"


MOVES = [move_a_cell, move_a_printed_digit, turn_an_answer, lose_the_matches_of_a_segment,
         move_a_metric, lower_a_floor, move_a_digit_of_the_report, halve_alpha]


@pytest.mark.parametrize("number", [
    *range(FEW), *(pytest.param(n, marks=pytest.mark.long) for n in range(FEW, PRINTED))])
def test_a_moved_digit_is_found_with_every_hash_rewritten(committed, number):
    """The check is recomputation, not a checksum."""
    expected = MOVES[number % len(MOVES)](random.Random(number), committed)
    manifest.write(committed)
    assert manifest.check(committed) == []
    lines = found(committed)
    assert any(re.search(expected, line) for line in lines), (expected, lines[:5])


def test_a_calibration_follows_from_its_differences_and_errors(committed):
    """Tests, counts and tables are recomputed from them; a lost difference is named."""
    path = committed / scorer.FILE
    untouched = json.loads(read(path))

    def lines(change) -> list[str]:
        content = json.loads(json.dumps(untouched))
        change(content)
        put(path, json.dumps(content))
        manifest.write(committed)
        return found(committed)

    assert lines(lambda content: None) == []
    turned = lines(lambda content: content["pairs"][0]["by"]["chrf-A"].update(delta=-9.0))
    for expected in (r"pairs \[1\], by, chrf-A, says: stored 'same order, significant', recomputed "
                     "'opposite order", r"agreement \[4\], separated, opposite order, significant: "
                     "stored 1, recomputed 2", r"tables/calibration_pairs\.csv:2: "):
        assert any(re.search(expected, line) for line in turned), expected
    assert any(re.search(r"tables/calibration_scores\.md:\d+: ", line) for line in lines(
        lambda content: content["scores"][0].update(ours=1.0)))
    [line] = lines(lambda content: content["pairs"][0]["by"]["chrf-A"].pop("se"))
    assert line.endswith("calibration.json: cannot be judged (KeyError: 'se')")


def test_last_bits_are_told_from_digits(committed):
    """Another processor may round otherwise; that is no difference, but it is said."""
    path = committed / "significance.json"
    model = json.loads(path.read_text())
    row = next(table for table in model["tables"] if table["id"].startswith("t3"))["rows"][0]
    row["system"] *= 1 + 1e-14
    path.write_text(json.dumps(model))
    assert any("significance.json: SHA-256" in line for line in found(committed))
    assert any("row" in line and ", system: stored" in line for line in found(committed))
    manifest.write(committed)
    lines, last_bits = verify.differences(committed)
    assert [line for line in lines if "significance.json" in line] == []
    assert len(last_bits) == 1 and ", system: stored" in last_bits[0]


BLOCK = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {names!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Blocked())
"""
ABSENT = {"torch", "transformers", "dvc", "ruamel", "yaml", "sentencepiece", "jinja2", "markupsafe",
          "matplotlib", "pandas", "datasets", "lm_eval", "comet", "safetensors", "pydantic"}


def bare(folder: Path, cwd: Path) -> subprocess.CompletedProcess:
    """Verify in a process that cannot import what verification must not need."""
    (cwd / "sitecustomize.py").write_text(BLOCK.format(names=ABSENT))
    return subprocess.run(
        [sys.executable, "-m", "stages.verify", str(folder)], cwd=cwd, capture_output=True,
        text=True, check=False, env=os.environ | {"PYTHONPATH": f"{cwd}{os.pathsep}{ROOT}"})


def test_it_needs_neither_models_nor_dvc(committed, tmp_path):
    done = bare(committed, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "0 differences" in done.stdout
    expected = turn_an_answer(random.Random(1), committed)
    manifest.write(committed)
    done = bare(committed, tmp_path)
    assert done.returncode == 65
    assert re.search(expected, done.stdout)
    assert "Traceback" not in done.stderr and len(done.stderr.splitlines()) == 1
