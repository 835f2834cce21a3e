"""The files of tables/. Standard library only, so that `verify` renders them again anywhere."""

from __future__ import annotations

import re
from pathlib import Path

from ..common import jsonl
from . import exhibits, render
from .render import Table


def write_tables(tables: list[Table], folder: Path) -> None:
    """Each table as Markdown and LaTeX for reading, CSV for machines. Files of earlier runs go."""
    for old in folder.glob("*.*"):
        if old.suffix in (".md", ".csv", ".tex"):
            old.unlink()
    for table in tables:
        title, says, cannot = (render.md_text(table[key]) for key in ("title", "says", "cannot"))
        name = re.sub(r"[^\w.+-]", "_", table["id"])
        jsonl.write_text(folder / f"{name}.md", f"# {title}\n\n{says}\n\n"
                         f"{render.to_md(exhibits.worded(table))}\n{cannot}\n")
        jsonl.write_text(folder / f"{name}.csv", render.to_csv(table))
        jsonl.write_text(folder / f"{name}.tex", render.to_tex(exhibits.worded(table)))
