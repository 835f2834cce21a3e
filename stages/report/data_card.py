"""The data card of a scale: what its training pairs are, where from, on what terms, what was lost.

in     data/{format/corpus, dedup, langid, qe/score, qe/select}: stats.json, dropped_sample.jsonl,
       as far as they were run; data/sources.lock
out    reports/<scale>/DATA_CARD.md

    python -m stages.report.data_card

Needs no model and no test results: `make data` ends with it.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..common import jsonl, params
from ..common.command import run_stage
from ..common.errors import UserError
from . import evidence
from .render import md_text, of_rows, to_md

SHOWN = 3  # dropped rows of a reason; the samples hold up to 20
LENGTH = 200  # characters of a text that are shown


def sources(lock: dict[str, Any]) -> list[dict[str, Any]]:
    """A row for each licence of each asset and host: how many files, how many bytes are known."""
    found: dict[tuple[str, str, str], Counter[str]] = {}
    for asset in ("train", "test", "lid", "encoder"):
        source = lock[asset]
        for file in source.get("files") or [source]:
            host = urlsplit(file["url"]).netloc if "url" in file else source["source"]
            counts = found.setdefault((asset, host, file["licence"]), Counter())
            counts["files"] += 1
            counts["bytes"] += file.get("bytes", 0)
            counts["without hash"] += "url" in file and "sha256" not in file
    return [{"asset": asset, "from": host, "licence": licence, "files": counts["files"],
             "bytes known": counts["bytes"], "no hash yet": counts["without hash"]}
            for (asset, host, licence), counts in found.items()]


def samples(root: Path) -> list[str]:
    """Lines of Markdown: some dropped pairs of each reason of each step."""
    lines = []
    for step, folder in evidence.STEPS.items():
        file = root / folder / "dropped_sample.jsonl"
        counts: Counter[str] = Counter()
        for row in jsonl.read(file) if file.is_file() else ():
            counts[row["reason"]] += 1
            if counts[row["reason"]] == 1:
                lines += ["", f"**{step}: {md_text(row['reason'].replace('_', ' '))}**", ""]
            if counts[row["reason"]] <= SHOWN:
                src, tgt = (md_text(row[side][:LENGTH]) or "(empty)" for side in ("src", "tgt"))
                lines.append(f"- {evidence.language(row['tgt_lang'])}: {src} → {tgt}")
    return lines


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("root", type=Path, nargs="?", default=Path(),
                        help="folder that holds data/ and reports/ (default: this one)")
    root = parser.parse_args(argv).root
    scale, tables = params.get("scale"), evidence.data_tables(root)[0]
    if not tables:
        raise UserError("no stats.json below data/. Run `make data` first")
    lock = json.loads((root / "data/sources.lock").read_text(encoding="utf-8"))[scale]
    out = root / "reports" / scale / "DATA_CARD.md"
    parts = [f"# Data of scale {scale}", "", "What the model is trained on, by the counts that "
             "every step wrote. Regenerate: `python -m stages.report.data_card`.", "",
             "## Sources and terms", "",
             to_md(of_rows("sources", "", "", "", sources(lock)))]
    for table in tables:
        limit = f" Not shown: {table['cannot']}" if table["cannot"] else ""
        parts += [f"## {table['title']}", "", f"{table['says']}{limit}\n".lstrip(), to_md(table),
                  *(f"{note}\n" for note in table["notes"])]
    parts += ["## What was dropped", "", f"At most {SHOWN} pairs of each reason, cut after "
              f"{LENGTH} characters.", *samples(root), "", "## Known limits", ""]
    parts += [f"- **{md_text(name)}**: {md_text(text.strip())}"
              for name, text in params.scaled("limits").items()]
    jsonl.write_text(out, "\n".join(parts).rstrip() + "\n")
    print(f"data card: {out}")


if __name__ == "__main__":
    run_stage(main)
