"""The language identifier of the scale tiny: a real fastText model, trained in seconds.

Random or fixture-trained: it proves the plumbing, and nothing it scores means anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def lid(labelled: Iterable[tuple[str, str]], out: Path) -> None:
    """A fastText classifier of the (label, text) rows, in the place of lid.176."""
    import tempfile

    import fasttext

    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".txt") as file:
        file.writelines(f"__label__{label} {text}\n" for label, text in labelled)
        file.flush()
        model = fasttext.train_supervised(file.name, dim=8, minn=1, maxn=3, epoch=25, lr=0.5,
                                          thread=1, seed=0, verbose=0)
    model.save_model(str(out / "lid.bin"))
