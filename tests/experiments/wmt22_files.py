"""A WMT22 direction in its publishers' layout, self-written: texts, published scores, a ranking.

The "published" scores are sacrebleu's own, so they are an independent answer.
"""

import random
from pathlib import Path

from sacrebleu.metrics import BLEU, CHRF

from stages.corpus.readers import wmt22

NAME = "generaltest2022.de-en"
RANKING = ["Alpha", "Beta", "Gamma", "Delta"]  # by people, best first; a reference was judged too
WORDS = ["the", "dog", "sees", "a", "big", "red", "house", "near", "cold", "river", "and", "buys",
         "fresh", "bread", "today,", "don't", "ask", "(why)", "3.5", "kilos!"]


def lossy(lines: list[str], share: float, seed: str) -> list[str]:
    """The lines without a share of their words."""
    rng = random.Random(seed)
    return [" ".join(word for word in line.split() if rng.random() >= share) for line in lines]


def texts(segments: int = 60) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """(references, systems): a system is near either reference. Alpha loses least, and Delta,
    which people rank last, less than the two before it."""
    rng = random.Random(1)
    first = [" ".join(rng.choices(WORDS, k=rng.randrange(1, 14))) for _ in range(segments)]
    longer = [[*line.split(), *rng.choices(WORDS, k=rng.choice([0, 2]))] for line in first]
    second = [" ".join(words[rng.randrange(2):]) for words in longer]
    near = [rng.choice(lines) for lines in zip(first, second, strict=True)]
    losses = {"Alpha": 0.05, "Beta": 0.35, "Gamma": 0.35, "Delta": 0.15}
    systems = {name: lossy(near, share, name) for name, share in losses.items()}
    systems["Beta"][3] = ""
    return {"A": first, "B": second}, systems


def scores(references: dict[str, list[str]], systems: dict[str, list[str]]) -> list[str]:
    """Lines of automatic-scores.tsv."""
    found = ["pair\tsystem\tid\tis_constrained\tmetric\tscore"]
    for system, lines in systems.items():
        for against, texts in [*((name, [side]) for name, side in references.items()),
                               ("all", [*references.values()])]:
            for kind, metric in (("bleu", BLEU()), ("chrf", CHRF())):
                score = metric.corpus_score(lines, texts).score
                found.append(f"de-en\t{system}\t1\tFALSE\t{kind}-{against}\t{score}")
    return found


def ranking(stars: dict[tuple[str, str], str]) -> tuple[str, str]:
    """The two files of people's judgements; ``stars``: of the pairs that they separate."""
    judged = [*RANKING[:2], "HUMAN-B", *RANKING[2:]]
    z = {name: 0.1 - place / 20 for place, name in enumerate(judged)}
    label = {name: name if name.startswith("HUMAN") else f"{name}.1" for name in judged}
    names = "".join(f"70.0 {z[name]:.3f} 100 120 {label[name]} {name}\n" for name in judged)
    table = " " + " ".join(label.values()) + "\n" + "".join(
        " ".join([label[one], *("-" if one == other else
                                f"{z[one] - z[other]:.2f}{stars.get((one, other), '')}"
                                for other in judged)]) + "  \n" for one in judged)
    return names, table


STARS = {("Alpha", "Beta"): "***", ("Alpha", "Gamma"): "**", ("Gamma", "Delta"): "*",
         ("Alpha", "Delta"): "***"}


def write(folder: Path, stars: dict[tuple[str, str], str] = STARS, segments: int = 60) -> Path:
    """Write the whole direction below ``folder``."""
    references, systems = texts(segments)
    names, table = ranking(stars)
    human = "humaneval/DA/newstest2022-toen"
    files = {f"txt/sources/{NAME}.src.de": [f"Satz {n}" for n in range(segments)],
             **{f"txt/references/{NAME}.ref.{name}.en": lines
                for name, lines in references.items()},
             **{f"txt/system-outputs/{NAME}.hyp.{name}.en": lines
                for name, lines in systems.items()},
             "scores/automatic-scores.tsv": scores(references, systems),
             f"{human}/ad-sys-ranking-de-en-z-names.csv": names.splitlines(),
             f"{human}/ad-DA-diff-wilcoxon-rs-deen.csv": table.splitlines()}
    for name, lines in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("".join(f"{line}\n" for line in lines))
    return folder


def published(folder: Path) -> dict:
    return wmt22.published(write(folder))
