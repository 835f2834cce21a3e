"""Who answers the prompts of an evaluation: the model in this process, or one that is served.

Both keep what is answered in a scratch folder, under names hashed from all that the answers depend
on, so an interrupted evaluation continues where it stopped: a local one at the batch, a served one
at the prompt. ``finish`` deletes the folder once the rows are written.

A served model goes by the name of its system and of the hash of its weights, which nothing else
has by accident; its tokenizer and template are compared by the token ids of the prompts (see
``server``). Where the server is belongs to the machine, not to the system.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..common import jsonl
from ..common.errors import BAD_CONFIG, UserError
from ..common.hashes import of_json
from ..model import provenance
from ..model.protocols import Chat, Protocol
from . import coded, greedy, server

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

ENGINES = ("hf", "server")
SCRATCH = Path("data/scratch")
Answers = list[tuple[str, bool]]  # (text, whether the token limit cut it)


class Job(NamedTuple):
    """The prompts of one direction, and the chats that they were rendered from."""

    name: str
    prompts: list[list[int]]
    chats: list[Chat]
    target: str  # language asked for


def named(engine: str) -> str:
    """The engine, if there is one of that name."""
    if engine not in ENGINES:
        raise UserError(f"params.yaml: engine {engine!r} is not one of {', '.join(ENGINES)}",
                        BAD_CONFIG)
    return engine


def served_name(name: str, system: dict[str, Any]) -> str:
    """Under which name a system has to be served: "<system>-<first 12 of its revision>"."""
    revision = provenance.made(Path(system["weights"]), system["derive"])
    return f"{name}-{revision[:12]}"


def endpoint(machine: dict[str, Any] | None, model: str) -> server.Endpoint:
    """Where ``machine`` (params machine.server) says that ``model`` is served."""
    if not machine:
        raise UserError("params.yaml: machine.server is empty, but a system's engine is server. "
                        "Set machine.server.url to the address that serves it, up to and with /v1, "
                        f"under the name {model}, or the engine to hf", BAD_CONFIG)
    return server.Endpoint(machine["url"], model, machine["concurrency"], machine["timeout"])


def kept(file: Path) -> Answers | None:
    """Answers of a batch that an interrupted evaluation left."""
    if not file.exists():
        return None
    found: Answers = [tuple(pair) for pair in json.loads(file.read_text(encoding="utf-8"))]
    return found


def local(network: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, jobs: list[Job],
          protocol: Protocol, max_new_tokens: int, batch_tokens: int, revision: str,
          scratch: Path) -> list[Answers]:
    """The answers of each job by the loaded model, batches of all jobs side by side, the largest
    first. ``revision`` identifies its weights.

    Raises UserError where a prompt and its answer are longer than what the model can read.
    """
    from tqdm import tqdm

    from ..launch import workers

    longest = max((len(prompt), job.name) for job in jobs for prompt in job.prompts)
    reads = getattr(network.config, "max_position_embeddings", None)
    if reads and longest[0] + (0 if protocol.codes else max_new_tokens) > reads:
        raise UserError(f"{longest[1]}: a prompt has {longest[0]} tokens and its answer up to "
                        f"{max_new_tokens}, but the model reads {reads}. Lower the system's shots "
                        "or the suite's eval_mt.max_new_tokens", BAD_CONFIG)
    stop = greedy.newline_tokens(tokenizer) if protocol.stop_at_line else []
    cut = greedy.all_lines if protocol.whole else greedy.first_line
    batched = coded.batched if protocol.codes else greedy.batched
    parts = [(number, batch) for number, job in enumerate(jobs) for batch in batched(
        network, job.prompts, max_new_tokens, batch_tokens, protocol.beams)]

    def decoded(part: tuple[int, greedy.Batch]) -> Answers:
        number, batch = part
        if protocol.codes:
            return coded.decoded(network, tokenizer, batch, jobs[number].target, max_new_tokens,
                                 protocol.beams)
        return greedy.decoded(network, tokenizer, batch, max_new_tokens, stop, cut, protocol.beams)

    same = [revision, str(network.dtype), str(network.device), stop, protocol, max_new_tokens]
    files = [scratch / f"{of_json([*same, *jobs[number], batch])[:16]}.json"
             for number, batch in parts]
    found: list[dict[int, tuple[str, bool]]] = [{} for _ in jobs]
    with tqdm(total=sum(len(job.prompts) for job in jobs), unit="seg", leave=None) as bar:
        def take(place: int, answers: Answers) -> None:
            number, batch = parts[place]
            found[number] |= zip(batch.places, answers, strict=True)
            bar.set_description(jobs[number].name, refresh=False)
            bar.update(len(answers))

        todo = []
        for place, file in enumerate(files):
            if (answers := kept(file)) is None:
                todo.append(place)
            else:
                take(place, answers)
        todo.sort(key=lambda place: -sum(map(len, parts[place][1].prompts)))
        for turn, answers in workers.mapped(decoded, [parts[place] for place in todo],
                                            network.device):
            jsonl.write_json(files[todo[turn]], answers)
            take(todo[turn], answers)
    return [[answers[i] for i in range(len(job.prompts))] for answers, job in zip(
        found, jobs, strict=True)]


def served(at: server.Endpoint, tokenizer: PreTrainedTokenizerBase, jobs: list[Job],
           protocol: Protocol, max_new_tokens: int, revision: str, scratch: Path,
           ) -> list[Answers]:
    """The answers of each job by a server: the prompts of all jobs in one stream."""
    if protocol.beams > 1:
        raise UserError("params.yaml: this protocol searches with beams, which a server does not. "
                        "Set the system's engine to hf", BAD_CONFIG)
    answers = iter(server.greedy(
        at, tokenizer, [prompt for job in jobs for prompt in job.prompts], max_new_tokens,
        revision, scratch, at.model,
        [chat for job in jobs for chat in job.chats] if protocol.chat else None,
        ("\n",) if protocol.stop_at_line else (),
        greedy.all_lines if protocol.whole else greedy.first_line))
    return [[next(answers) for _ in job.prompts] for job in jobs]


def finish(scratch: Path) -> None:
    """Delete unfinished work whose rows are written."""
    shutil.rmtree(scratch, ignore_errors=True)
