"""Who answers the prompts of an evaluation: the model in this process, or one that is served.

Both keep what is answered in a scratch folder, under names hashed from all that the answers depend
on, so an interrupted evaluation continues where it stopped: a local one at the direction, a served
one at the prompt. ``finish`` deletes the folder once the rows are written.

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
    """Answers of a whole job that an interrupted evaluation left."""
    if not file.exists():
        return None
    found: Answers = [tuple(pair) for pair in json.loads(file.read_text(encoding="utf-8"))]
    return found


def local(network: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, jobs: list[Job],
          protocol: Protocol, max_new_tokens: int, batch_tokens: int, revision: str,
          scratch: Path) -> list[Answers]:
    """The answers of each job by the loaded model. ``revision`` identifies its weights."""
    stop = greedy.newline_tokens(tokenizer) if protocol.stop_at_line else []
    cut = greedy.all_lines if protocol.whole else greedy.first_line
    found = []
    for job in jobs:
        key = of_json([revision, str(network.dtype), str(network.device), *job, stop,
                       protocol, max_new_tokens, batch_tokens])
        file = scratch / f"{key[:16]}.json"
        if (answers := kept(file)) is None:
            if protocol.codes:
                answers = coded.translate(network, tokenizer, job.prompts, job.target,
                                          max_new_tokens, batch_tokens, job.name, protocol.beams)
            else:
                answers = greedy.greedy(network, tokenizer, job.prompts, max_new_tokens,
                                        batch_tokens, stop, job.name, cut, protocol.beams)
            jsonl.write_json(file, answers)
        found.append(answers)
    return found


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
