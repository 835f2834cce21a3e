"""Translate the test set with one system, both directions of every language.

in     params systems.<name>           weights, system turn, shots, dtype
       data/format/test.jsonl          devtest rows are translated, dev rows serve as examples
       data/download/lid, data/download/spm
out    segments.jsonl   one row per direction and segment: source, reference, output, flags
       meta.json        what produced it: weights, tokenizer, prompt, decoding, versions
paper  FLORES-101, spBLEU and xCOMET. Prompt, decoding and shots are not published: ours.

A system with shots sees solved examples first, so that learning the answer format can be told
from learning to translate. Scores are derived later, in `significance`.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path
from typing import Any

from .common import jsonl, params
from .common.command import offline, run_stage
from .common.errors import UserError
from .common.hashes import text16
from .common.languages import PIVOT
from .corpus import language_id
from .decoding import greedy
from .model import prompts, provenance
from .model.system import load

Row = dict[str, Any]


def turned(row: Row, into_pivot: bool) -> Row:
    """The row with source and target in translation order."""
    if not into_pivot:
        return row
    return {**row, "src": row["tgt"], "tgt": row["src"],
            "src_lang": row["tgt_lang"], "tgt_lang": row["src_lang"]}


def choose(rows: list[Row], lang: str, split: str, limit: int | None) -> list[Row]:
    """The first ``limit`` rows of a language and split, in an order hashed from their ids.

    The order does not depend on the language, so every direction gets the same ids.
    """
    mine = [row for row in rows if row["tgt_lang"] == lang and row["split"] == split]
    mine.sort(key=lambda row: hashlib.sha256(row["id"].encode()).hexdigest())
    return mine[:limit]


def result(row: Row, answer: tuple[str, bool], found: tuple[str, float]) -> Row:
    """One output row with its flags."""
    hyp, truncated = answer
    return {"id": row["id"], "cluster": row["cluster"],
            "direction": f"{row['src_lang']}-{row['tgt_lang']}",
            "src": row["src"], "ref": row["tgt"], "hyp": hyp,
            "hyp_lang": found[0], "hyp_lang_p": round(found[1], 4),
            "off_target": bool(hyp) and found[0] != row["tgt_lang"],
            "empty": not hyp, "copy": hyp.casefold() == row["src"].casefold(),
            "truncated": truncated,
            "ref_hash": text16(f"{row['src']}\0{row['tgt']}")}


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("system", help="a key of systems in params.yaml")
    parser.add_argument("test", type=Path, help="test pairs, JSON Lines")
    parser.add_argument("lid", type=Path, help="folder with the language-ID model")
    parser.add_argument("spm", type=Path, help="folder with the spBLEU tokenizer")
    parser.add_argument("out", type=Path, help="output folder")
    args = parser.parse_args(argv)
    system, settings = params.system(args.system), params.suite("eval_mt")
    offline(params.scaled("offline"))
    import torch

    torch.set_num_threads(params.get("machine.threads"))
    rows = list(jsonl.read(args.test))
    translator, tokenizer = load(system, params.get("machine.device"))
    detect = language_id.load(args.lid)
    stop = greedy.newline_tokens(tokenizer)
    shots = system["shots"]
    results: list[Row] = []
    rendered: list[str] = []
    for lang in params.scaled("format.languages"):
        test = choose(rows, lang, "devtest", settings["segments"])
        examples = choose(rows, lang, "dev", shots)
        if not test or len(examples) < shots:
            raise UserError(f"{args.test}: {len(test)} devtest rows and {len(examples)} dev rows "
                            f"for {lang}; at least 1 and {shots} are needed")
        for into_pivot in (True, False):
            todo = [turned(row, into_pivot) for row in test]
            solved = [(row["src"], row["tgt"])
                      for row in (turned(row, into_pivot) for row in examples)]
            ids = [prompts.prompt_ids(tokenizer, prompts.messages(
                row["src"], row["src_lang"], row["tgt_lang"], solved,
                system["system"])) for row in todo]
            arrow = f"{args.system} {lang} {'→' if into_pivot else '←'} {PIVOT}"
            answers = greedy.greedy(translator, tokenizer, ids, settings["max_new_tokens"],
                                      settings["batch"], stop, arrow)
            found = [guesses[0] for guesses in detect([hyp for hyp, _ in answers])]
            results += map(result, todo, answers, found)
            rendered.append(tokenizer.decode(ids[0]))
    results.sort(key=lambda row: (row["direction"], row["id"]))
    with jsonl.writer(args.out / "segments.jsonl") as write:
        for row in results:
            write(row)
    jsonl.write_json(args.out / "meta.json", {
        "system": args.system, "scale": params.get("scale"), "suite": params.get("suite"),
        "limit": settings["segments"], "test_set": settings["test_set"],
        "languages": params.scaled("format.languages"), "shots": shots,
        "spbleu": provenance.spbleu(args.spm, settings["spbleu_label"]),
        "signature": provenance.signature(
            Path(system["weights"]), tokenizer, rendered, params.get("seed"),
            system["dtype"], f"greedy, first line, max_new_tokens={settings['max_new_tokens']}, "
            f"batch={settings['batch']}")})


if __name__ == "__main__":
    run_stage(main)
