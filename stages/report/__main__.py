"""Write the report from what the pipeline left behind; no number in it is typed by hand.

in     reports/<scale>/<suite>/significance.json   required; all else is optional
       beside it calibration/calibration.json, arms/statistics.json
       params.yaml (scale, suite, model), dvc.lock, and the files below data/ that `evidence` names
out    beside significance.json: REPORT.md, report.html (one file), figures/*.{svg,png},
       tables/*.{md,csv,tex}, runtime.json, run.lock, a copy of dvc.lock, and SHA256SUMS of all

Every run of a scale and suite has a folder of its own; those of other runs are left alone.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ..common import jsonl, manifest, params
from ..common.command import run_stage
from ..common.errors import UserError
from . import arms, evidence, exhibits, figures, html_table, render
from .files import write_tables
from .sections import calibration, sources, suites

TEMPLATES = Path(__file__).parent / "templates"


def environment(escape: Callable[[str], str], dialect: str) -> Environment:
    """Templates in one dialect: every value is escaped for it unless a renderer made it."""
    def finalize(value: Any) -> Markup:
        return value if isinstance(value, Markup) else Markup(escape(str(value)))

    env = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, finalize=finalize,
                      undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    env.globals["dialect"] = dialect
    env.filters |= {
        "html": html_table.to_html, "md": lambda table: Markup(render.to_md(table)),
        "inline": lambda svg, name: Markup(figures.inline(svg, name)),
        "flow": lambda text: Markup(" ".join(text.split())),
        "codespan": lambda text: Markup(render.visible(str(text)).replace("`", "'")),
        "num": lambda value, digits=2: render.NA if value is None else render.number(value, digits),
        "signed": lambda value: render.NA if value is None else render.number(
            value, 2, signed=True),
        "p": lambda value: render.display({"kind": "p"}, value), "glyph": render.glyph,
        "word": lambda v: re.sub(r"\W.*", "", v),
        "interval": lambda ci: render.display({"kind": "interval"}, ci),
        "interval3": lambda ci: render.display({"kind": "interval", "digits": 3}, ci),
        "metric": exhibits.metric_name, "place": exhibits.place, "versus": exhibits.versus,
        "system": evidence.system}
    return env


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("root", type=Path, nargs="?", default=Path(),
                        help="folder that holds data/ and reports/ (default: this one)")
    root = parser.parse_args(argv).root
    run = root / "reports" / params.get("scale") / params.get("suite")
    if (model := evidence.load(run / "significance.json")) is None:
        raise UserError(f"{run / 'significance.json'} is not there. Run `dvc repro` first")
    if (root / "dvc.lock").is_file():
        jsonl.write_text(run / "run.lock", (root / "dvc.lock").read_text(encoding="utf-8"))
    lock, stages = evidence.run_identity(run / "run.lock")
    meta, contrasts = model["meta"], exhibits.contrasts(model)
    translated = evidence.metas(root / "data/eval_mt")
    training = evidence.training(root)
    data_tables, steps = evidence.data_tables(root)
    cost = evidence.cost(root, stages, run / "runtime.json")
    calibrated = calibration.tables(evidence.load(run / calibration.FILE))
    signatures = evidence.signatures({"translation": translated, "reasoning": evidence.metas(
        root / "data/eval_reason")})
    beside, drawn, carried = suites.exhibit(
        run.parent, run.name, (contrasts[0]["system"], contrasts[0]["baseline"]))
    experiments, shown = arms.load(run), params.suite("examples")
    drawings = (exhibits.draw(model, training, steps) | ({"suites": drawn} if drawn else {})
                | arms.draw(experiments))
    origin = sources.table(root, params.get("scale"), params.get("suite"))
    write_tables([table for table in [
        exhibits.headline(model), *model["tables"], *calibrated, *arms.tables(experiments),
        *data_tables, *([beside] if beside else []), origin,
        training["table"], signatures, *([cost] if cost else [])] if table["rows"]],
        run / "tables")
    tables = exhibits.sections(model)
    tables["provenance"] = [*calibrated, *tables["provenance"],
                            *(table for table in (origin, signatures) if table["rows"])]
    context = {
        "meta": meta, "scale": meta["scale"],
        "model": params.scaled("model.name"), "depth": params.scaled("model.depth"),
        "contrasts": contrasts, "first": contrasts[0], "primary": meta["primary_metric"],
        "unskilled": exhibits.not_above_copying(model), "fluent": exhibits.fluent(
            contrasts[0], meta["primary_metric"]),
        "disagree": {exhibits.versus(one): exhibits.other_metrics(one, meta["primary_metric"])
                     for one in contrasts},
        "confirm": model["headline"].get(meta["confirm"]),
        "limits": [*params.scaled("limits").items(), *params.suite("limits").items()],
        "margin": meta["margin_macro_pp"], "task_margin": meta["margin_task_pp"],
        "figures": {name: figures.save(figure, run / "figures", name)
                    for name, figure in drawings.items()},
        "suites": beside, "carried": carried, "arms": arms.exhibits(experiments),
        "signs": arms.signs(contrasts, meta["primary_metric"], training["held_out"]),
        "tables": tables, "data_tables": data_tables, "training": training, "cost": cost,
        "lock": lock, "examples": shown,
        "samples": evidence.examples(root, translated, meta["seed"], contrasts[0]["system"], shown,
                                     exhibits.rules(model)) if shown else {}}
    css = Markup((TEMPLATES / "report.css").read_text(encoding="utf-8"))
    page = environment(html_table.html_text, "html.j2").get_template("page.j2")
    jsonl.write_text(run / "report.html", page.render(context, css=css))
    text = environment(render.md_text, "md.j2").get_template("report.j2").render(context)
    text = re.sub(r"\n{3,}", "\n\n", re.sub(r"^[ \t]+|[ \t]+$", "", text, flags=re.M))
    jsonl.write_text(run / "REPORT.md", text.strip() + "\n")
    manifest.write(run)
    print(f"report: {run / 'REPORT.md'} and {run / 'report.html'}")


if __name__ == "__main__":
    run_stage(main)
