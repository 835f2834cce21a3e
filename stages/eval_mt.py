"""Translate the suite's test text with one system; or score what all systems translated.

<system>
in     params systems.<name>           weights, system turn, shots and their draw, dtype; engine
                                       and protocol, where they are not those of the suite
       data/format/suite/test.jsonl    what is translated
       data/format/corpus/test.jsonl   its dev split holds the solved examples
       data/download/lid, data/download/spm
out    segments.jsonl   one row per direction and segment: source, reference, output, flags;
                        "off_target" and "ref_off_target": does a rule of language ID call the
                        output, or the human reference, another language than the one asked for?
       meta.json        what produced it: weights, tokenizer, prompt, decoding, versions
score
in     data/download/judges   neural metrics; data/eval_mt/<system> of every system
out    <system>.jsonl, meta.json: see `stages.comet.scoring`. Apart from translating, so that a
       further metric translates nothing again
paper  FLORES-101, spBLEU and xCOMET. Prompt, decoding and shots are not published: ours, or one
       of `stages.model.protocols`.

A system with shots sees solved examples first, so that learning the answer format can be told
from learning to translate; a language that only the suite has, and the corpus not, is asked without
examples. Scores of strings are derived later, in `significance`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .comet import estimator, scoring
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
SCORE = "score"  # no system may have this name


def translate(name: str, test: Path, dev: Path, lid: Path, spm: Path, out: Path) -> None:
    """Write the segments of a system and what produced them."""
    system, settings = params.system(name), params.suite("eval_mt")
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
    tests, devs = list(jsonl.read(test)), list(jsonl.read(dev))
    asked, jobs = [], []
    for source, target in translation.routes(languages, settings["pivots"]):
        shots = system["shots"] if {source, target} <= {*own, PIVOT} else 0
        shown = translation.solved(devs, source, target, shots, system["draw"])
        todo = translation.aligned(tests, source, target, settings["segments"])
        if not todo:
            raise UserError(f"{test}: no row for {source} to {target}. Run "
                            "`dvc repro format@suite`")
        asked.append(todo)
        jobs.append(translation.job(tokenizer, protocol, todo, shown, system["system"],
                                    f"{name} {source}-{target}"))
    scratch = engines.SCRATCH / "eval_mt" / name
    if engine == "hf":
        made = provenance.made(Path(system["weights"]), system["derive"])
        answers = engines.local(translator, tokenizer, jobs, protocol, limit,
                                settings["batch_tokens"], made, scratch)
    else:
        served = engines.served_name(name, system)
        answers = engines.served(engines.endpoint(params.get("machine.server"), served), tokenizer,
                                 jobs, protocol, limit, served, scratch)
    detect = language_id.load(lid, languages)
    results: list[Row] = []
    for todo, found in zip(asked, answers, strict=True):
        about = language_id.flags(detect, todo[0]["tgt_lang"], [hyp for hyp, _ in found],
                                  [row["tgt"] for row in todo])
        results += [translation.result(row, answer) | flags for row, answer, flags in zip(
            todo, found, about, strict=True)]
    results.sort(key=lambda row: (row["direction"], row["id"]))
    with jsonl.writer(out / "segments.jsonl") as write:
        for row in results:
            write(row)
    jsonl.write_json(out / "meta.json", {
        "system": name, "scale": params.get("scale"), "suite": params.get("suite"),
        "limit": settings["segments"], "test_set": settings["test_set"],
        "languages": languages,
        "shots": system["shots"], "draw": system["draw"],
        **({"comparator": True} if system.get("comparator") else {}),
        **provenance.spbleus(spm, settings["spbleu_label"]),
        "signature": provenance.signature(
            Path(system["weights"]), tokenizer, [tokenizer.decode(job.prompts[0]) for job in jobs],
            params.get("seed"), system["dtype"],
            protocols.described(style, limit, settings["batch_tokens"], engine), system["derive"],
            protocol.prompt)})
    engines.finish(scratch)


def score(judged_by: Path, translations: Path, out: Path) -> None:
    """Write what every neural metric says of every system's segments."""
    import torch

    torch.set_num_threads(params.get("machine.threads"))
    scratch = engines.SCRATCH / "eval_mt" / SCORE
    scoring.run(judged_by, {system: translations / system / "segments.jsonl"
                            for system in params.get("systems")}, params.suite("judge"),
                params.get("machine.device"),
                params.scaled("qe.score").get("metric", estimator.NAME), scratch, out)
    engines.finish(scratch)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("part", help=f"a key of systems in params.yaml, or {SCORE}")
    parser.add_argument("inputs", nargs="+", type=Path, help="of a system: test rows, rows with a "
                        "dev split, folders of language ID and of spBLEU tokenizers; of "
                        f"{SCORE}: folders of metrics and of translations")
    parser.add_argument("out", type=Path, help="output folder")
    args = parser.parse_args(argv)
    match args.inputs:
        case [judged_by, translations] if args.part == SCORE:
            score(judged_by, translations, args.out)
        case [test, dev, lid, spm] if args.part != SCORE:
            translate(args.part, test, dev, lid, spm, args.out)
        case _:
            parser.error(f"{args.part} takes {2 if args.part == SCORE else 4} inputs, see --help")


if __name__ == "__main__":
    run_stage(main)
