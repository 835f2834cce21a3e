"""How long a suite will take on this machine, before it is run.

    python -m stages.experiments.estimate

in     params systems, suites.<suite>.{eval_mt, eval_reason}
       data/format/suite/test.jsonl, data/download/{items, model}
out    minutes a system of translations and of likelihoods, printed, and for which systems a result
       lies in data/ already; DVC runs those again only where something they depend on changed

Tokens are counted with the model's own tokenizer, prompts included. An untuned model seldom stops
by itself, so an answer counts as twice its reference, or the limit. The rate is that of this
machine: a few forward passes on as many tokens as a batch of likelihoods holds.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..common import jsonl, params
from ..common.command import offline, run_stage
from ..decoding import translation
from ..launch import workers
from ..model import prompts
from ..model.system import load
from ..tasks import items, stock

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Row = dict[str, Any]
DATA = Path("data")
PASSES = 4


def translated(rows: list[Row], languages: list[str], settings: Row,
               tokenizer: PreTrainedTokenizerBase) -> int:
    """Tokens that one system reads and writes for all directions."""
    total = 0
    for language, into, _ in translation.directions(languages):
        for row in translation.ordered(rows, language)[:settings["segments"]]:
            asked = translation.turned(row, into)
            total += len(prompts.prompt_ids(tokenizer, prompts.messages(
                asked["src"], asked["src_lang"], asked["tgt_lang"])))
            total += min(settings["max_new_tokens"], 2 * len(tokenizer(asked["tgt"])["input_ids"]))
    return total


def texts(value: Any) -> list[str]:
    """All text in an item, choices included."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [text for one in value for text in texts(one)]
    return [value] if isinstance(value, str) else []


def answered(settings: Row, tokenizer: PreTrainedTokenizerBase) -> int:
    """Tokens that one system reads for all items, each context once; solved examples left out."""
    total = 0
    for task, about in settings["tasks"].items():
        for part in stock.parts(task, about):
            file = DATA / f"download/items/{part}.jsonl"
            rows = list(jsonl.read(file))
            for number in items.tested(file, settings["screen"]["share"],
                                       about.get("items", settings["items"])):
                total += sum(map(len, tokenizer(texts(rows[number]))["input_ids"]))
    return total


def judged(meta: Path) -> bool:
    """Whether a result of the chosen scale and suite lies there."""
    if not meta.is_file():
        return False
    about = json.loads(meta.read_text(encoding="utf-8"))
    return (about["scale"], about["suite"]) == (params.get("scale"), params.get("suite"))


def rate(network: PreTrainedModel, tokens: int) -> float:
    """Tokens a second of forward passes on this machine, side by side as the stages do them."""
    import torch

    ids = torch.arange(tokens, device=network.device)[None] % network.config.vocab_size

    def passed(_: int) -> None:
        with torch.inference_mode():
            network(ids, logits_to_keep=1)

    passes = PASSES * torch.get_num_threads()
    start = time.perf_counter()
    for _ in workers.mapped(passed, range(passes), network.device):
        pass
    return passes * tokens / (time.perf_counter() - start)


def main() -> None:
    offline(params.scaled("offline"))
    import torch

    torch.set_num_threads(params.get("machine.threads"))
    systems, reason = params.get("systems"), params.suite("eval_reason")
    network, tokenizer = load(params.system("base"), params.get("machine.device"))
    speed = rate(network, reason["batch"])
    rows = list(jsonl.read(DATA / "format/suite/test.jsonl"))
    for stage, tokens in (
            ("eval_mt", translated(rows, [
                *params.scaled("format.languages"), *params.suite("format.languages")],
                                   params.suite("eval_mt"), tokenizer)),
            ("eval_reason", answered(reason, tokenizer))):
        done = [name for name in systems if judged(DATA / stage / name / "meta.json")]
        print(f"estimate: {stage}: about {tokens / speed / 60:.0f} minutes a system at {speed:.0f} "
              f"tokens a second ({tokens:,} tokens); a result lies here for "
              f"{', '.join(done) or 'none'}")


if __name__ == "__main__":
    run_stage(main)
