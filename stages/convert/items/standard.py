"""Benchmarks as their repositories hold them, to the fields that lm-eval's stock tasks read.

Most come as rows of llm-foundry (https://github.com/mosaicml/llm-foundry, scripts/eval/local_data),
which keeps prompts, not fields: they are taken apart here, so that lm-eval's own task, loaded from
the installed package (stages/tasks/stock.py), builds the prompt again. XCOPA and GSM8K come as on
the hub, MGSM as a TSV without header, BIG-Bench Hard as one JSON file a task.

A set that changed on its way into llm-foundry is no longer the original and carries another name,
``<set>_foundry``: SIQA has two of three options there and CommonsenseQA four of five, both with
letters as answers; LogiQA lost digits, BoolQ the titles of its passages; the Winograd schemas lost
their pronouns (they fit WinoGrande's task); the BIG-bench sets have prompts of llm-foundry's.
Eleven ARC items that had three options come with four, one wrong option twice: the copy is dropped.
(Items that had five options cannot be told; all come with four.)
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ...common import jsonl
from ...common.errors import BAD_CONFIG, UserError

Row = dict[str, Any]
LABELS = "ABCDE"


def _after(text: str, start: str) -> str:
    """``text`` without the ``start`` that it must have."""
    if not text.startswith(start):
        raise ValueError(f"does not start with {start!r}")
    return text[len(start):]


def labelled(row: Row) -> Row:
    """{"choices": {"text", "label"}, "answerKey"}, each option once."""
    texts = list(dict.fromkeys(row["choices"]))
    label = list(LABELS[:len(texts)])
    return {"choices": {"text": texts, "label": label},
            "answerKey": label[texts.index(row["choices"][row["gold"]])]}


def arc(row: Row) -> Row:
    return {"question": _after(row["query"], "Question: "), **labelled(row)}


def openbookqa(row: Row) -> Row:
    return {"question_stem": row["query"], **labelled(row)}


def piqa(row: Row) -> Row:
    goal = _after(row["query"], "Question: ").removesuffix("\n")
    first, second = row["choices"]
    return {"goal": goal, "sol1": first, "sol2": second, "label": row["gold"]}


def copa(row: Row) -> Row:
    """The connector says which way is asked. lm-eval drops the full stop that is put back here."""
    premise, connector = row["query"].rsplit(", ", 1)
    first, second = row["choices"]
    return {"premise": premise + ".", "choice1": first, "choice2": second, "label": row["gold"],
            "question": {"because": "cause", "therefore": "effect"}[connector]}


def boolq(row: Row) -> Row:
    passage, question = _after(row["query"], "Passage: ").rsplit("\nQuestion: ", 1)
    if row["choices"] != ["no", "yes"] or not question.endswith("?"):
        raise ValueError("not a question with the choices no and yes")
    return {"passage": passage, "question": question[:-1], "label": row["gold"]}


def winogrande(row: Row) -> Row:
    """The options are whole contexts here, so the sentence begins with its gap."""
    first, second = row["context_options"]
    return {"sentence": "_ " + row["continuation"], "option1": first, "option2": second,
            "answer": str(row["gold"] + 1)}


def lambada(row: Row) -> Row:
    return {"text": f"{row['context']} {row['continuation']}"}


def choices(row: Row) -> Row:
    """A set of no stock task: llm-foundry's prompt, up to where the answer begins."""
    query = row["query"].rstrip()
    return {"query": query if query.endswith(":") else f"{query}\nAnswer:",
            "choices": row["choices"], "gold": row["gold"]}


def continuation(row: Row) -> Row:
    return {"context": row["context"], "continuation": row["continuation"]}


def mgsm(row: Row) -> Row:
    """As on the hub, where test items have no worked answer; "2,125" is a number."""
    return {"question": row["question"], "answer": None, "equation_solution": None,
            "answer_number": int(row["answer"].replace(",", ""))}


FORMS: dict[str, Callable[[Row], Row]] = {
    "arc": arc, "boolq": boolq, "choices": choices, "continuation": continuation, "copa": copa,
    "lambada": lambada, "mgsm": mgsm, "openbookqa": openbookqa, "piqa": piqa,
    "winogrande": winogrande,
    "rows": dict,  # as on the hub: XCOPA, GSM8K, BIG-Bench Hard
}


def rows_of(file: Path) -> Iterator[Row]:
    """Rows of JSON Lines, of {"examples": [...]}, or of a TSV (question, answer) without header."""
    if file.suffix == ".jsonl":
        yield from jsonl.read(file)
    elif file.suffix == ".json":
        yield from json.loads(file.read_text(encoding="utf-8"))["examples"]
    else:
        for line in file.read_text(encoding="utf-8").removesuffix("\n").split("\n"):
            question, answer = line.split("\t")
            yield {"question": question, "answer": answer}


def prepare(files: dict[str, Path], out: Path, sets: dict[str, Row]) -> None:
    """Write ``out/<set>.jsonl``, ``id`` and the fields of the set's form, and ``out/stats.json``.

    ``sets`` is {set: {"form": a key of FORMS, "file": end of a file's path}}; ``id`` is the row's
    number in its file, from 0. Raises UserError for a file or row that is not of its form.
    """
    stats = {}
    for name, chosen in sets.items():
        if chosen["form"] not in FORMS:
            raise UserError(f"params.yaml: {name}: form {chosen['form']!r} is not one of "
                            f"{', '.join(FORMS)}", BAD_CONFIG)
        found = [file for path, file in files.items() if f"/{path}".endswith(f"/{chosen['file']}")]
        if len(found) != 1:
            raise UserError(f"params.yaml: {name}: {len(found)} files of the source end in "
                            f"{chosen['file']!r}. Name one, or add it to data/sources.lock",
                            BAD_CONFIG)
        form, number, shortened = FORMS[chosen["form"]], -1, 0
        try:
            with jsonl.writer(out / f"{name}.jsonl") as write:
                for number, row in enumerate(rows_of(found[0])):
                    options = row.get("choices") or row.get("context_options") or []
                    if "gold" in row and row["gold"] not in range(len(options)):
                        raise ValueError(f"gold {row['gold']!r} of {len(options)} choices")
                    shortened += len(set(options)) < len(options)
                    write({"id": number, **form(row)})
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise UserError(f"{found[0]}: row {number + 1}: not of the form {chosen['form']!r} "
                            f"({error}). Correct the form in params.yaml, or fetch the file "
                            "again") from error
        stats[name] = {"seen": number + 1, "kept": number + 1, "repeated_choice": shortened}
    jsonl.write_json(out / "stats.json", stats)
