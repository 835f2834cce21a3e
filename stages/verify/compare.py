"""Name every difference between a stored and a recomputed data model.

in   two values as JSON holds them
out  lines: file, place, what is stored, what was recomputed. Tables are named by id, row and column
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

# Relative, but for values below FLOOR. Other processors and library versions round the last bits
# of exp, log and sums otherwise; every printed digit is far above that.
ROUNDING, FLOOR = 1e-9, 1e-3


def same(stored: Any, found: Any, exact: bool) -> bool:
    """Equality of two leaves: types too, since true is 1 and 1 is 1.0 to Python."""
    if type(stored) is float and type(found) is float and not exact:
        return abs(stored - found) <= ROUNDING * max(abs(stored), abs(found), FLOOR)
    return type(stored) is type(found) and bool(stored == found)


def shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"


def difference(place: str, stored: Any, found: Any) -> str:
    return f"{place}: stored {shown(stored)}, recomputed {shown(found)}"


def values(place: str, stored: Any, found: Any, exact: bool) -> Iterator[str]:
    """Differences below one place."""
    if isinstance(stored, dict) and isinstance(found, dict):
        for key in {**found, **stored}:
            if key not in found or key not in stored:
                yield f"{place}, {key}: " + ("not recomputed" if key in stored else "not stored")
            else:
                yield from values(f"{place}, {key}", stored[key], found[key], exact)
    elif isinstance(stored, list) and isinstance(found, list) and len(stored) == len(found):
        for number, (left, right) in enumerate(zip(stored, found, strict=True), 1):
            yield from values(f"{place} [{number}]", left, right, exact)
    elif not same(stored, found, exact):
        yield difference(place, stored, found)


def without(value: Any, name: str) -> Any:
    """An object but for one key."""
    return {key: one for key, one in value.items() if key != name} if isinstance(
        value, dict) else value


def label(table: dict[str, Any], row: Any) -> str:
    """What a row is about: the cells of its first columns of text."""
    texts = [column["key"] for column in table["columns"] if column["kind"] == "text"][:2]
    return " ".join(str(row.get(key)) for key in texts) if isinstance(row, dict) else shown(row)


def rows(place: str, stored: Any, found: dict[str, Any], exact: bool) -> Iterator[str]:
    """Differences of a table's rows. Rows that are lost, added or moved are named as such."""
    if not isinstance(stored, list):
        yield difference(f"{place}, rows", stored, found["rows"])
        return
    theirs, mine = ([label(found, row) for row in table] for table in (stored, found["rows"]))
    if len(theirs) != len(mine):
        for name in dict.fromkeys([*mine, *theirs]):
            if theirs.count(name) != mine.count(name):
                yield (f"{place}, row {name}: stored {theirs.count(name)} times, recomputed "
                       f"{mine.count(name)} times")
        return
    for name, left, right in zip(mine, stored, found["rows"], strict=True):
        yield from values(f"{place}, row {name}", left, right, exact)


def tables(place: str, stored: Any, found: list[dict[str, Any]], exact: bool) -> Iterator[str]:
    """Differences of the tables, by id."""
    by_id: dict[str, list[Any]] = {}
    for table in stored if isinstance(stored, list) else []:
        by_id.setdefault(str(table.get("id")) if isinstance(table, dict) else "?", []).append(table)
    names = [str(table["id"]) for table in found]
    if list(by_id) != names and sorted(by_id) == sorted(names):
        yield difference(f"{place}: order of tables", list(by_id), names)
    for name in [*by_id, *(name for name in names if name not in by_id)]:
        if (stored_times := len(by_id.get(name, []))) != (times := names.count(name)):
            yield f"{place}: table {name}: stored {stored_times} times, recomputed {times} times"
            continue
        here, [left] = f"{place}: table {name}", by_id[name]
        right = found[names.index(name)]
        yield from values(here, without(left, "rows"), without(right, "rows"), exact)
        yield from rows(here, left.get("rows") if isinstance(left, dict) else None, right, exact)


def models(place: str, stored: Any, found: dict[str, Any], exact: bool) -> Iterator[str]:
    """Differences of two data models."""
    if not isinstance(stored, dict):
        yield difference(place, stored, found)
        return
    yield from tables(place, stored.get("tables"), found["tables"], exact)
    yield from values(place, without(stored, "tables"), without(found, "tables"), exact)
