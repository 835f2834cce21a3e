"""Recompute a committed run from its rows and compare it with what is committed.

in     reports/<scale>/<suite>/   rows/, significance.json, metrics.json, tables/, REPORT.md and the
                                  rest of a report, SHA256SUMS; calibration/ and arms/ where there
                                  are any
out    a line for each difference: file, table, row, column, stored, recomputed; exit code 65

    python -m stages.verify reports/desk/desk        (without argument: every committed run)

Every p-value, interval, verdict and table of significance.json and metrics.json is computed again
from the rows, arms/statistics.json from the results and rows of the arms, calibration.json from its
differences and their errors; tables/ is rendered again; every table line of REPORT.md has to stand
in tables/.
What else is there (figures, prose, tables of other stages, run.lock) is compared by its hash.
Needs numpy, scipy, sacrebleu and mt-thresholds: no model, no DVC, no settings file.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ..common import manifest
from ..common.command import run_stage
from ..common.errors import UserError
from ..report import exhibits
from ..report.files import write_tables
from ..report.sections import calibration
from ..statistics import analysis
from ..statistics import tables as layout
from ..statistics.arms import analysis as arms
from ..statistics.translation import human_ranking
from . import compare

CELLS = 3  # a table line of REPORT.md with fewer cells is no line of numbers: answers of systems


def load(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as JSON ({error})") from error


def recomputed(rows: Path, analyse: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
    """The data model of a folder of rows, as JSON gives it back. Raises UserError where there is
    none."""
    try:
        found: dict[str, Any] = json.loads(json.dumps(analyse(rows)))
    except UserError:
        raise
    except Exception as error:  # rows that someone edited can fail anywhere, and that is a finding
        raise UserError(f"{rows}: cannot be analysed ({type(error).__name__}: {error})") from error
    return found


def calibrated(run: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """The tables of calibration/, none without it; and what does not follow from its differences.

    Raises UserError where it cannot be judged.
    """
    path = run / calibration.FILE
    if not path.is_file():
        return [], []
    stored = load(path)
    try:
        again = stored | human_ranking.judged(stored["pairs"], stored["alpha"])
        return calibration.tables(stored), list(compare.values(str(path), stored, again, False))
    except Exception as error:  # as above
        raise UserError(f"{path}: cannot be judged ({type(error).__name__}: {error})") from error


def rendered(run: Path, tables: list[dict[str, Any]]) -> Iterator[str]:
    """Differences between tables/ and the same tables rendered again."""
    with tempfile.TemporaryDirectory() as folder:
        write_tables([table for table in tables if table["rows"]], Path(folder))
        for path in sorted(Path(folder).iterdir()):
            yield from differing(run / "tables" / path.name, path.read_text(encoding="utf-8"))


def differing(path: Path, text: str) -> Iterator[str]:
    """Differing lines of a stored text file."""
    if not path.is_file():
        yield f"{path}: is not there"
        return
    stored, found = path.read_bytes().decode("utf-8", "replace").split("\n"), text.split("\n")
    if len(stored) != len(found):
        yield f"{path}: stored {len(stored)} lines, rendered {len(found)} lines"
    for number, (left, right) in enumerate(zip(stored, found, strict=False), 1):
        if left != right:
            yield f"{path}:{number}: stored {left!r}, rendered {right!r}"


def report_lines(run: Path) -> Iterator[str]:
    """Table lines of REPORT.md that no table file holds."""
    if not (run / "REPORT.md").is_file():
        return
    known = {line for path in (run / "tables").glob("*.md")
             for line in path.read_text(encoding="utf-8").splitlines()}
    for number, line in enumerate(
            (run / "REPORT.md").read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("|") and line.count("|") > CELLS and line not in known:
            yield f"{run / 'REPORT.md'}:{number}: {line!r} is a line of no table in tables/"


def compared(file: Path, stored: Any, model: dict[str, Any], listed: list[str],
             ) -> tuple[list[str], list[str], Any]:
    """Differences of a stored data model that count; those in the last bits alone, which another
    processor or library version may cause: they count only where the file itself is not the
    committed one; and the model that tables were made from."""
    found = list(compare.models(str(file), stored, model, exact=True))
    lasting = set(compare.models(str(file), stored, model, exact=False))
    last_bits = [line for line in found if line not in lasting]
    if any(line.startswith(f"{file}:") for line in listed):
        lasting, last_bits = set(found), []
    # The same but for last bits, which CSV files show.
    return [line for line in found if line in lasting], last_bits, model if lasting else stored


def differences(run: Path) -> tuple[list[str], list[str]]:
    """All differences of a run, and those in the last bits alone."""
    listed: list[str] = []
    try:
        listed = manifest.check(run)
        model, stored = recomputed(run / "rows", analysis.model), load(run / "significance.json")
        short = load(run / "metrics.json")
        found, last_bits, right = compared(run / "significance.json", stored, model, listed)
        scorer, wrong = calibrated(run)
        tables = [exhibits.headline(right), *right["tables"], *scorer]
        if (folder := run / "arms").is_dir():
            listed += manifest.check(folder)
            file, again = folder / "statistics.json", recomputed(run, arms.model)
            more, bits, of_arms = compared(file, load(file), again, listed)
            found, last_bits, tables = found + more, last_bits + bits, tables + of_arms["tables"]
    except UserError as error:
        return [*listed, str(error)], []
    found = [*listed, *found, *wrong, *compare.values(
        f"{run / 'metrics.json'}", short, layout.metrics(right), True)]
    return [*found, *rendered(run, tables), *report_lines(run)], last_bits


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="*",
                        help="folders of runs (default: all below reports/)")
    runs = parser.parse_args(argv).runs or sorted(
        path.parent for path in Path("reports").glob("*/*/significance.json"))
    if not runs:
        raise UserError("reports/ holds no run. Name the folder of one")
    bad = 0
    for run in runs:
        start = time.monotonic()
        found, last_bits = differences(run)
        print(*found, sep="\n", end="\n" if found else "")
        if last_bits:
            print(f"{run}: {len(last_bits)} values differ in their last bits, below every printed "
                  f"digit; the first: {last_bits[0]}")
        print(f"{run}: {len(found)} differences, {time.monotonic() - start:.1f} s")
        bad += bool(found)
    if bad:
        raise UserError(f"{bad} of {len(runs)} runs do not follow from their rows. The lines above "
                        "name every difference")


if __name__ == "__main__":
    run_stage(main)
