"""Language identification with fastText, and the rules that make a verdict of its guesses.

Kept training pairs and flagged outputs are judged by the same rules; which of them can be trusted
for a language is measured on text of known language, never assumed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..common.errors import UserError
from ..common.languages import LID

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


def load(folder: Path, k: int = 3) -> Detect:
    """Return a function: texts -> for each text its ``k`` likeliest languages, best first.

    An empty text gives [("und", 0.0)].
    """
    import fasttext

    files = sorted([*folder.glob("*.ftz"), *folder.glob("*.bin")])
    if len(files) != 1:
        raise UserError(f"{folder} must hold one fastText model, not {len(files)}. "
                        "Run `dvc repro download@lid`")
    model = fasttext.load_model(str(files[0]))

    def detect(texts: list[str]) -> list[list[Guess]]:
        if not texts:
            return []
        # Always a list: with numpy 2 the binding fails on a single text. A newline is an error.
        labels, probabilities = model.predict([" ".join(text.split()) for text in texts], k=k)
        guesses = []
        for names, values in zip(labels, probabilities, strict=True):
            short = [name.removeprefix("__label__") for name in names]
            guesses.append([(LID.get(name, name), min(1.0, float(value)))
                            for name, value in zip(short, values, strict=True)]
                           or [("und", 0.0)])
        return guesses

    return detect


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
