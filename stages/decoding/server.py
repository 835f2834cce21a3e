"""Answers of a served model: any OpenAI-compatible endpoint (vLLM, SGLang), official client.

A prompt goes as token ids to /v1/completions, so that it is ours to the last token: template,
thinking switch and examples included. A server that knows only chat gets the turns instead. Either
way the token ids that the server reports for the prompt, or where it reports none their number,
must be ours, else the run stops: that is how thinking is proved off. `transformers serve` 4.57
reports neither and is refused.

All requests of a call share one stream of bounded width. What comes back is appended to a scratch
file named by a hash of the requests, so an interrupted call continues where it stopped.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..common.errors import BAD_CONFIG, IO_FAILED, UserError
from ..common.hashes import of_json
from .greedy import first_line

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from transformers import PreTrainedTokenizerBase

GREEDY = {"temperature": 0.0}
# Cut differently by most tokenizers: scripts, digits, spaces, code.
PROBE = ("The quick brown fox, 12,345.67 — Größe, naïve; Пример текста. مثال نص. उदाहरण पाठ। "
         "これは例文です。 ตัวอย่างข้อความ 예문입니다. ምሳሌ\n\tif x_1 != {'a': [0]}:  return")


class Endpoint(NamedTuple):
    """Where a model is served. The key, if one is needed, is in OPENAI_API_KEY."""

    url: str  # up to and including /v1
    model: str  # name under which it is served
    concurrency: int = 64  # requests at a time
    timeout: float = 600.0  # seconds one answer may take
    retries: int = 6  # after a cut connection, a hang, 408, 409, 429, 5xx, half an answer


class Request(NamedTuple):
    """One question. ``chat`` are the turns that ``prompt`` was rendered from, for chat servers."""

    prompt: list[int]
    max_new_tokens: int
    stop: Sequence[str] = ("\n",)
    chat: list[dict[str, str]] | None = None
    sampling: Mapping[str, float] = GREEDY


class Answer(NamedTuple):
    """What the model wrote, up to a stop string; ``truncated``: the token limit cut it."""

    text: str
    truncated: bool


def reported(reply: Any) -> tuple[list[int] | None, int | None]:
    """Token ids and number of tokens of the prompt, as the server gives them in its reply.

    The ids are no part of OpenAI's API: vLLM and SGLang send them where ``return_token_ids`` is
    set (https://github.com/vllm-project/vllm/pull/22587), on the choice or on the reply.
    """
    ids = (getattr(reply.choices[0], "prompt_token_ids", None)
           or getattr(reply, "prompt_token_ids", None))
    usage = getattr(reply, "usage", None)
    return ids, len(ids) if ids else getattr(usage, "prompt_tokens", None)


def check(reply: Any, endpoint: Endpoint, prompt: list[int]) -> None:
    """Raise UserError where another model, tokenizer or template answered."""
    if reply.model != endpoint.model:
        raise UserError(f"{endpoint.url}: {reply.model!r} answered instead of {endpoint.model!r}. "
                        "Serve one model under that name", BAD_CONFIG)
    ids, count = reported(reply)
    if count is None:
        raise UserError(f"{endpoint.url} does not say how many tokens its prompts have, so nobody "
                        "can tell whether they are ours. Serve with vLLM or SGLang", BAD_CONFIG)
    if count != len(prompt) or ids not in (None, prompt):
        raise UserError(f"{endpoint.url} read a prompt of {len(prompt)} tokens as {count} others. "
                        "Serve the folder that holds this system's tokenizer and template, "
                        "thinking switched off", BAD_CONFIG)


def half(reply: Any) -> str | None:
    """What is missing in a reply that should be asked for again, or None."""
    if not getattr(reply, "choices", None):
        return "a reply without a choice"
    choice = reply.choices[0]
    text = choice.text if hasattr(choice, "text") else getattr(
        getattr(choice, "message", None), "content", None)
    if text is None:
        return "a choice without text"
    if choice.finish_reason not in ("stop", "length"):
        return f"a choice that ended by {choice.finish_reason!r}"
    return None


async def ask(client: AsyncOpenAI, endpoint: Endpoint, request: Request, chat: bool,
              text: str | None = None) -> Answer:
    """One answer. The client retries what fails on the way, this loop what arrives unusable.

    ``text`` is sent in place of the prompt's ids, for the server to tokenize.
    """
    import openai

    # Penalties and the like would else come from the served model's generation config.
    options: dict[str, Any] = {
        "model": endpoint.model, "max_tokens": request.max_new_tokens, **request.sampling,
        "stop": list(request.stop) or None, "frequency_penalty": 0.0, "presence_penalty": 0.0}
    extra = {"return_token_ids": True, "repetition_penalty": 1.0}
    problem: str | None = None
    for attempt in range(endpoint.retries + 1):
        await asyncio.sleep(min(0.5 * 2 ** attempt, 8.0) if problem else 0.0)
        try:
            reply: Any
            if chat:
                switch = {"chat_template_kwargs": {"enable_thinking": False}}
                reply = await client.chat.completions.create(
                    messages=request.chat, extra_body=extra | switch, **options)  # type: ignore
            else:
                reply = await client.completions.create(
                    prompt=text or request.prompt, extra_body=extra, **options)
        except json.JSONDecodeError:
            problem = "a reply that is no JSON"
        except openai.APIStatusError as error:
            if error.status_code in (404, 405, 501) and text is not None:
                raise  # the question was whether there is such an address
            raise UserError(f"{endpoint.url} answered {error.status_code}: "
                            f"{' '.join(error.message.split())[:300]}. Mend the request or the "
                            "server, then run again: finished answers are kept",
                            IO_FAILED) from error
        except openai.APIConnectionError as error:  # time-outs too
            raise UserError(f"{endpoint.url}: {error.message.rstrip('.')} after "
                            f"{endpoint.retries + 1} tries. Start the server or raise the "
                            "time-out, then run again: finished answers are kept",
                            IO_FAILED) from error
        else:
            if (problem := half(reply)) is None:
                check(reply, endpoint, request.prompt)
                choice = reply.choices[0]
                return Answer(choice.message.content if chat else choice.text,
                              choice.finish_reason == "length")
    raise UserError(f"{endpoint.url} sent {problem} {endpoint.retries + 1} times. Look into the "
                    "server's log, then run again: finished answers are kept", IO_FAILED)


async def only_chat(client: AsyncOpenAI, endpoint: Endpoint,
                    tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether the server takes no token ids. Raises UserError for another model or tokenizer."""
    import openai

    try:
        served = [model.id async for model in client.models.list()]
    except (openai.APIError, json.JSONDecodeError) as error:
        raise UserError(f"{endpoint.url}/models: {str(error).rstrip('.')}. Start the server, or "
                        "mend the address", IO_FAILED) from error
    if endpoint.model not in served:
        raise UserError(f"{endpoint.url} serves {', '.join(served) or 'nothing'}, not "
                        f"{endpoint.model}. Name what it serves, or serve that", BAD_CONFIG)
    probe = Request(list(tokenizer(PROBE)["input_ids"]), 1, ())
    try:
        await ask(client, endpoint, probe, False, PROBE)
    except openai.APIStatusError:
        return True
    return False


def finished(file: Path) -> dict[int, Answer]:
    """Answers that an interrupted call left; a line that it was still writing is cut off."""
    if not file.exists():
        return {}
    whole = file.read_bytes()
    whole = whole[:whole.rfind(b"\n") + 1]
    os.truncate(file, len(whole))
    rows = [json.loads(line) for line in whole.splitlines()]
    return {row["i"]: Answer(row["text"], row["truncated"]) for row in rows}


async def _stream(endpoint: Endpoint, tokenizer: PreTrainedTokenizerBase, requests: list[Request],
                  file: Path, done: dict[int, Answer], progress: str) -> None:
    """Ask for what ``done`` lacks, append each answer to ``file`` and put it into ``done``."""
    from openai import AsyncOpenAI
    from tqdm import tqdm

    todo = iter([i for i in range(len(requests)) if i not in done])
    async with AsyncOpenAI(base_url=endpoint.url, timeout=endpoint.timeout,
                           api_key=os.environ.get("OPENAI_API_KEY") or "none",
                           max_retries=endpoint.retries) as client:
        chat = await only_chat(client, endpoint, tokenizer)
        if chat and any(request.chat is None for request in requests):
            raise UserError(f"{endpoint.url} takes chats only, and these prompts are none. Serve "
                            "with vLLM or SGLang", BAD_CONFIG)
        with (open(file, "a", encoding="utf-8") as log,
              tqdm(total=len(requests), initial=len(done), desc=progress, unit="seg") as bar):
            async def work() -> None:
                for i in todo:  # shared: each request goes to one worker
                    done[i] = await ask(client, endpoint, requests[i], chat)
                    log.write(json.dumps({"i": i, **done[i]._asdict()}) + "\n")
                    log.flush()
                    bar.update()

            try:
                async with asyncio.TaskGroup() as workers:  # one fails: the others are cancelled
                    for _ in range(endpoint.concurrency):
                        workers.create_task(work())
            except ExceptionGroup as failed:
                raise failed.exceptions[0] from None


def complete(endpoint: Endpoint, tokenizer: PreTrainedTokenizerBase, requests: list[Request],
             revision: str, scratch: Path, progress: str) -> list[Answer]:
    """The answers, in the order of the requests.

    ``revision`` identifies the served weights, so that answers of others are never taken up;
    ``scratch`` is a folder for unfinished work: delete it once the answers are stored elsewhere.
    Raises UserError, one line, for a server that stays away or is not the one described.
    """
    key = of_json([endpoint.model, revision, requests])
    scratch.mkdir(parents=True, exist_ok=True)
    file = scratch / f"{key[:16]}.jsonl"
    done = finished(file)
    if len(done) < len(requests):
        asyncio.run(_stream(endpoint, tokenizer, requests, file, done, progress))
    return [done[i] for i in range(len(requests))]


def greedy(endpoint: Endpoint, tokenizer: PreTrainedTokenizerBase, prompts: list[list[int]],
           max_new_tokens: int, revision: str, scratch: Path, progress: str,
           chats: list[list[dict[str, str]]] | None = None, stop: Sequence[str] = ("\n",),
           cut: Callable[[str], str] = first_line) -> list[tuple[str, bool]]:
    """What ``decoding.greedy.greedy`` returns, from a server."""
    requests = [Request(prompt, max_new_tokens, stop, chats[i] if chats else None)
                for i, prompt in enumerate(prompts)]
    return [(cut(answer.text), answer.truncated) for answer in
            complete(endpoint, tokenizer, requests, revision, scratch, progress)]
