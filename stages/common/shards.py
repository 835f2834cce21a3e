"""Tables of rows in shards, each with its manifest: what a step may do part by part.

A table ``pairs`` of a folder is either one plain file, ``pairs.jsonl`` (a single shard), or a
folder ``pairs`` with, for each shard,

    <shard>.jsonl.zst   its rows
    <shard>.json        its manifest, written last: "rows", "sha256" of the file above, "result":
                        what the step counted; in the making also "of": a hash of all that the
                        shard is made from

A step makes one shard of a shard, under the same name. At scale a shard is a language: no step
compares pairs of two target languages, so nothing is ever exchanged between shards, and a pool of
processes is all the engine there is to need. joblib (https://joblib.readthedocs.io) gives it, on
this machine or, with ``engine: ray``, on a cluster whose machines see the same folder.

Shards grow in a scratch folder, where a shard with its manifest is done: a run that was killed is
continued by the next that has the same input, settings and code. They are moved to their place
together, since DVC empties that place before every run.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from pathlib import Path
from typing import Any

from . import jsonl
from .command import die_with_parent
from .errors import BAD_CONFIG, UserError
from .hashes import file_sha256, of_json

Row = dict[str, Any]
# (file or folder to read, file to write, settings) -> what the step counted, as JSON values
Work = Callable[[Path, Path, Row], Row]
SCRATCH = Path("data/scratch")
PLAIN, PACKED = ".jsonl", ".jsonl.zst"
BATCH = 10_000  # rows


def files(folder: Path, table: str) -> dict[str, Path]:
    """{shard: its file} of a table, in the order of names; one shard "" where it is a plain file.

    Raises UserError where there is neither.
    """
    if (plain := folder / f"{table}{PLAIN}").is_file():
        return {"": plain}
    found = {path.stem: _file(folder / table, path.stem)
             for path in sorted((folder / table).glob("*.json"))}
    if not found:
        raise UserError(f"{plain} is not there, nor a folder {table} of shards. Run `dvc repro`")
    return found


def manifest(file: Path) -> Row:
    """The manifest of a shard's file."""
    found: Row = json.loads(_manifest(file).read_bytes())
    return found


def rows(folder: Path, table: str) -> Iterator[Row]:
    """All rows of a table, shard after shard."""
    for file in files(folder, table).values():
        yield from jsonl.read(file)


def batches(stream: Iterable[Row]) -> Iterator[list[Row]]:
    """The rows in lists of at most ``BATCH``, so that a shard never is in memory."""
    rest = iter(stream)
    while batch := list(islice(rest, BATCH)):
        yield batch


def mapped(work: Work, source: tuple[Path, str], target: tuple[Path, str], settings: Row,
           inputs: dict[str, Path], machine: Row) -> list[Row]:
    """Make every shard of the target (folder, table) from that of the source; return the results.

    ``inputs`` are further files and folders that ``work`` reads: it finds their paths among its
    settings. ``machine`` holds "engine" and "threads", the number of processes. A plain table
    becomes a plain one.
    """
    found = files(*source)
    if list(found) == [""]:
        return [work(found[""], target[0] / f"{target[1]}{PLAIN}",
                     {**settings, **{name: str(path) for name, path in inputs.items()}})]
    stamps = {}
    for shard, file in found.items():
        stamps[shard] = (file, manifest(file)["sha256"])
        if stamps[shard][1] != file_sha256(file):
            raise UserError(f"{file}: differs from its manifest. Run `dvc repro` again")
    return made(work, stamps, target, settings, inputs, machine)


def made(work: Work, sources: dict[str, tuple[Path, str]], target: tuple[Path, str],
         settings: Row, inputs: dict[str, Path], machine: Row) -> list[Row]:
    """Make the target's shards, each from its (file or folder, hash of the content) in ``sources``;
    return the results in the order of names.
    """
    place = target[0] / target[1]
    scratch = (SCRATCH / place.as_posix().strip("/")).resolve()
    same = [_code(), settings, {name: _content(path) for name, path in inputs.items()}]
    settings = {**settings, **{name: str(path.resolve()) for name, path in inputs.items()}}
    tasks = {shard: (source.resolve(), _file(scratch, shard), of_json([*same, stamp]))
             for shard, (source, stamp) in sorted(sources.items())}
    _run([(work, *task, settings) for task in tasks.values() if not _done(*task[1:])], machine)
    wanted = {path for _, file, _ in tasks.values() for path in (file, _manifest(file))}
    for stray in set(scratch.iterdir()) - wanted:
        stray.unlink()
    for _, file, _ in tasks.values():
        known = manifest(file)
        known.pop("of")
        jsonl.write_json(_manifest(file), known)
    shutil.rmtree(place, ignore_errors=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(scratch, place)
    return [manifest(place / file.name)["result"] for _, file, _ in tasks.values()]


def _run(tasks: list[tuple[Work, Path, Path, str, Row]], machine: Row) -> None:
    """Do the tasks, as many at a time as the machine says. The first error of one is raised here;
    what others have finished by then stays done.
    """
    if machine["engine"] == "local" and min(len(tasks), machine["threads"]) <= 1:
        for task in tasks:
            _make(*task)
        return
    import joblib
    from tqdm import tqdm

    with _backend(machine["engine"]):
        # A list is all that Ray's backend can return.
        how = "generator_unordered" if machine["engine"] == "local" else "list"
        done = joblib.Parallel(n_jobs=machine["threads"], batch_size=1, return_as=how)(
            joblib.delayed(_make_in_child)(*task) for task in tasks)
        for _ in tqdm(done, total=len(tasks), unit="shard"):
            pass


def _backend(engine: str) -> AbstractContextManager[Any]:
    """Where joblib runs. Ray is an extra; RAY_ADDRESS names a cluster, else one is started here."""
    if engine == "local":
        return nullcontext()
    if engine != "ray":
        raise UserError(f"params.yaml: machine.engine: {engine!r} is not one of local, ray",
                        BAD_CONFIG)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # read on import
    import joblib

    try:
        from ray.util.joblib import register_ray
    except ImportError as error:
        raise UserError("params.yaml: machine.engine: ray is not installed. Run "
                        "`pip install '.[cluster]'`, or set it to local", BAD_CONFIG) from error
    register_ray()
    backend: AbstractContextManager[Any] = joblib.parallel_config(backend="ray")
    return backend


def _make_in_child(*task: Any) -> None:
    """A killed step would otherwise leave a second writer behind (command.py)."""
    die_with_parent()
    _make(*task)


def _make(work: Work, source: Path, file: Path, key: str, settings: Row) -> None:
    """One task: the shard, then its manifest."""
    _manifest(file).unlink(missing_ok=True)  # of an older shard
    result = work(source, file, settings)
    jsonl.write_json(_manifest(file), {"rows": jsonl.count(file), "sha256": file_sha256(file),
                                       "of": key, "result": result})


def _file(folder: Path, shard: str) -> Path:
    return folder / f"{shard}{PACKED}"


def _manifest(file: Path) -> Path:
    return file.with_name(file.name.removesuffix(PACKED) + ".json")


def _done(file: Path, key: str) -> bool:
    """Is the shard there, as its manifest says, and made from what ``key`` hashes?"""
    if not _manifest(file).is_file() or not file.is_file():
        return False
    known = manifest(file)
    return known.get("of") == key and known["sha256"] == file_sha256(file)


def _content(path: Path) -> str | dict[str, str]:
    """Hash of a file, or of every file of a folder by name."""
    if path.is_file():
        return file_sha256(path)
    return {file.relative_to(path).as_posix(): file_sha256(file)
            for file in sorted(path.rglob("*")) if file.is_file()}


def _code() -> dict[str, str]:
    """Hashes of the project's code as far as it is loaded: an edit of it begins a run anew."""
    root = Path(__file__).resolve().parents[1]
    loaded = {Path(file).resolve() for module in [*sys.modules.values()]
              if (file := getattr(module, "__file__", None))}
    return {path.relative_to(root).as_posix(): file_sha256(path)
            for path in sorted(loaded) if path.is_relative_to(root)}
