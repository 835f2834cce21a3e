"""The wheel that `pip wheel .` builds: its name, what is in it, that it works without the rest."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def call(*command: str, cwd: Path, path: str = "", ok: bool = True) -> str:
    done = subprocess.run([sys.executable, *command], cwd=cwd, text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env={"PYTHONPATH": path, "PATH": "/usr/bin:/bin", "HOME": str(cwd)})
    assert (done.returncode == 0) == ok, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    call("-m", "pip", "wheel", str(ROOT), "--no-deps", "--no-build-isolation", "--quiet",
         "--disable-pip-version-check", "--wheel-dir", str(folder), cwd=folder)
    [file] = folder.glob("*.whl")
    return file


def test_it_holds_the_rooms_their_files_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {
        "llamax2", "llamax2_replication-0.1.0.dist-info"}
    for needed in ("params.yaml", "significance.py", "statistics/closed_forms.py",
                   "report/templates/report.j2", "report/templates/report.css",
                   "tasks/stock.py"):
        assert f"llamax2/{needed}" in names, needed
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_it_states_version_licence_and_command(wheel):
    files = zipfile.ZipFile(wheel)
    info = "llamax2_replication-0.1.0.dist-info"
    metadata = files.read(f"{info}/METADATA").decode()
    assert "\nVersion: 0.1.0\n" in metadata and "\nLicense-Expression: Apache-2.0\n" in metadata
    assert "llamax2-significance = llamax2.significance:command" in files.read(
        f"{info}/entry_points.txt").decode()


def test_the_installed_statistics_run_far_from_the_repository(wheel, tmp_path):
    target = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(target)
    run = ("-c", "from llamax2.significance import command; command()")
    assert "translations" in call(*run, "--help", cwd=tmp_path, path=str(target))
    refused = call(*run, "none", "none", "out.json", cwd=tmp_path, path=str(target), ok=False)
    assert "is not there" in refused and len(refused.splitlines()) == 1
