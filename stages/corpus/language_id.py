"""Language identification with fastText."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..common.errors import UserError
from ..common.languages import LID

Guess = tuple[str, float]  # FLORES code (or the model's own label), probability
Detect = Callable[[list[str]], list[list[Guess]]]


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
