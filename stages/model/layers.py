"""Which layers each training stage tunes: the paper's idea, in one place.

With L layers numbered from the embedding (0) to the head (L-1), stage 1 tunes the ``bottom``
lowest and stage 2 the ``top`` highest, less ``skip``. The paper tunes 4 and 15 of Qwen3-8B's 36,
so layer 20 is the first frozen one below the top block. Embeddings, final norm and head stay
frozen in both stages. Every other choice is a control of that one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..common.errors import BAD_CONFIG, UserError
from ..common.hashes import text16


def chosen(choice: Any, depth: int, bottom: int, top: int | None = None,
           skip: Sequence[int] = ()) -> list[int]:
    """Indices, ascending, of the layers that ``choice`` names in a model of ``depth`` layers.

    ``bottom``: [0, bottom). ``top``: the last ``top`` of ``depth``, less ``skip``. ``both``: the
    two together. ``all``, ``none``. A list: those. {first: n} and {last: n}: n of them from
    either end. {random: n, seed: s}: n drawn without order (of one seed, fewer are among more).

    Stage 1 does not give ``top``, or every change of it would train stage 1 again: "top" and
    "both" raise UserError there, which names the form to write instead.
    """
    every = range(depth)
    if choice in ("top", "both") and top is None:
        raise UserError(f"params.yaml: train_s1.layers: {choice} is for stage 2 alone. Write "
                        "{last: N}, or `none` here and `both` in train_s2", BAD_CONFIG)
    match choice:
        case "none":
            layers: Iterable[int] = []
        case "all":
            layers = every
        case "bottom":
            layers = every[:bottom]
        case "top" | "both":
            block = set(every[depth - (top or 0):]) - set(skip)
            layers = block if choice == "top" else block | set(every[:bottom])
        case {"random": count, "seed": seed}:
            layers = sorted(every, key=lambda layer: text16(f"{seed} layer {layer}"))[:count]
        case {"first": count}:
            layers = every[:count]
        case {"last": count}:
            layers = every[depth - count:]
        case list():
            layers = choice
        case _:
            raise UserError(f"params.yaml: layers: {choice!r} is no choice of layers. Write "
                            "bottom, top, both, all, none, a list, {first: N}, {last: N} or "
                            "{random: N, seed: S}", BAD_CONFIG)
    return sorted(layers)
