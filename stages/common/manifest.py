"""SHA256SUMS: the hash of every file of a run, in the form of ``sha256sum --check``."""

from __future__ import annotations

from pathlib import Path

from . import hashes, jsonl
from .errors import UserError

NAME = "SHA256SUMS"


def files(folder: Path) -> list[Path]:
    """Every file below ``folder`` in a fixed order, but for the manifest itself and for
    sub-folders that have a manifest of their own."""
    found: list[Path] = []
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            found += [] if (path / NAME).is_file() else files(path)
        elif path.name != NAME:
            found.append(path)
    return found


def text(folder: Path) -> str:
    """What the manifest of a folder says, from the files that are there."""
    return "".join(f"{hashes.file_sha256(path)}  {path.relative_to(folder).as_posix()}\n"
                   for path in files(folder))


def write(folder: Path) -> None:
    """Write the manifest of a run, once all its other files are there."""
    jsonl.write_text(folder / NAME, text(folder))


def read(folder: Path) -> dict[str, str]:
    """Hash by file name, relative to ``folder``. A line in another form raises UserError."""
    found: dict[str, str] = {}
    lines = (folder / NAME).read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, 1):
        sha256, gap, name = line.partition("  ")
        if not gap or len(sha256) != 64 or name in found:
            raise UserError(f"{folder / NAME}:{number}: {line[:80]!r} is not a hash and a file of "
                            "its own. Restore the file, or write the report again")
        found[name] = sha256
    return found


def check(folder: Path) -> list[str]:
    """What differs between the manifest and the folder, a line each; empty if nothing does."""
    if not (folder / NAME).is_file():
        return [f"{folder / NAME}: is not there"]
    listed = read(folder)
    there = {path.relative_to(folder).as_posix(): path for path in files(folder)}
    return [
        *(f"{folder / name}: in {NAME}, but not there" for name in listed if name not in there),
        *(f"{path}: not in {NAME}" for name, path in there.items() if name not in listed),
        *(f"{there[name]}: SHA-256 stored {sha256}, found {found}"
          for name, sha256 in listed.items() if name in there
          and (found := hashes.file_sha256(there[name])) != sha256)]
