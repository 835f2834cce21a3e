"""Keep the pairs whose two sides are written in the languages they claim.

in     data/dedup: pairs; data/download/lid
       data/format/corpus/test.jsonl, dev split: text of known language, to measure the rules on
out    pairs                  kept rows, unchanged and in order; in shards where the input is
       stats.json             counts; "confusion" {expected: {found: n}}; "rules": how often each
                              candidate rule rejects right text and accepts wrong text
       dropped_sample.jsonl
paper  step 3 of the data pipeline, language identification. Tool and threshold not published.

One threshold for all languages fails: "likeliest language is the right one, with p >= 0.5" throws
away most good Swahili. So each language has its rule, chosen by the table that this stage prints.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Collection
from pathlib import Path
from typing import Any

from .common import jsonl, params, shards
from .common.command import run_stage
from .common.errors import BAD_CONFIG, UserError
from .common.funnel import Funnel
from .common.languages import PIVOT
from .corpus import language_id
from .corpus.language_id import RULES, Guess

Row = dict[str, Any]


def rule_of(language: str, chosen: dict[str, str], labels: Collection[str]) -> language_id.Rule:
    """The language's rule, or the default one; ``labels`` are those of the detector."""
    name = chosen.get(language, chosen.get("default"))
    if name not in RULES:
        raise UserError(f"params.yaml: langid.rule: {name!r} is not one of {', '.join(RULES)}",
                        BAD_CONFIG)
    if language not in labels and not name.endswith("no_other_p50"):
        raise UserError(f"params.yaml: langid.rule: {name} asks for a label that the detector has "
                        f"not for {language}. Set its rule to no_other_p50, or choose a detector "
                        "that knows it", BAD_CONFIG)
    return RULES[name]


def verdict(row: Row, src: list[Guess], tgt: list[Guess],
            rules: dict[str, language_id.Rule]) -> str:
    """Return "kept", or the side that disqualifies the pair."""
    for side, guesses in (("src", src), ("tgt", tgt)):
        language = row[f"{side}_lang"]
        if not rules[language](language, guesses):
            return f"{side}_language"
    return "kept"


def measure(rows: list[Row], detect: language_id.Detect) -> list[Row]:
    """Error rates of every rule on text whose language is known.

    false_reject: share of a language's texts that its rule rejects. false_accept: share of the
    other languages' texts that it accepts.
    """
    texts: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        texts[row["src_lang"]].add(row["src"])
        texts[row["tgt_lang"]].add(row["tgt"])
    guesses = {language: detect(sorted(found)) for language, found in sorted(texts.items())}
    table = []
    for language in guesses:
        wrong = [guess for other, found in guesses.items() if other != language
                 for guess in found]
        for name, accept in RULES.items():
            good = guesses[language]
            table.append({
                "rule": name, "lang": language, "n": len(good), "n_other": len(wrong),
                "false_reject": sum(not accept(language, g) for g in good) / len(good),
                "false_accept": sum(accept(language, g) for g in wrong) / max(1, len(wrong))})
    return table


def one_shard(source: Path, target: Path, settings: Row) -> Row:
    """Write the rows of a shard that stay; return {"funnel", "confusion"}. Holds a batch in memory.

    ``settings``: "lid", the folder of the model; "rule" of each language; "languages" of the scale.
    """
    detect, funnel = language_id.load(Path(settings["lid"]), settings["languages"]), Funnel()
    rules = {language: rule_of(language, settings["rule"], detect.labels)
             for language in (PIVOT, *settings["languages"])}
    confusion: dict[str, Counter[str]] = defaultdict(Counter)
    with jsonl.writer(target) as write:
        for batch in shards.batches(jsonl.read(source)):
            sides = [detect([row[side] for row in batch]) for side in ("src", "tgt")]
            for row, src, tgt in zip(batch, *sides, strict=True):
                funnel.see(row)
                confusion[row["src_lang"]][src[0][0]] += 1
                confusion[row["tgt_lang"]][tgt[0][0]] += 1
                reason = verdict(row, src, tgt, rules)
                if reason == "kept":
                    funnel.keep(row)
                    write(row)
                else:
                    guesses = src if reason == "src_language" else tgt
                    funnel.drop(row, reason, found=guesses[0][0])
    return {"funnel": funnel.state(), "confusion": confusion}


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("pairs", type=Path, help="folder with the table pairs")
    parser.add_argument("lid", type=Path, help="folder with the language-ID model")
    parser.add_argument("test", type=Path, help="test pairs; the dev split measures the rules")
    parser.add_argument("out", type=Path, help="output folder")
    args = parser.parse_args(argv)
    chosen, languages = params.scaled("langid.rule"), list(params.scaled("format.languages"))
    funnel = Funnel()
    confusion: dict[str, Counter[str]] = defaultdict(Counter)
    for result in shards.mapped(one_shard, (args.pairs, "pairs"), (args.out, "pairs"),
                                {"rule": chosen, "languages": languages}, {"lid": args.lid},
                                params.get("machine")):
        funnel.add(result["funnel"])
        for language, found in result["confusion"].items():
            confusion[language].update(found)
    dev = [row for row in jsonl.read(args.test) if row["split"] == "dev"]
    funnel.write(args.out, {
        "confusion": {language: dict(found.most_common())
                      for language, found in sorted(confusion.items())},
        "rule": chosen, "rules": measure(dev, language_id.load(args.lid, languages))})


if __name__ == "__main__":
    run_stage(main)
