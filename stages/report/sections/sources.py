"""Where everything came from and under which terms, from data/sources.lock.

in     data/sources.lock, the entries of a run's scale and suite
out    one table in the model of `render`: a row a source, with its licence and size
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from ..render import Table, of_rows

LOCK = Path("data/sources.lock")


def rows(entries: dict[str, dict[str, Any]], of: str) -> list[dict[str, Any]]:
    """One row a licence of each source that holds files."""
    found = []
    for asset, entry in entries.items():
        files = entry.get("files") or []
        licences = dict.fromkeys(file["licence"] for file in files) or [entry["licence"]]
        for licence in licences:
            mine = [file for file in files if file["licence"] == licence]
            if files or entry.get("archive"):
                found.append({
                    "of": of, "asset": asset, "source": entry["source"], "licence": licence,
                    "files": len(mine) or len(entry["members"]),
                    "pinned by": "git blob and SHA-256" if mine and all(
                        "git_blob" in file for file in mine) else "SHA-256"})
    return found


def table(root: Path, scale: str, suite: str) -> Table:
    """The sources of a scale and a suite; no rows where there is no lock."""
    path = root / LOCK
    lock = YAML(typ="safe").load(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return of_rows(
        "sources", "Sources and licences", "What the run was built from. Nothing of it is in the "
        "repository; some sets may not be republished or used commercially.",
        "Whether your use of them is allowed.",
        rows(lock.get(scale, {}), scale) + rows(lock.get("suites", {}).get(suite, {}), suite))
