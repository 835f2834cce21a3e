"""JSON Lines and JSON files: strict reading, atomic writing.

Reading accepts exactly what this project writes: UTF-8, one flat object a line, no duplicate
keys, no NaN, no control characters, no line above 1 MiB. Writing goes to a temporary name in the
same folder, is fsynced and then renamed, so a final path is either absent or complete. A path
that ends in .zst is compressed (Zstandard, RFC 8878).
"""

from __future__ import annotations

import io
import json
import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from .errors import UserError

MAX_LINE = 1 << 20  # bytes
Row = dict[str, Any]


class BadLine(UserError):
    """A line that breaks the format. ``reason`` is a short key for counting."""

    def __init__(self, path: Path, number: int, reason: str, detail: str = "") -> None:
        super().__init__(f"{path}:{number}: {reason}{': ' + detail if detail else ''}. "
                         "Mend or delete the line, or rebuild the file with `dvc repro`")
        self.reason = reason
        self.number = number


def _unique(pairs: list[tuple[str, Any]]) -> Row:
    row = dict(pairs)
    if len(row) != len(pairs):
        raise ValueError("duplicate_key")
    return row


def _no_constant(name: str) -> float:
    raise ValueError("not_a_number")


DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)


def parse(line: bytes) -> Row:
    """Parse one line. Raises ValueError whose first argument is a short reason key."""
    if len(line) > MAX_LINE:
        raise ValueError("line_too_long")
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError("invalid_utf8") from error
    try:
        row = DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise ValueError("invalid_json") from error
    except RecursionError as error:
        raise ValueError("nested_too_deep") from error
    if not isinstance(row, dict):
        raise ValueError("not_an_object")
    # Valid UTF-8 holds no surrogate and valid JSON no raw NUL: only an escape can bring one in.
    escaped = b"\\u0000" in line or b"\\ud" in line or b"\\uD" in line
    for value in row.values():
        if isinstance(value, float) and not math.isfinite(value):  # 1e999 parses as inf
            raise ValueError("not_a_number")
        if escaped and isinstance(value, str):
            if "\x00" in value:
                raise ValueError("nul_character")
            if any("\ud800" <= c <= "\udfff" for c in value):
                raise ValueError("lone_surrogate")
    return row


def _open(path: Path) -> IO[bytes]:
    if path.suffix != ".zst":
        return open(path, "rb")
    import pyarrow as pa  # only where there is compressed text: it takes long to import

    return io.BufferedReader(pa.input_stream(str(path), compression="zstd"), MAX_LINE)


def _lines(path: Path) -> Iterator[bytes]:
    with _open(path) as file:
        while line := file.readline(MAX_LINE + 2):
            if len(line) > MAX_LINE + 1:  # skip the rest without holding it in memory
                while rest := file.readline(MAX_LINE):
                    if rest.endswith(b"\n"):
                        break
            yield line.rstrip(b"\r\n") if len(line) <= MAX_LINE + 1 else line


def count(path: Path) -> int:
    """Lines of a file, unread."""
    with _open(path) as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(MAX_LINE), b""))


def read(path: Path | str, on_bad: Callable[[BadLine], None] | None = None) -> Iterator[Row]:
    """Yield the rows of a file in order, streaming.

    A bad line raises BadLine, or is passed to ``on_bad`` and skipped (quarantine).
    """
    path = Path(path)
    for number, line in enumerate(_lines(path), 1):
        try:
            row = parse(line)
        except ValueError as error:
            bad = BadLine(path, number, str(error.args[0]), line[:60].decode("utf-8", "replace"))
            if on_bad is None:
                raise bad from error
            on_bad(bad)
        else:
            yield row


@contextmanager
def open_atomic(path: Path | str, mode: str = "w") -> Iterator[IO[Any]]:
    """Open ``path`` for writing; it appears, complete, only if the block ends without error."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    text = {} if "b" in mode else {"encoding": "utf-8", "newline": "\n"}
    try:
        with open(part, mode, **text) as file:  # type: ignore[call-overload]
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def writer(path: Path | str) -> Iterator[Callable[[Row], Any]]:
    """Give a function that appends one row; the file appears when the block ends well."""
    def line(row: Row) -> bytes:
        return json.dumps(row, ensure_ascii=False, allow_nan=False).encode() + b"\n"

    with open_atomic(path, "wb") as file:
        if Path(path).suffix != ".zst":
            yield lambda row: file.write(line(row))
            return
        import pyarrow as pa

        # The stream closes what it writes to: a second descriptor, so that the first can be synced.
        with io.BufferedWriter(pa.CompressedOutputStream(
                os.fdopen(os.dup(file.fileno()), "wb"), "zstd"), MAX_LINE) as packed:
            yield lambda row: packed.write(line(row))


def write_text(path: Path | str, text: str) -> None:
    """Write a whole text file atomically."""
    with open_atomic(path) as file:
        file.write(text)


def write_json(path: Path | str, value: Any) -> None:
    """Write indented JSON with sorted keys and a final newline, atomically. NaN is refused."""
    write_text(path, json.dumps(value, ensure_ascii=False, allow_nan=False, indent=2,
                                sort_keys=True) + "\n")
