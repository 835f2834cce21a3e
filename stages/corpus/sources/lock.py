"""What may be fetched: data/sources.lock, and how its entries are obtained and recorded.

The lock names, by scale and asset (a suite's assets below "suites"), one source each with its
licence. A source is one of

    archive    {archive, sha256, select, members}: a file of the package registry; the members that
               the globs of ``select`` chose, with their SHA-256
    addresses  {files}: public addresses, each with bytes, hashes and licence (addresses.py);
               none at all where a suite does without an asset
    folder     {folder, select, members}: a folder of this repository (fixtures)

and has a name, ``source``, that params.yaml must repeat, so that neither changes alone. A package
is fetched but never installed, so no code of it runs. What was fetched stays in ``data/archives``;
as long as it matches the lock, nothing is fetched again.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from ...common import jsonl
from ...common.errors import UserError
from ...common.hashes import file_sha256
from . import addresses
from .archives import extract
from .packages import fetch_archive

LOCK = Path("data/sources.lock")
STORE = Path("data/archives")
Source = dict[str, Any]


def read_lock() -> dict[str, Any]:
    """The lock: {scale: {asset: source}, "suites": {suite: {asset: source}}}."""
    lock: dict[str, Any] = json.loads(LOCK.read_text(encoding="utf-8"))
    return lock


def entry(place: str) -> Source:
    """The lock's source at a dotted place such as "desk.model", {} if there is none."""
    node: Any = read_lock()
    for step in place.split("."):
        node = node.get(step, {})
    return node if isinstance(node, dict) else {}


def folder_of(source: Source) -> Path:
    """Where the members of a source lie once fetched."""
    return STORE / source["source"] if "archive" in source else Path(source["folder"])


def wrong_members(folder: Path, members: dict[str, str]) -> list[str]:
    """Members that are missing or differ from their SHA-256."""
    return [name for name, digest in members.items()
            if not (folder / name).is_file() or file_sha256(folder / name) != digest]


def obtain(place: str, name: str) -> dict[str, Path]:
    """{member: verified file} of the source locked at ``place``, fetching what is missing.

    The member is a path inside the archive, or <host>/<path> of an address. Raises UserError where
    the lock holds another source or none, on a wrong hash, or if the network does not answer.
    """
    source = entry(place)
    if source.get("source") != name:
        raise UserError(f"{LOCK} has no entry {place} for {name!r}. Write its source, its licence "
                        "and either archive and select or files there, then run "
                        "`python -m stages.download --relock`")
    if "files" in source:
        if new := [file["url"] for file in source["files"] if "sha256" not in file]:
            raise UserError(f"{LOCK}: {place}: {new[0]} has no hash yet. Run "
                            "`python -m stages.download --relock` to record it")
        return addresses.obtain(source["files"], STORE)
    folder = folder_of(source)
    if "archive" in source and wrong_members(folder, source["members"]):
        with tempfile.TemporaryDirectory(dir=_store()) as scratch:
            archive = fetch_archive(name, source["archive"], Path(scratch))
            if (found := file_sha256(archive)) != source["sha256"]:
                raise UserError(f"{source['archive']}: SHA-256 is {found}, the lock says "
                                f"{source['sha256']}. Do not use it; run again, and if it "
                                "repeats, the published file changed")
            extract(archive, list(source["members"]), folder, exact=True)
    if wrong := wrong_members(folder, source["members"]):
        raise UserError(f"{folder / wrong[0]}: missing or changed (SHA-256 differs from {LOCK}). "
                        "Delete it and run again, or relock if the change is yours")
    return {member: folder / member for member in source["members"]}


def _store() -> Path:
    STORE.mkdir(parents=True, exist_ok=True)
    return STORE


def relock(owners: list[str]) -> None:
    """Rewrite the lock's entries of ``owners``, such as "desk" or "suites.desk": archives and
    folders hashed anew, as their ``select`` says.

    Of addresses, only those that have no hash yet are fetched and recorded, since some are huge;
    to accept a file that changed, delete its hashes first.
    """
    lock = read_lock()
    suites = {f"suites.{name}": assets for name, assets in lock.get("suites", {}).items()}
    for source in [source for owner in owners
                   for source in {**lock, **suites}.get(owner, {}).values()]:
        if "files" in source:
            new = [file for file in source["files"] if "sha256" not in file]
            found = addresses.obtain(new, STORE)
            for file in new:
                path = found[addresses.name_of(file["url"])]
                file |= addresses.measure(path, file["url"])
        else:
            _relock_members(source)
    jsonl.write_json(LOCK, lock)


def _relock_members(source: Source) -> None:
    """Record what ``select`` finds now in an archive of the registry or a folder."""
    name, folder = source["source"], folder_of(source)
    if "archive" in source:
        with tempfile.TemporaryDirectory(dir=_store()) as scratch:
            archive = fetch_archive(name, source["archive"], Path(scratch))
            source["sha256"] = file_sha256(archive)
            source["members"] = extract(archive, source["select"], folder)
    else:
        source["members"] = {path.name: file_sha256(path) for pattern in source["select"]
                             for path in sorted(folder.glob(pattern))}
    if not source["members"]:
        raise UserError(f"{name}: nothing matches {source['select']}")
