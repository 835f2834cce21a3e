"""A small mirror of standard sets in their publishers' forms, all self-written, and its lock.

Below <host>/<path>: news of five documents with its ids as NTREX-128 lays it out, items as
llm-foundry and XCOPA have them, one WMT22 direction.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from tests.experiments import wmt22_files

Row = dict[str, Any]
HOST = "raw.githubusercontent.com"
NEWS, ITEMS, WMT = (f"{HOST}/own/{name}/{'0123456789' * 4}" for name in ("news", "items", "wmt"))
SOURCES = {"test": "own-news@1", "items": "own-items@1", "calibration": "own-wmt@1"}
DOCUMENTS = {"storm.1": 4, "vote.2": 3, "match.3": 5, "trial.4": 2, "harvest.5": 4}
LINES = sum(DOCUMENTS.values())
# What rules of cleaning would drop or change; no line of news may be.
HOSTILE = ["  two  spaces, “quotes” and \"quotes\" ", "<b>markup</b> & {0} http://x.org",
           "\u2028 a form\x0cfeed and it's don't", "word " * 60, "1234 5678 %%% ---", "Ok", "Ok"]
CODES = {"src.eng": "eng_Latn", "ref.spa": "spa_Latn", "ref.swa": "swh_Latn", "ref.deu": "deu_Latn"}
COUNTS = {"arc_easy.jsonl": 24, "piqa.jsonl": 20, "test.sw.jsonl": 16, "siqa.jsonl": 12}


def drawn(documents: int) -> list[str]:
    """The documents that a hash of their names draws."""
    return sorted(DOCUMENTS, key=lambda name: hashlib.sha256(name.encode()).digest())[:documents]


def news(language: str, planted: dict[str, str]) -> list[str]:
    """The lines of a language: the first of a document is ``planted`` where it is English, the
    second where it is another language."""
    found = []
    for document, size in DOCUMENTS.items():
        for line in range(size):
            own = f"{language} {document} {line} {HOSTILE[len(found) % len(HOSTILE)]}"
            here = line == (0 if language == "eng_Latn" else 1)
            found.append(planted[language] if here and language in planted else own)
    return found


def ids() -> list[str]:
    return [document for document, size in DOCUMENTS.items() for _ in range(size)]


def items(file: str) -> list[Row]:
    """The rows of a file of items, as many as ``COUNTS`` says."""
    count, words = COUNTS[file], ["wool", "iron", "clay", "glass"]
    if file.startswith("test."):
        return [{"premise": f"Mvua {n} ilinyesha.", "choice1": "Nilikauka.", "choice2": "Nililowa.",
                 "question": "effect", "label": n % 2, "idx": n, "changed": False}
                for n in range(count)]
    query = {"arc_easy.jsonl": "Question: Which of these is number {n}?",
             "piqa.jsonl": "Question: How do I dry shirt {n}?\n",
             "siqa.jsonl": "Context: Ann rang Eve {n} times. Question: Why? Answer:"}[file]
    choices = {"arc_easy.jsonl": words, "piqa.jsonl": ["Hang it up.", "Soak it."],
               "siqa.jsonl": ["A", "B"]}[file]
    return [{"query": query.format(n=n), "choices": choices, "gold": n % len(choices)}
            for n in range(count)]


def build(mirror: Path, planted: dict[str, str]) -> None:
    """Write the whole mirror; ``planted``: a language's text of training pairs."""
    files = {f"{NEWS}/NTREX-128/newstest2019-{code}.txt": "".join(
        f"{line}\n" for line in news(language, planted)) for code, language in CODES.items()}
    files[f"{NEWS}/DOCUMENT_IDS.tsv"] = "".join(f"{name}\n" for name in ids())
    files |= {f"{ITEMS}/local_data/{file}": "".join(
        json.dumps(row, ensure_ascii=False) + "\n" for row in items(file)) for file in COUNTS}
    for name, text in files.items():
        (mirror / name).parent.mkdir(parents=True, exist_ok=True)
        (mirror / name).write_bytes(text.encode())
    wmt22_files.write(mirror / WMT)


def files_of(mirror: Path) -> dict[str, list[str]]:
    """Addresses of each asset; news without German, items without the last file: to be added."""
    left = ("ref.deu.txt", "siqa.jsonl")
    found = {asset: [f"https://{path.relative_to(mirror)}"
                     for path in sorted((mirror / folder).rglob("*"))
                     if path.is_file() and not path.name.endswith(left)]
             for asset, folder in zip(SOURCES, (NEWS, ITEMS, WMT), strict=True)}
    return found


def entry(asset: str, urls: list[str]) -> Row:
    """A source of the lock whose files have no hashes yet."""
    return {"source": SOURCES[asset], "licence": "none",
            "files": [{"url": url, "licence": "none"} for url in urls]}
