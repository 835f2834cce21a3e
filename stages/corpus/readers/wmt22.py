"""WMT22 general translation, one direction: texts, nine systems' outputs, published scores.

Laid out as https://github.com/wmt-conference/wmt22-news-systems (Kocmi et al. 2022,
https://aclanthology.org/2022.wmt-1.1), of which the files of one direction are needed. No bitext
to train or test on, so not one of ``READERS``: the scorer is calibrated on it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...common.errors import UserError
from .lines import texts

STARS = {0: None, 1: 0.05, 2: 0.01, 3: 0.001}  # p of the Wilcoxon rank-sum test is below


def _lines(file: Path) -> list[str]:
    """Every line of a file; none may be lost."""
    bad: list[str] = []
    found = [text for _, text in texts(file, lambda place, reason: bad.append(f"{place} {reason}"))]
    if bad:
        raise UserError(f"{bad[0]}. Fetch the file again: run `dvc repro download`")
    return found


def published(folder: Path, source: str = "de", target: str = "en") -> dict[str, Any]:
    """What WMT22 published of a direction, as plain values.

    source      lines; references {"A": lines, "B": lines}; systems {name: lines}, all equally long
    scores      {system: {"bleu-A": 0-100, "chrf-A", "COMET-A", "bleu-B", ..., "bleu-all", ...}}
    human       {system: {"raw": mean direct assessment 0-100, "z": standardised}}, best first; a
                human reference is there as "HUMAN-B"
    human_pairs {system: {each one ranked below: {"z": difference, "p_below": 0.05, 0.01, 0.001
                or None where the difference is not significant}}}

    Raises UserError where a file is missing or texts differ in length.
    """
    name, pair = f"generaltest2022.{source}-{target}", f"{source}-{target}"
    try:
        found: dict[str, Any] = {
            "source": _lines(folder / f"txt/sources/{name}.src.{source}"),
            "references": {file.name.split(".")[-2]: _lines(file) for file in sorted(
                (folder / "txt/references").glob(f"{name}.ref.*.{target}"))},
            "systems": {file.name.removeprefix(f"{name}.hyp.").removesuffix(f".{target}"):
                        _lines(file) for file in sorted(
                (folder / "txt/system-outputs").glob(f"{name}.hyp.*.{target}"))}}
        scores = [line.split("\t") for line in _lines(folder / "scores/automatic-scores.tsv")[1:]]
        human = folder / f"humaneval/DA/newstest2022-to{target}"
        ranking = [line.split() for line in _lines(human / f"ad-sys-ranking-{pair}-z-names.csv")]
        [header, *rows] = [line.split() for line in _lines(
            human / f"ad-DA-diff-wilcoxon-rs-{source}{target}.csv") if line.strip()]
    except FileNotFoundError as error:
        raise UserError(f"{error.filename} is not there. Add it to the source in "
                        "data/sources.lock and run `dvc repro download`") from error
    lengths = {len(lines) for lines in (found["source"], *found["references"].values(),
                                        *found["systems"].values())}
    if len(lengths) != 1 or not found["references"] or not found["systems"]:
        raise UserError(f"{folder}: WMT22 texts of {sorted(lengths)} lines, or none. Fetch the set "
                        "again: run `dvc repro download`")
    found["scores"] = {system: {metric: float(score) for of, who, _, _, metric, score in scores
                                if of == pair and who == system} for system in found["systems"]}
    found["human"] = {_system(label): {"raw": float(raw), "z": float(z)}
                      for raw, z, _, _, label, _ in ranking}
    others = [_system(label) for label in header]
    found["human_pairs"] = {
        _system(label): {other: {"z": float(cell.rstrip("*")), "p_below": STARS[cell.count("*")]}
                         for other, cell in list(zip(others, cells, strict=True))[place + 1:]}
        for place, (label, *cells) in enumerate(rows)}
    return found


def _system(label: str) -> str:
    """ "Online-W.2" is the system Online-W."""
    return label.rsplit(".", 1)[0]
