"""Sources of the second kind: files at public addresses, each pinned by size and hashes.

A file is looked for in the mirror first: the folder that the environment variable LLAMAX2_MIRROR
names, laid out ``<host>/<path>``. A file found there with the right hashes is used in place; a
wrong one is refused by name. What the mirror lacks is fetched into a store of the same layout:
several files at a time, retried with growing pauses, continued where they were cut (HTTP Range).
A file reaches its name in the store only once size and hashes agree with the lock.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import requests
from requests.adapters import HTTPAdapter
from tqdm import tqdm
from urllib3.util.retry import Retry

from ...common.errors import BAD_CONFIG, BAD_DATA, IO_FAILED, UserError
from ...common.hashes import file_sha256

MIRROR = "LLAMAX2_MIRROR"
# url, licence; bytes, sha256 and, for a file of a public git repository at a commit, git_blob
Address = dict[str, Any]

WORKERS = 4  # files at a time
TRIES = 5  # of a request, and of a body that brings nothing new
PAUSE = 1.0  # seconds after the first failure; each further pause is twice as long
TIMEOUT = (20, 30)  # seconds to connect, and between two bytes
WORTH_A_RETRY = (408, 429, 500, 502, 503, 504)
BLOCK = 1 << 15  # bytes; at most so many are lost where a line is cut
GIT = re.compile(r"https://raw\.githubusercontent\.com/[^/]+/[^/]+/[0-9a-f]{40}/.+")
AGAIN = f"run again (what is fetched is kept), or name a folder that holds the file in {MIRROR}"
REMEDIES = {  # of HTTP statuses
    401: f"the file needs an account: fetch it by hand into a folder that {MIRROR} names",
    403: "access is refused: accept the terms of its page, fetch it by hand and put it into a "
         f"folder that {MIRROR} names",
    404: "no such file, it was moved or withdrawn: correct the url in data/sources.lock, or put "
         f"the file into a folder that {MIRROR} names",
    410: "the file was withdrawn: choose another source in params.yaml",
    429: f"too many requests for now: wait, then {AGAIN}",
}


def name_of(url: str) -> str:
    """Where a file lies below a mirror or the store: ``<host>/<path>``.

    Raises UserError for an address that is not plain: one with a user, token, query or a path
    that climbs. Those could carry a secret into the lock, or name a file outside the folder.
    """
    parts = urlsplit(url)
    path = unquote(parts.path).lstrip("/")
    if (parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc
            or parts.query or parts.fragment or "\\" in path
            or any(step in ("", ".", "..") for step in path.split("/"))):
        shown = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="")
        raise UserError(f"data/sources.lock: {shown.geturl()!r} is no plain address. Write "
                        "http(s)://host/path, without user, query or '..'", BAD_CONFIG)
    return f"{parts.netloc}/{path}"


def git_blob(path: Path) -> str:
    """Hash by which git knows the file: SHA-1 of "blob <size>\\0" and its bytes."""
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size)
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def measure(path: Path, url: str) -> Address:
    """What the lock records of a file; its git blob hash if the address is of a git commit."""
    return {"bytes": path.stat().st_size, "sha256": file_sha256(path),
            **({"git_blob": git_blob(path)} if GIT.fullmatch(url) else {})}


def difference(path: Path, address: Address) -> str:
    """How a file differs from its lock entry, or "". What the entry lacks is not compared."""
    for key, of in (("bytes", lambda file: file.stat().st_size), ("sha256", file_sha256),
                    ("git_blob", git_blob)):
        if key in address and (found := of(path)) != address[key]:
            return f"{key} is {found}, the lock says {address[key]}"
    return ""


def mirror() -> Path | None:
    """The mirror folder of this machine, if one is named."""
    named = os.environ.get(MIRROR)
    if named and not Path(named).is_dir():
        raise UserError(f"{MIRROR} names {named}, which is no folder. Correct or unset it",
                        BAD_CONFIG)
    return Path(named) if named else None


def obtain(addresses: list[Address], store: Path) -> dict[str, Path]:
    """{name: verified file} of every address, from the mirror, the store or the network."""
    root, found, missing = mirror(), dict[str, Path](), []
    for address in addresses:
        name = name_of(address["url"])
        found[name] = store / name
        if root and (root / name).is_file():
            if wrong := difference(root / name, address):
                raise UserError(f"mirror: {root / name}: {wrong}. Replace the file with the "
                                f"published one, or delete it to have it fetched")
            found[name] = root / name
        elif not found[name].is_file() or difference(found[name], address):
            missing.append(address)
    if missing:
        _fetch(missing, store)
    return found


def _fetch(addresses: list[Address], store: Path) -> None:
    """Download every address into the store, ``WORKERS`` at a time, under one progress bar."""
    total = sum(address.get("bytes", 0) for address in addresses)
    store.mkdir(parents=True, exist_ok=True)
    if (free := shutil.disk_usage(store).free) < total:
        raise UserError(f"{store}: {total:,} bytes are to be fetched, {free:,} are free. Make "
                        "room and run again", IO_FAILED)
    stopped = threading.Event()
    with (tqdm(total=total or None, unit="B", unit_scale=True,
               desc=f"{len(addresses)} files") as bar,
          ThreadPoolExecutor(WORKERS) as pool):
        def advance(count: int) -> None:
            if stopped.is_set():
                raise InterruptedError("another file failed")
            with bar.get_lock():
                bar.update(count)

        jobs = [pool.submit(_fetch_one, address, store / name_of(address["url"]), advance)
                for address in addresses]
        try:
            for job in as_completed(jobs):
                job.result()
        finally:  # nothing to do unless one failed
            stopped.set()
            pool.shutdown(cancel_futures=True)


def _fetch_one(address: Address, target: Path, advance: Callable[[int], None]) -> None:
    """Download one file and check it before it gets its name."""
    url, part = address["url"], target.with_name(target.name + ".part")
    target.parent.mkdir(parents=True, exist_ok=True)
    continued = part.is_file()
    _download(url, part, address.get("bytes"), advance)
    if continued and difference(part, address):  # what lay there was the start of another file
        part.unlink()
        _download(url, part, address.get("bytes"), advance)
    if wrong := difference(part, address):
        part.unlink()
        raise _changed(url, wrong)
    os.replace(part, target)


def _changed(url: str, how: str) -> UserError:
    return UserError(f"{url}: {how}. The published file changed, or something between alters it: "
                     "run again from another network; if it repeats, find out why before you "
                     "delete its hashes in data/sources.lock and run "
                     "`python -m stages.download --relock`", BAD_DATA)


def _download(url: str, part: Path, size: int | None, advance: Callable[[int], None]) -> None:
    """Bring ``part`` to its whole length, from where it is, however often the line is cut."""
    idle = 0  # bodies in a row that brought nothing
    with requests.Session() as session:
        retry = Retry(TRIES - 1, backoff_factor=PAUSE, backoff_jitter=PAUSE, retry_after_max=60,
                      status_forcelist=WORTH_A_RETRY, raise_on_status=False)
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(max_retries=retry))
        while idle < TRIES:
            start = part.stat().st_size if part.is_file() else 0
            if size is not None and start >= size:
                return  # whole; if it is too long, its hash will say so
            cut = _one_body(session, url, part, start, size, advance)
            if cut is None:
                return
            idle = 0 if part.is_file() and part.stat().st_size > start else idle + 1
            time.sleep(PAUSE * 2 ** idle)
    raise UserError(f"{url}: the connection is cut again and again ({cut}). Check the network and "
                    f"{AGAIN}", IO_FAILED)


def _one_body(session: requests.Session, url: str, part: Path, start: int, size: int | None,
              advance: Callable[[int], None]) -> str | None:
    """Append to ``part`` what one request brings; return how it was cut, None if it was not."""
    headers = {"Accept-Encoding": "identity"}  # bytes as they are, or a range means nothing
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        response = session.get(url, headers=headers, timeout=TIMEOUT, stream=True)
    except requests.RequestException as error:
        raise UserError(f"{url}: no answer ({type(error).__name__}). Check the network and "
                        f"{AGAIN}", IO_FAILED) from error
    with response:
        status, length = response.status_code, response.headers.get("Content-Length")
        place = re.match(r"bytes (\d+)-\d+/(\d+)", response.headers.get("Content-Range", ""))
        if status == 416 or (status == 206 and (not place or int(place[1]) != start)):
            part.unlink(missing_ok=True)  # it is not the start of this file
            return f"HTTP {status} for a part"
        if status not in (200, 206):
            what = "the server fails" if status >= 500 else "refused"
            raise UserError(f"{url}: HTTP {status}, "
                            f"{REMEDIES.get(status, f'{what}: wait, then {AGAIN}')}", IO_FAILED)
        whole = int(place[2]) if status == 206 and place else int(length) if length else size
        if size is not None and whole != size:
            part.unlink(missing_ok=True)
            raise _changed(url, f"the server offers {whole} bytes, the lock says {size}")
        written = start if status == 206 else 0
        advance(start if written else 0)
        try:
            with open(part, "ab" if written else "wb") as file:
                for block in response.iter_content(BLOCK):
                    file.write(block)
                    written += len(block)
                    advance(len(block))
                    if whole is not None and written > whole:
                        break
        except requests.RequestException as error:
            return type(error).__name__
    if whole is not None and written > whole:  # of an answer that announced no length
        part.unlink()
        raise _changed(url, f"more bytes come than the {whole} of the lock")
    return None if whole is None or written == whole else f"{written} of {whole} bytes"
