"""Tables of the scorer on published numbers, from calibration/calibration.json of a run.

in     what `stages.experiments.calibration` wrote
out    three tables in the model of `render`; each caption's first sentence is made of the counts
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..render import Column, Table, number

FILE = Path("calibration/calibration.json")  # below a run's folder
DIGITS = 3  # to which published and own scores have to be equal
KINDS = {"bleu": "BLEU", "chrf": "chrF"}
SAYS = {"same order, significant": "same, significant", "same order, not significant": "same, not",
        "opposite order, not significant": "opposite, not",
        "opposite order, significant": "opposite, significant"}
APART = {"separated": ("Apart", "Of the pairs that people separate."),
         "together": ("Together", "Of the pairs that people do not separate.")}


def named(metric: str) -> str:
    """ "bleu-A" as "BLEU, reference A"."""
    kind, _, against = metric.partition("-")
    return f"{KINDS[kind]}, " + ("all references" if against == "all" else f"reference {against}")


def column(key: str, label: str, kind: str, text: str = "", digits: int | None = None) -> Column:
    return {"key": key, "label": label, "kind": kind, **({"help": text} if text else {}),
            **({} if digits is None else {"digits": digits})}


def table(name: str, title: str, says: str, cannot: str, columns: list[Column],
          rows: list[dict[str, Any]], notes: list[str]) -> Table:
    return {"id": f"calibration_{name}", "title": title, "says": says, "cannot": cannot,
            "columns": columns, "rows": rows, "notes": notes}


def equal(score: dict[str, Any]) -> bool:
    """Is the published score, to three decimals, the one computed here? No where none is."""
    return score["published"] is not None and number(
        score["published"], DIGITS) == number(score["ours"], DIGITS)


def largest(scores: list[dict[str, Any]]) -> float:
    return max((abs(one["ours"] - one["published"]) for one in scores
                if one["published"] is not None), default=0.0)


def scientific(value: float) -> str:
    """One digit and the power of ten; 0 where it is none."""
    return f"{value:.0e}" if value else "0"


def published(found: dict[str, Any]) -> Table:
    """Scores as published and as computed here, two rows a system."""
    scores = found["scores"]
    metrics = list(dict.fromkeys(one["metric"] for one in scores))
    rows: list[dict[str, Any]] = []
    for system in dict.fromkeys(one["system"] for one in scores):
        mine = [one for one in scores if one["system"] == system]
        rows += [{"system": system, "from": "published",
                  **{one["metric"]: one["published"] for one in mine}},
                 {"system": system, "from": "computed here",
                  **{one["metric"]: one["ours"] for one in mine},
                  "equal": f"{sum(map(equal, mine))} of {len(mine)}",
                  "largest": scientific(largest(mine))}]
    says = (f"{sum(map(equal, scores))} of {len(scores)} published scores come out equal to "
            f"{DIGITS} decimals; the largest difference is {scientific(largest(scores))}.")
    if other := [f"{one['system']} ({named(one['metric'])})" for one in scores if not equal(one)]:
        says += f" Not equal: {'; '.join(other)}."
    return table(
        "scores", "The scorer on published scores", says,
        "Whether spBLEU and chrF++, which WMT22 did not publish, are right as well: they share "
        "the counting, not the tokenizer or the word n-grams.",
        [column("system", "System", "text"), column("from", "Scores", "text"),
         *(column(metric, named(metric), "float", found["signatures"][metric], DIGITS)
           for metric in metrics),
         column("equal", f"Equal to {DIGITS} decimals", "text"),
         column("largest", "Largest difference", "text")],
        rows, [f"{found['source']}: {found['segments']:,} segments. All n-gram counts are this "
               "project's own; several references are joined as sacrebleu joins them."])


def agreement(found: dict[str, Any]) -> Table:
    """How often every metric says of a pair what people say."""
    counted = found["agreement"]
    hits = [row["separated"]["same order, significant"] for row in counted]
    against = {f"{pair['worse']} above {pair['better']}": sum(
        row["says"] == "opposite order, significant" for row in pair["by"].values())
        for pair in found["pairs"] if pair["human"]["p_below"] is not None}
    turned = [f"{pair} ({number} of {len(counted)} metrics)"
              for pair, number in against.items() if number]
    span = f"{min(hits)} to {max(hits)}" if min(hits) < max(hits) else str(hits[0])
    says = (f"People separate {counted[0]['separated']['pairs']} of {counted[0]['pairs']} pairs; "
            f"the metrics put {span} of these in the same order with significance, and "
            + (f"reverse with significance: {', '.join(turned)}." if turned
               else "reverse none with significance."))
    rows = [{"metric": named(row["metric"]), "same_order": row["same_order"],
             **{f"{part} {key}": row[part].get(key) for part in APART
                for key in ("pairs", *SAYS)}} for row in counted]
    return table(
        "agreement", "Significance beside the human ranking", says,
        "Which of the two is right. The test of people's judgements, too, has errors, and is not "
        "corrected for the number of pairs.",
        [column("metric", "Metric", "text"),
         column("same_order", "Ordered as by people", "int", f"Of all {counted[0]['pairs']} pairs, "
                "significant or not."),
         *(column(f"{part} {key}", f"{head}: {label}", "int", text)
           for part, (head, text) in APART.items()
           for key, label in (("pairs", "pairs"), *SAYS.items()))],
        rows, [f"Significant: p after Holm over {counted[0]['pairs']} pairs is at most "
               f"{found['alpha']:g}, from leaving out one segment at a time (jackknife). The unit "
               f"is {found['unit']}, since the published files name no documents; segments of one "
               "document resemble each other, so p is rather too small than too large.",
               "People: direct assessment, Wilcoxon rank-sum test at 0.05, as published."])


def pairs(found: dict[str, Any]) -> Table:
    """Every pair by the metrics against the first reference."""
    first = min(metric.partition("-")[2] for metric in found["signatures"])
    metrics = [metric for metric in found["signatures"] if metric.endswith(f"-{first}")]
    rows = [{"better": pair["better"], "worse": pair["worse"], "z": pair["human"]["z"],
             "people": "not significant" if pair["human"]["p_below"] is None
             else f"p < {pair['human']['p_below']:g}",
             **{f"{metric} {key}": pair["by"][metric][key] for metric in metrics
                for key in ("delta", "ci", "p_holm", "says")}} for pair in found["pairs"]]
    columns = [column("better", "Better by people", "text"), column("worse", "Worse", "text"),
               column("z", "Difference by people", "float", "Mean standardised judgement.", 2),
               column("people", "People", "text")]
    for metric in metrics:
        columns += [
            column(f"{metric} delta", f"Δ {KINDS[metric.partition('-')[0]]}", "float",
                   f"{named(metric)}: first system minus second.", 2),
            column(f"{metric} ci", "95 % CI" if found["alpha"] == 0.05
                   else f"{100 * (1 - found['alpha']):g} % CI", "interval", "", 2),
            column(f"{metric} p_holm", "p Holm", "p"), column(f"{metric} says", "Says", "text")]
    return table(
        "pairs", f"Every pair of systems, reference {first}",
        f"All {len(rows)} pairs in the order that people gave them: how far apart people and the "
        f"metrics see them against reference {first}.",
        f"The same against other references: those are in {FILE.as_posix()}.", columns, rows, [])


def tables(found: dict[str, Any] | None) -> list[Table]:
    """All of them; none where the run was not calibrated."""
    return [published(found), agreement(found), pairs(found)] if found else []
