"""Is everything there for a run: `python -m stages.experiments.doctor`.

in     params: the chosen scale and suite; requirements.lock; a server, where --endpoint names one
out    a table: packages, processor or GPU, memory, disk, every name that the settings mention,
       gated repositories; each line that is not well says what to do, and nothing is changed

A repository is asked only where the scale may go online; until then it reads "unchecked".
"""

from __future__ import annotations

import argparse
import os
import shutil
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

from ..comet.checkpoints import METRICS, Metric
from ..common import languages, params
from ..common.command import run_stage
from ..common.errors import BAD_CONFIG, UserError
from ..tasks import stock

GIB = 2 ** 30
LEXICAL = ("chrf++", "spbleu")


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


def repository(metric: Metric, online: bool) -> Line:
    """Whether a metric's repository can be read from here, at its pinned revision."""
    from huggingface_hub import HfApi, errors

    accept = (f"accept the terms at https://huggingface.co/{metric.hub}, then set HF_TOKEN"
              if metric.gated else "")
    if not online:
        return Line(metric.hub, "unchecked", f"{metric.licence}; the scale stays offline", accept)
    try:
        HfApi().auth_check(metric.hub)
        HfApi().model_info(metric.hub, revision=metric.revision)
    except errors.HfHubHTTPError as error:  # gated, not there, no such revision, ...
        return Line(metric.hub, "wrong", type(error).__name__,
                    accept or "mend stages/comet/checkpoints.py")
    except OSError as error:
        return Line(metric.hub, "unchecked", type(error).__name__, "connect, then run again")
    return Line(metric.hub, "well", f"{metric.licence}, revision {metric.revision[:12]}")


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
    import lm_eval
    from rich.console import Console
    from rich.table import Table

    metrics, tasks = params.suite("metrics"), params.suite("eval_reason.tasks")
    installed = Path(lm_eval.__file__).parent / "tasks"
    there = [name for name, path in stock.PATHS.items() if (installed / path).is_file()]
    lines = [
        *packages(Path("requirements.lock")),
        *machine(params.get("machine.device"), params.get("scales")[params.get("scale")].get(
            "plan", {}).get("machine", {})),
        names("languages", params.scaled("format.languages"), languages.TABLE,
              "add it to stages/common/languages.py"),
        names("metrics", metrics, (*LEXICAL, *METRICS), "see stages/comet/checkpoints.py"),
        names("tasks", {about.get("stock", "question") for about in tasks.values()},
              (*stock.OWN, *there), "see stages/tasks/stock.py and the installed lm-eval"),
        *(repository(METRICS[name], not params.scaled("offline"))
          for name in metrics if name in METRICS),
        *([endpoint(args.endpoint, args.model)] if args.endpoint else [])]
    table = Table("check", "state", "found", "next step")
    for line in lines:
        table.add_row(*line)
    Console().print(table)
    if wrong := [line.what for line in lines if line.state == "wrong"]:
        raise UserError(f"not ready: {', '.join(wrong)}. The table says what to do", BAD_CONFIG)


if __name__ == "__main__":
    run_stage(main)
