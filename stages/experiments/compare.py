"""A system of others against the base: `make compare SYSTEM=tower_plus`.

in     params comparators.<system>, the finished evaluation of the base (data/eval_mt/base)
out    reports/<scale>/<suite>/comparators/<system>/   rows, significance.json, calibration.json

The graph holds the few systems of every run; this one is evaluated beside it, by the same commands,
in a folder that has its own params.yaml: there it is a system like others, but for its own
tokenizer, template and protocol. The rows pair with the base's where sources, references and items
are equal; nothing else has to be. Nothing is fetched before its licence was shown, and where that
forbids something, accepted with --accept.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from ..comet.checkpoints import snapshot
from ..common import jsonl, params
from ..common.command import run_stage
from ..common.errors import BAD_CONFIG, UserError
from ..common.hashes import file_sha256, of_json

Row = dict[str, Any]
HOME = Path("data/comparators")
OLD = "pytorch_model*.bin"  # weights as some repositories still have them
FILES = ("*.safetensors", "*.json", "*.jinja", "tokenizer*", "*.model", "LICENSE*", "License*")
UNCHECKED = "unchecked"
TRANSLATE = ("data/format/suite/test.jsonl", "data/format/corpus/test.jsonl", "data/download/lid",
             "data/download/spm")


def described(name: str) -> Row:
    """The comparator's block in params.yaml."""
    found: dict[str, Row] = params.get("comparators")
    if name not in found:
        raise UserError(f"params.yaml: comparators has no {name!r}, only {', '.join(found)}",
                        BAD_CONFIG)
    return found[name]


def fetched(name: str, about: Row, accept: bool) -> Path:
    """The folder of its weights. Raises UserError before anything is fetched that may not be."""
    if "folder" in about:
        return Path(about["folder"])
    print(f"{name}: {about['hub']}, licence: {about['licence']}"
          + (f"; {about['restricted']}" if about["restricted"] else ""), file=sys.stderr)
    if about["restricted"] and not accept:
        raise UserError(f"{name}: {about['restricted']}. If that allows your use, say so with "
                        "--accept (make compare ACCEPT=--accept)", BAD_CONFIG)
    if about["revision"] == UNCHECKED:
        raise UserError(f"{name}: nobody has seen a revision of {about['hub']} yet. Look at "
                        f"https://huggingface.co/{about['hub']}, then write the commit into "
                        f"params.yaml: comparators.{name}.revision", BAD_CONFIG)
    folder = HOME / name
    snapshot(about["hub"], about["revision"], folder, FILES)
    if not list(folder.glob("*.safetensors")):
        snapshot(about["hub"], about["revision"], folder, (OLD,))
        rewritten(folder)
    return folder


def rewritten(folder: Path) -> None:
    """Weights that lie there as pickles, opened as plain tensors and saved as safetensors."""
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM

    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    kind = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
    model = kind.from_pretrained(folder, dtype="auto", local_files_only=True, weights_only=True)
    for file in folder.glob(OLD):
        file.unlink()
    model.save_pretrained(folder)


def system(about: Row, folder: Path) -> Row:
    """The description of a system that ``params.system`` gives, of a comparator."""
    return {**dict.fromkeys(("base", "weights", "parent"), str(folder)), "derive": None, "shots": 0,
            "draw": 0, "system": None, "dtype": about["dtype"], "engine": about["engine"],
            "protocol": about["protocol"], "comparator": True}


def key(about: Row) -> str:
    """What the comparator's answers depend on beside its weights, as a name for its folder."""
    return of_json([about, params.get("scale"), params.suite("eval_mt"),
                    params.suite("eval_reason"), file_sha256(Path(TRANSLATE[0]))])[:12]


def prepare(name: str, about: Row, folder: Path, work: Path) -> None:
    """A folder in which the stages' commands find the comparator beside the base."""
    from ruamel.yaml import YAML

    base = params.get("systems")["base"]
    tree = YAML(typ="safe").load(Path("params.yaml").read_text(encoding="utf-8"))
    tree["systems"] = {"base": base, name: system(about, folder.absolute())}
    tree["significance"] |= {"contrasts": [[name, "base"]], "confirm": None, "later": []}
    (work / "mt").mkdir(parents=True, exist_ok=True)
    (work / "reason").mkdir(exist_ok=True)
    jsonl.write_json(work / "params.yaml", tree)  # JSON is YAML
    for link, target in (("data", "data"), ("mt/base", "data/eval_mt/base"),
                         ("reason/base", "data/eval_reason/base")):
        if not (work / link).is_symlink():
            (work / link).symlink_to(Path(target).absolute())


def stage(work: Path, *arguments: str) -> None:
    """Run a stage in the folder. Raises UserError where it failed: it has said why."""
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=work, check=False,
        env={**os.environ, "PYTHONPATH": f"{root}:{os.environ.get('PYTHONPATH', '')}"})
    if done.returncode:
        raise UserError(f"{' '.join(arguments[:2])} stopped, see above. Mend it and run again: "
                        "what is finished is kept", done.returncode)


def calibration(name: str, published: Row, model: Row) -> list[Row]:
    """Our scores of a comparator beside those that others published: how far off is our scorer?"""
    headline = model["headline"][f"{name}-base"]["translation"]
    return [{"group": group, "metric": published["metric"], "published": published[group],
             "ours": ours, "off": ours - published[group], "source": published["source"]}
            for group in ("into_eng", "out_of_eng") if group in published and group in headline
            for ours in [headline[group][published["metric"]]["system"]]]


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("system", help="a key of comparators in params.yaml")
    parser.add_argument("--accept", action="store_true", help="the licence allows my use")
    args = parser.parse_args(argv)
    about = described(args.system)
    for needed in (Path("data/eval_mt/base/segments.jsonl"), *map(Path, TRANSLATE),
                   *([Path("data/eval_reason/base/items.jsonl")] if about["reason"] else [])):
        if not needed.exists():
            raise UserError(f"{needed} is not there. Run `dvc repro eval_mt@base "
                            "eval_reason@base` first")
    work = HOME / "runs" / f"{args.system}-{key(about)}"
    prepare(args.system, about, fetched(args.system, about, args.accept), work)
    if not (work / "mt" / args.system / "meta.json").is_file():
        stage(work, "stages.eval_mt", args.system, *TRANSLATE, f"mt/{args.system}")
    stage(work, "stages.eval_mt", "score", "data/download/judges", "mt", "mt/score")
    if about["reason"] and not (work / "reason" / args.system / "meta.json").is_file():
        stage(work, "stages.eval_reason", args.system, f"reason/{args.system}")
    out = Path("reports", params.get("scale"), params.get("suite"), "comparators", args.system)
    stage(work, "stages.significance", "mt", "reason",
          str((out / "significance.json").absolute()))
    model = json.loads((out / "significance.json").read_text(encoding="utf-8"))
    rows = calibration(args.system, about["published"], model) if about["published"] else []
    jsonl.write_json(out / "calibration.json", rows)
    for row in rows:
        print(f"{row['group']}: {row['metric']} {row['ours']:.2f}, published {row['published']:.2f}"
              f" ({row['source']}): off by {row['off']:+.2f}", file=sys.stderr)


if __name__ == "__main__":
    run_stage(main)
