"""Translate the suite's test text with one system, both directions of every language.

in     params systems.<name>           weights, system turn, shots and their draw, dtype; engine
                                       and protocol, where they are not those of the suite
       data/format/suite/test.jsonl    what is translated
       data/format/corpus/test.jsonl   its dev split holds the solved examples
       data/download/lid, data/download/spm
out    segments.jsonl   one row per direction and segment: source, reference, output, flags;
                        "off_target" and "ref_off_target": does a rule of language ID call the
                        output, or the human reference, another language than the one asked for?
       meta.json        what produced it: weights, tokenizer, prompt, decoding, versions
paper  FLORES-101, spBLEU and xCOMET. Prompt, decoding and shots are not published: ours, or one
       of `stages.model.protocols`.

A system with shots sees solved examples first, so that learning the answer format can be told
from learning to translate; a language that only the suite has, and the corpus not, is asked without
examples. Scores are derived later, in `significance`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .common import jsonl, params
from .common.command import offline, run_stage
from .common.errors import UserError
from .common.languages import PIVOT
from .corpus import language_id
from .decoding import engines, translation
from .model import protocols, provenance
from .model.system import load
from .model.system import tokenizer as system_tokenizer

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
    style = system.get("protocol") or settings["protocol"]
    engine = engines.named(system.get("engine") or settings["engine"])
    protocol = protocols.named(style)
    limit = protocols.length(style, settings["max_new_tokens"])
    if engine == "hf":
        translator, tokenizer = load(system, params.get("machine.device"))
    else:
        tokenizer = system_tokenizer(system)
    own = params.scaled("format.languages")  # of the corpus, which holds examples of them
    every = own | params.suite("format.languages")
    languages = {language: every[language] for language in settings["languages"] or every}
    tests, devs = list(jsonl.read(args.test)), list(jsonl.read(args.dev))
    asked, jobs = [], []
    for source, target in translation.routes(languages, settings["pivots"]):
        shots = system["shots"] if {source, target} <= {*own, PIVOT} else 0
        shown = translation.solved(devs, source, target, shots, system["draw"])
        todo = translation.aligned(tests, source, target, settings["segments"])
        if not todo:
            raise UserError(f"{args.test}: no row for {source} to {target}. Run "
                            "`dvc repro format@suite`")
        asked.append(todo)
        jobs.append(translation.job(tokenizer, protocol, todo, shown, system["system"],
                                    f"{args.system} {source}-{target}"))
    scratch = engines.SCRATCH / "eval_mt" / args.system
    if engine == "hf":
        made = provenance.made(Path(system["weights"]), system["derive"])
        answers = engines.local(translator, tokenizer, jobs, protocol, limit,
                                settings["batch_tokens"], made, scratch)
    else:
        name = engines.served_name(args.system, system)
        answers = engines.served(engines.endpoint(params.get("machine.server"), name), tokenizer,
                                 jobs, protocol, limit, name, scratch)
    detect = language_id.load(args.lid, languages)
    results: list[Row] = []
    for todo, found in zip(asked, answers, strict=True):
        about = language_id.flags(detect, todo[0]["tgt_lang"], [hyp for hyp, _ in found],
                                  [row["tgt"] for row in todo])
        results += [translation.result(row, answer) | flags for row, answer, flags in zip(
            todo, found, about, strict=True)]
    results.sort(key=lambda row: (row["direction"], row["id"]))
    with jsonl.writer(args.out / "segments.jsonl") as write:
        for row in results:
            write(row)
    jsonl.write_json(args.out / "meta.json", {
        "system": args.system, "scale": params.get("scale"), "suite": params.get("suite"),
        "limit": settings["segments"], "test_set": settings["test_set"],
        "languages": languages,
        "shots": system["shots"], "draw": system["draw"],
        "spbleu": provenance.spbleu(args.spm, settings["spbleu_label"]),
        "signature": provenance.signature(
            Path(system["weights"]), tokenizer, [tokenizer.decode(job.prompts[0]) for job in jobs],
            params.get("seed"), system["dtype"],
            protocols.described(style, limit, settings["batch_tokens"], engine), system["derive"],
            protocol.prompt)})
    engines.finish(scratch)


if __name__ == "__main__":
    run_stage(main)
