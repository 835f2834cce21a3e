"""Members of a wheel, zip or tar.gz: only plain files, only below their folder, only so much."""

from __future__ import annotations

import hashlib
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import IO

from ...common import jsonl
from ...common.errors import UserError

EXPANSION = 200  # bytes that may be unpacked for each byte of an archive; text reaches about 10


@contextmanager
def _members(archive: Path) -> Iterator[Iterator[tuple[str, IO[bytes] | None]]]:
    """Iterate (member path, open file; None for a link or device) in one pass, without folders."""
    def of_zip(file: zipfile.ZipFile) -> Iterator[tuple[str, IO[bytes] | None]]:
        for info in file.infolist():
            mode = info.external_attr >> 16  # 0 where the archive was not made on Unix
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                yield info.filename, None
            elif not info.is_dir():
                with file.open(info) as member:
                    yield info.filename, member

    def of_tar(file: tarfile.TarFile) -> Iterator[tuple[str, IO[bytes] | None]]:
        for info in file:
            if not info.isdir():
                yield info.name, file.extractfile(info) if info.isreg() else None

    with ExitStack() as stack:
        if zipfile.is_zipfile(archive):
            yield of_zip(stack.enter_context(zipfile.ZipFile(archive)))
        else:
            yield of_tar(stack.enter_context(tarfile.open(archive, "r|gz")))


def extract(archive: Path, wanted: list[str], folder: Path, exact: bool = False,
            ) -> dict[str, str]:
    """Write the members that match a glob of ``wanted`` below ``folder``; return their SHA-256.

    ``exact`` takes ``wanted`` as names, since "a[1].txt" is no match of itself. Raises UserError
    for a wanted member that is a link or device, whose path would leave the folder, or that
    unpacks to more than ``EXPANSION`` times the archive; and for an archive that is damaged.
    """
    names = set(wanted)
    found = {}
    room = EXPANSION * archive.stat().st_size
    try:
        with _members(archive) as members:
            for name, content in members:
                if not (name in names if exact
                        else any(fnmatch(name, pattern) for pattern in wanted)):
                    continue
                target = folder / name
                if content is None:
                    raise UserError(f"{archive.name}: member {name!r} is a link or device. No "
                                    "source needs one: do not use this archive")
                if not target.resolve().is_relative_to(folder.resolve()):
                    raise UserError(f"{archive.name}: member {name!r} points outside the archive. "
                                    "Do not use this archive")
                digest = hashlib.sha256()
                with jsonl.open_atomic(target, "wb") as out:
                    while block := content.read(1 << 20):
                        room -= len(block)
                        if room < 0:
                            raise UserError(f"{archive.name}: member {name!r} unpacks to more "
                                            f"than {EXPANSION} times the archive, as a bomb "
                                            "would. Do not use this archive")
                        digest.update(block)
                        out.write(block)
                found[name] = digest.hexdigest()
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error) as error:
        raise UserError(f"{archive.name}: a damaged archive ({error}). Delete it and run again; "
                        "if it repeats, the published file is damaged") from error
    return found
