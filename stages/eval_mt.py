"""Translate the suite's test text with one system, both directions of every language.

in     params systems.<name>           weights, system turn, shots and their draw, dtype
       data/format/suite/test.jsonl    what is translated
       data/format/corpus/test.jsonl   its dev split holds the solved examples
       data/download/lid, data/download/spm
out    segments.jsonl   one row per direction and segment: source, reference, output, flags;
                        "off_target" and "ref_off_target": does a rule of language ID call the
                        output, or the human reference, another language than the one asked for?
       meta.json        what produced it: weights, tokenizer, prompt, decoding, versions
paper  FLORES-101, spBLEU and xCOMET. Prompt, decoding and shots are not published: ours.

A system with shots sees solved examples first, so that learning the answer format can be told
from learning to translate. Scores are derived later, in `significance`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .common import jsonl, params
from .common.command import offline, run_stage
from .common.errors import UserError
from .corpus import language_id
from .decoding import greedy, translation
from .model import provenance
from .model.system import load

Row = dict[str, Any]


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("system", help="a key of systems in params.yaml")
    parser.add_argument("test", type=Path, help="what is translated, JSON Lines")
    parser.add_argument("dev", type=Path, help="rows with a dev split, JSON Lines")
    parser.add_argument("lid", type=Path, help="folder with the language-ID model")
    parser.add_argument("spm", type=Path, help="folder with the spBLEU tokenizer")
    parser.add_argument("out", type=Path, help="output folder")
    args = parser.parse_args(argv)
    system, settings = params.system(args.system), params.suite("eval_mt")
    offline(params.scaled("offline"))
    import torch

    torch.set_num_threads(params.get("machine.threads"))
    tests, devs = list(jsonl.read(args.test)), list(jsonl.read(args.dev))
    translator, tokenizer = load(system, params.get("machine.device"))
    detect = language_id.load(args.lid, params.scaled("format.languages"))
    stop = greedy.newline_tokens(tokenizer)
    results: list[Row] = []
    rendered: list[str] = []
    for language, into_pivot, name in translation.directions(params.scaled("format.languages")):
        pool, _ = translation.dev(devs, language)
        solved = translation.examples(pool, system["shots"], system["draw"])
        chosen = translation.ordered(tests, language)[:settings["segments"]]
        if not chosen:
            raise UserError(f"{args.test}: no row for {language}. Run `dvc repro format@suite`")
        todo, shown = ([translation.turned(row, into_pivot) for row in rows]
                       for rows in (chosen, solved))
        answers, prompt = translation.ask(translator, tokenizer, todo, shown, system["system"],
                                          settings, stop, f"{args.system} {name}")
        found = map(translation.result, todo, answers)
        about = language_id.flags(detect, todo[0]["tgt_lang"], [hyp for hyp, _ in answers],
                                  [row["tgt"] for row in todo])
        results += [row | flags for row, flags in zip(found, about, strict=True)]
        rendered.append(prompt)
    results.sort(key=lambda row: (row["direction"], row["id"]))
    with jsonl.writer(args.out / "segments.jsonl") as write:
        for row in results:
            write(row)
    jsonl.write_json(args.out / "meta.json", {
        "system": args.system, "scale": params.get("scale"), "suite": params.get("suite"),
        "limit": settings["segments"], "test_set": settings["test_set"],
        "languages": params.scaled("format.languages"),
        "shots": system["shots"], "draw": system["draw"],
        "spbleu": provenance.spbleu(args.spm, settings["spbleu_label"]),
        "signature": provenance.signature(
            Path(system["weights"]), tokenizer, rendered, params.get("seed"), system["dtype"],
            f"greedy, first line, max_new_tokens={settings['max_new_tokens']}, "
            f"batch_tokens={settings['batch_tokens']}", system["derive"])})


if __name__ == "__main__":
    run_stage(main)
