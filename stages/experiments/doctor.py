"""Is everything there for a run: `python -m stages.experiments.doctor`.

in     params: the chosen scale and suite; requirements.lock; a server, where --endpoint names one
out    a table: packages, processor or GPU, memory, disk, every name that the settings mention,
       gated repositories; each line that is not well says what to do, and nothing is changed

A repository is asked only where the scale may go online; until then it reads "unchecked".
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

from ..comet.checkpoints import METRICS
from ..common import languages, params
from ..common.command import run_stage
from ..common.errors import BAD_CONFIG, UserError
from ..decoding import engines
from ..model import protocols
from ..tasks import stock

GIB = 2 ** 30
LEXICAL = ("chrf++", "spbleu", "spbleu200")


class Line(NamedTuple):
    """One check: ``state`` is "well", "unchecked" or "wrong", ``step`` what to do about it."""

    what: str
    state: str
    found: str
    step: str = ""


def packages(lock: Path) -> Iterator[Line]:
    """Installed packages against the locked ones."""
    wrong = []
    for line in lock.read_text(encoding="utf-8").splitlines():
        name, _, wanted = line.partition("==")
        try:
            if (found := version(name).split("+")[0]) != wanted:
                wrong.append(f"{name} {found}, not {wanted}")
        except PackageNotFoundError:
            wrong.append(f"no {name}")
    yield Line("packages", "wrong" if wrong else "well", ", ".join(wrong[:3]) or f"as {lock}",
               "make setup" if wrong else "")


def machine(device: str, needs: dict[str, Any]) -> Iterator[Line]:
    """Processor or GPU, memory and disk against ``needs``: plan.machine of the scale."""
    import psutil
    import torch

    gpus = torch.cuda.device_count()
    if device.startswith("cuda") or needs.get("gpus", 0):
        room = min((torch.cuda.get_device_properties(n).total_memory / GIB for n in range(gpus)),
                   default=0.0)
        enough = gpus >= max(1, needs.get("gpus", 1)) and room >= 0.95 * needs.get("gpu_gib", 0)
        yield Line("GPU", "well" if enough else "wrong", f"{gpus} of {room:.0f} GiB",
                   "" if enough else "run where the scale's GPUs are, or set machine.device: cpu")
    else:
        yield Line("processor", "well", f"{os.cpu_count()} cores")
    for what, free, key in (("memory", psutil.virtual_memory().total, "memory_gib"),
                            ("disk", shutil.disk_usage(".").free, "disk_gib")):
        step = ("" if free / GIB >= needs.get(key, 0) else
                f"the plan counts on {needs[key]} GiB: free some, or mend plan.machine")
        yield Line(what, "wrong" if step else "well", f"{free / GIB:.1f} GiB", step)


class Repository(NamedTuple):
    """A repository of the hub that the settings mention, and where it is mentioned."""

    hub: str
    revision: str | None  # None: nobody has seen one
    licence: str
    gated: bool
    where: str
    kind: str = "model"  # or dataset


def repository(one: Repository, online: bool) -> Line:
    """Whether a repository can be read from here, at its pinned revision.

    Without a pinned revision the present one is shown: a person writes it down, nothing here does.
    """
    from huggingface_hub import HfApi, errors

    accept = (f"accept the terms at https://huggingface.co/{one.hub}, then set HF_TOKEN"
              if one.gated else "")
    if not online:
        return Line(one.hub, "unchecked", f"{one.licence}; the scale stays offline", accept)
    try:
        HfApi().auth_check(one.hub, repo_type=one.kind)
        seen = HfApi().repo_info(one.hub, revision=one.revision, repo_type=one.kind).sha
    except errors.HfHubHTTPError as error:  # gated, not there, no such revision, ...
        return Line(one.hub, "wrong", type(error).__name__, accept or f"mend {one.where}")
    except OSError as error:
        return Line(one.hub, "unchecked", type(error).__name__, "connect, then run again")
    if one.revision is None:
        return Line(one.hub, "unchecked", f"{one.licence}, now at {seen}", f"pin it: {one.where}")
    return Line(one.hub, "well", f"{one.licence}, revision {one.revision[:12]}")


def repositories(judges: Iterable[str], comparators: dict[str, dict[str, Any]],
                 ) -> Iterator[Repository]:
    """Those of neural metrics and of comparators."""
    for name in judges:
        if metric := METRICS.get(name):
            yield Repository(metric.hub, metric.revision, metric.licence, metric.gated,
                             "stages/comet/checkpoints.py")
    for name, about in comparators.items():
        if "hub" in about:
            pinned = None if about["revision"] == "unchecked" else about["revision"]
            yield Repository(about["hub"], pinned, about["licence"], about["gated"],
                             f"params.yaml: comparators.{name}.revision")


def tasks(asked: dict[str, dict[str, Any]]) -> Iterator[Line]:
    """Whether the installed lm-eval has every task, with the metric and filter that count."""
    wrong, steps, sets = [], [], set()
    for name, about in asked.items():
        for part in stock.parts(name, about).values():
            try:
                found = stock.definition(part)
            except (UserError, OSError) as error:
                wrong.append(f"no {part}")
                steps.append(str(error))
                continue
            sets.add(found.get("dataset_path", ""))
            ways = [way["name"] for way in found.get("filter_list") or []]
            if about["metric"] not in [one["metric"] for one in found["metric_list"]]:
                wrong.append(f"{part} has no metric {about['metric']}")
            if "filter" in about and about["filter"] not in ways:
                wrong.append(f"{part} has no filter {about['filter']}")
    yield Line("tasks", "wrong" if wrong else "well", ", ".join(wrong[:3]) or f"{len(asked)} known",
               (steps or ["see stages/tasks/stock.py and the installed lm-eval"])[0] if wrong
               else "")
    hubs = sorted(sets - {""})
    if absent := [name for name, about in asked.items() for part in stock.parts(name, about)
                  if not Path(f"data/download/items/{part}.jsonl").is_file()]:
        yield Line("items", "unchecked", f"none yet of {len(set(absent))} tasks"
                   + (f"; their sets on the hub: {', '.join(hubs)}" if hubs else ""),
                   "dvc repro download@items, once its source is locked")


def sources(scale: str, suite: str, lock: Path) -> Iterator[Line]:
    """Whether the lock has every source; one that nobody has fetched is in none."""
    known = json.loads(lock.read_text(encoding="utf-8")) if lock.is_file() else {}
    missing = [f"{place}.{name}" for place, wanted, held in (
        (scale, params.scaled("download"), known.get(scale, {})),
        (f"suites.{suite}", params.suite("download"), known.get("suites", {}).get(suite, {})))
        for name in wanted if name not in held]
    yield Line("sources", "unchecked" if missing else "well",
               f"not in {lock}: {', '.join(missing)}" if missing else "all locked",
               "write address and licence there, then python -m stages.download --relock"
               if missing else "")


def endpoint(url: str, model: str) -> Line:
    """Whether a server is there and serves the model."""
    import openai

    try:
        with openai.OpenAI(base_url=url, timeout=10, max_retries=0,
                           api_key=os.environ.get("OPENAI_API_KEY") or "none") as client:
            served = [found.id for found in client.models.list()]
    except (openai.APIError, ValueError) as error:
        return Line(url, "wrong", str(error), "start the server, or mend the address")
    return Line(url, "well" if model in served else "wrong", f"serves {', '.join(served)}",
                "" if model in served else f"serve {model}, or name what is served")


def names(what: str, mentioned: Iterable[str], known: Iterable[str], step: str) -> Line:
    """Whether every name that the settings mention exists."""
    mentioned, known = list(mentioned), set(known)
    missing = [name for name in mentioned if name not in known]
    return Line(what, "wrong" if missing else "well",
                f"no {', '.join(missing)}" if missing else f"{len(mentioned)} known",
                step if missing else "")


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--endpoint", help="address of a server, up to /v1")
    parser.add_argument("--model", default="", help="name under which it serves")
    args = parser.parse_args(argv)
    from rich.console import Console
    from rich.table import Table

    metrics, mt = params.suite("metrics"), params.suite("eval_mt")
    judges = params.suite("download")["judges"].get("metrics", [])
    used = [mt["engine"], params.suite("eval_reason.engine")]
    spoken = [*params.scaled("format.languages"), *(mt["languages"] or []), *mt["pivots"]]
    lines = [
        *packages(Path("requirements.lock")),
        *machine(params.get("machine.device"), params.get("scales")[params.get("scale")].get(
            "plan", {}).get("machine", {})),
        names("languages", dict.fromkeys(spoken), languages.TABLE,
              "add it to stages/common/languages.py"),
        names("metrics", [*metrics, *judges], (*LEXICAL, *METRICS),
              "see stages/comet/checkpoints.py"),
        names("protocol", [mt["protocol"]], protocols.PROTOCOLS, "see stages/model/protocols.py"),
        names("engines", used, engines.ENGINES, "hf, or server"),
        *tasks(params.suite("eval_reason.tasks")),
        *sources(params.get("scale"), params.get("suite"), Path("data/sources.lock")),
        *(repository(one, not params.scaled("offline"))
          for one in repositories(judges, params.get("comparators"))),
        *([endpoint(args.endpoint, args.model)] if args.endpoint else []),
        *([Line("server", "wrong", "no address", "set machine.server.url")]
          if "server" in used and not params.get("machine.server") else [])]
    table = Table("check", "state", "found", "next step")
    for line in lines:
        table.add_row(*line)
    Console().print(table)
    if wrong := [line.what for line in lines if line.state == "wrong"]:
        raise UserError(f"not ready: {', '.join(wrong)}. The table says what to do", BAD_CONFIG)


if __name__ == "__main__":
    run_stage(main)
