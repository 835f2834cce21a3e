"""The card of an exported model: what was done to which base, on what, with which results.

    python -m stages.report.model_card data/export
    python -m stages.report.model_card data/export --repo me/name [--push]

in     the exported folder (`stages.model.export`), its trained.json
       reports/<scale>/<suite>/significance.json and rows/<system>/translation.json of every run of
       the scale that judged these very weights; data/train_s*; data/sources.lock
out    README.md in the exported folder, as the Hugging Face hub reads it
       with --repo: what an upload would send; it is sent with --push alone

Results of other weights are never printed: a run is recognised by the hash of what it judged.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from ..common import jsonl, params
from ..common.command import run_stage
from ..common.errors import BAD_CONFIG, UserError
from ..common.languages import PIVOT, TABLE
from ..model.prompts import messages
from . import evidence, exhibits
from .render import md_text, to_md
from .sections import sources

CARD = "README.md"  # the name that the hub expects
def results(reports: Path, revision: str) -> list[tuple[str, str, Any]]:
    """(suite, test set, its headline table) of every run below ``reports`` whose first contrast
    judged the weights of ``revision``."""
    found = []
    for file in sorted(reports.glob("*/significance.json")):
        model = evidence.load(file)
        first = exhibits.contrasts(model)[0]
        about = evidence.load(file.parent / "rows" / first["system"] / "translation.json")
        if about and about["signature"]["revision"] == revision:
            found.append((file.parent.name, about["test_set"], exhibits.headline(model)))
    return found


def header(base: str, languages: list[str], licence: str) -> str:
    """The block of settings that the hub reads, languages by ISO 639."""
    from huggingface_hub import ModelCardData

    codes = [TABLE[language].lid for language in (PIVOT, *languages)]
    return "---\n" + ModelCardData(
        language=[code for code in codes if code], license=licence, base_model=base,
        library_name="transformers", pipeline_tag="text-generation",
        tags=["translation", "layer-selective-tuning"]).to_yaml() + "\n---"


def use(language: str, system: str | None) -> str:
    """How to ask the model, as it was asked in training."""
    chat = messages("Where is the station?", PIVOT, language, system=system)
    return "\n".join(["```python", "from transformers import pipeline", "",
                      'folder = "."  # or the name of the repository that holds this card',
                      f"chat = {json.dumps(chat, indent=4)}",
                      'pipeline("text-generation", model=folder)(chat, do_sample=False)', "```"])


def card(root: Path, folder: Path) -> str:
    """The whole card. Raises UserError where no run has judged the exported weights."""
    scale = params.get("scale")
    made_of = json.loads((folder / "trained.json").read_text(encoding="utf-8"))
    revision = list(made_of.values())[-1]["revision"]
    judged = results(root / "reports" / scale, revision)
    if not judged:
        raise UserError(f"{folder}: no report below reports/{scale} judged these weights. Run "
                        "`make report`, then export again")
    name, languages = params.scaled("model.name"), list(params.scaled("format.languages"))
    lock = json.loads((root / sources.LOCK).read_text(encoding="utf-8"))[scale]
    entry = lock["model"]
    licence = str((entry.get("files") or [entry])[0]["licence"]).split()[0].lower()
    source, training = entry["source"].split("@")[0], evidence.training(root)
    parts = [
        header(source if "/" in source else name, languages, licence), "",
        f"# {name}, tuned to translate in two stages", "",
        f"{name} after two stages of fine-tuning on parallel text: the bottom layers first, then "
        "the top ones, all others frozen bit for bit. The recipe is that of LLaMAX2 "
        "(https://arxiv.org/abs/2510.09189); this model is a replication, not one of the "
        f"paper's. Languages: {', '.join(map(evidence.language, (PIVOT, *languages)))}.", "",
        "## Use", "", "It was tuned on this prompt and on no other.", "",
        use(languages[0], params.scaled("model.system")), "",
        "## Training", "", to_md(training["table"])]
    for table in evidence.data_tables(root)[0][:1]:
        parts += [f"## {table['title']}", "", to_md(table)]
    for suite, test_set, headline in judged:
        parts += [f"## Results on {md_text(test_set)} (suite {suite})", "", headline["says"]
                  + " Intervals and verdicts: paired tests against the untuned model.", "",
                  to_md(headline)]
    suites = params.get("suites")
    limits = dict(item for about in (params.get("scales")[scale], *(
        suites[suite] for suite, *_ in judged)) for item in about["limits"].items())
    parts += ["## Limits", "", *(f"- **{md_text(title)}**: {md_text(' '.join(text.split()))}"
                                 for title, text in limits.items()), "",
              "## Sources and licences", "", to_md(sources.table(root, scale, ""))]
    return "\n".join(parts).rstrip() + "\n"


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="the exported model")
    parser.add_argument("--repo", metavar="OWNER/NAME", help="list what would be uploaded there")
    parser.add_argument("--push", action="store_true", help="and upload it; needs HF_TOKEN")
    args = parser.parse_args(argv)
    if args.push and not args.repo:
        raise UserError("--push needs --repo OWNER/NAME: where to upload to", BAD_CONFIG)
    if not (args.folder / "trained.json").is_file():
        raise UserError(f"{args.folder}: no trained.json, so no exported model. Run `make export`")
    jsonl.write_text(args.folder / CARD, card(Path(), args.folder))
    print(f"model card: {args.folder / CARD}")
    if args.repo:
        files = sorted(path for path in args.folder.rglob("*") if path.is_file())
        for path in files:
            print(f"{'upload' if args.push else 'would upload'} {path.stat().st_size:>14,} bytes  "
                  f"{args.repo}/{path.relative_to(args.folder)}")
    if args.push:
        from huggingface_hub import HfApi

        api = HfApi()
        api.create_repo(args.repo, private=True, exist_ok=True)
        api.upload_folder(repo_id=args.repo, folder_path=args.folder)


if __name__ == "__main__":
    run_stage(main)
