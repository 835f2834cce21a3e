"""The pipeline as DVC resolves it, for tests that read or run what it declares."""

import importlib
import shlex
from pathlib import Path

from dvc.repo import Repo
from dvc.repo.index import Index

CONFIG = "[core]\n    no_scm = true\n    analytics = false\n"


def index(folder: Path) -> Index:
    """Stages and graph of a folder with dvc.yaml, params.yaml and data/sources.lock."""
    (folder / ".dvc").mkdir(exist_ok=True)
    (folder / ".dvc/config").write_text(CONFIG)
    return Repo(str(folder)).index


def commands(folder: Path) -> dict[str, str]:
    """{stage: its command} of ``index``."""
    return {stage.name: stage.cmd for stage in index(folder).stages}


def run(command: str, out: str | None = None) -> None:
    """Run a declared ``python -m stages.<name> ...`` in this process; ``out`` replaces its last
    argument."""
    python, flag, module, *arguments = shlex.split(command)
    assert (python, flag) == ("python", "-m"), command
    importlib.import_module(module).main([*arguments[:-1], out or arguments[-1]])
