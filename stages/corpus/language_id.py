"""Language identification with fastText, and the rules that make a verdict of its guesses.

Kept training pairs and flagged outputs are judged by the same rules; which of them can be trusted
for a language is measured on text of known language, never assumed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ..common.errors import UserError
from ..common.languages import LID, get

Guess = tuple[str, float]  # FLORES code (or the model's own label), probability
Detect = Callable[[list[str]], list[list[Guess]]]
Rule = Callable[[str, list[Guess]], bool]
# Each rule: (expected language, guesses best first) -> is the text accepted?
RULES: dict[str, Rule] = {
    "top1_p50": lambda want, best: best[0][0] == want and best[0][1] >= 0.5,
    "top1": lambda want, best: best[0][0] == want,
    "no_other_p50": lambda want, best: best[0][0] == want or best[0][1] < 0.5,
    "top3": lambda want, best: want in [code for code, _ in best[:3]],
    "top3_or_no_other_p50": lambda want, best: (
        want in [code for code, _ in best[:3]] or best[0][1] < 0.5),
}
OUTPUT_RULES = ("top1", "no_other_p50")  # those by which translations are called off target


def known(languages: Iterable[str] = ()) -> dict[str, str]:
    """{label of lid.176: FLORES code}, those of ``languages`` among them."""
    return LID | {get(code).lid: code for code in languages if get(code).lid}


class Detector:
    """A fastText model: texts -> for each text its ``k`` likeliest languages, best first.

    Labels become FLORES codes where ``known`` has them; those of NLLB's and GlotLID's models are
    such codes. ``labels`` are all that it can say. An empty text gives [("und", 0.0)].
    """

    def __init__(self, file: Path, languages: Iterable[str], k: int) -> None:
        import fasttext

        self.model, self.k = fasttext.load_model(str(file)), k
        code = known(languages)
        short = ((label, label.removeprefix("__label__")) for label in self.model.labels)
        self.code = {label: code.get(name, name) for label, name in short}
        self.labels = frozenset(self.code.values())

    def __call__(self, texts: list[str]) -> list[list[Guess]]:
        if not texts:
            return []
        # Always a list: with numpy 2 the binding fails on a single text. A newline is an error.
        found, probabilities = self.model.predict([" ".join(text.split()) for text in texts],
                                                  k=self.k)
        return [[(self.code[name], min(1.0, value))
                 for name, value in zip(names, values.tolist(), strict=True)] or [("und", 0.0)]
                for names, values in zip(found, probabilities, strict=True)]


def load(folder: Path, languages: Iterable[str] = (), k: int = 3) -> Detector:
    """The one model of a folder; ``languages`` are those that are asked for."""
    files = sorted([*folder.glob("*.ftz"), *folder.glob("*.bin")])
    if len(files) != 1:
        raise UserError(f"{folder} must hold one fastText model, not {len(files)}. "
                        "Run `dvc repro download@lid`")
    return Detector(files[0], languages, k)


def off_target(text: str, language: str, guesses: list[Guess]) -> dict[str, bool]:
    """For each rule of ``OUTPUT_RULES``: is the text in another language? An empty one never is."""
    return {rule: bool(text) and not RULES[rule](language, guesses) for rule in OUTPUT_RULES}


def flags(detect: Detect, language: str, outputs: list[str], references: list[str],
          ) -> list[dict[str, Any]]:
    """For each output what the detector calls it, and whether the rules call it, or its human
    reference, another language than ``language``. What they say of the references is how often
    they are wrong.
    """
    return [{"hyp_lang": mine[0][0], "hyp_lang_p": round(mine[0][1], 4),
             "off_target": off_target(output, language, mine),
             "ref_off_target": off_target(reference, language, theirs)}
            for output, mine, reference, theirs in zip(
                outputs, detect(outputs), references, detect(references), strict=True)]
