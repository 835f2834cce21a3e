"""Whether a choice of layers can be made at all: plain numbers, no recipe, no model.

Checked when the settings are read, so that an impossible choice stops any stage before it works.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

NAMED = {"train_s1": ("bottom", "all", "none"),  # top and both: stage 1 does not read layers.top
         "train_s2": ("bottom", "top", "both", "all", "none")}


def impossible(bottom: int, top: int, skip: Sequence[int], depth: int) -> str | None:
    """Why the choice of layers cannot be made in a model of ``depth`` layers, or None."""
    for name, count in (("bottom", bottom), ("top", top)):
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            return f"{name} must be a whole number of layers, not {count!r}"
    if bottom + top > depth:
        return (f"bottom {bottom} and top {top} overlap or exceed the model: "
                f"it has {depth} layers")
    block = range(depth - top, depth)
    if wrong := [layer for layer in skip if layer not in block]:
        return (f"skip {wrong} is not among the top {top} layers "
                f"{block.start}-{depth - 1} of {depth}")
    return None


def impossible_stage(stage: str, settings: dict[str, Any], method: str, depth: int) -> str | None:
    """Why a training stage cannot tune what its settings choose, or None."""
    choice, (start, end), epochs = settings["layers"], settings["pairs"], settings["epochs"]
    match choice:
        case str() if choice not in NAMED[stage]:
            return f"layers {choice!r} is not one of {', '.join(NAMED[stage])}, a list, " \
                   "{first: N}, {last: N} or {random: N, seed: S}"
        case list() if wrong := [layer for layer in choice if layer not in range(depth)]:
            return f"layers {wrong} are not in the model: it has {depth} layers"
        case list() if len(set(choice)) < len(choice):
            return f"layers {choice} name a layer twice"
        case dict():
            if sorted(choice) not in (["first"], ["last"], ["random", "seed"]):
                return (f"layers {choice} must be {{first: N}}, {{last: N}} or "
                        "{random: N, seed: S}")
            count = next(value for key, value in choice.items() if key != "seed")
            if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= depth:
                return f"layers {choice}: the model has {depth} layers"
        case str() | list():
            pass
        case _:
            return f"layers {choice!r} is no choice of layers"
    if method not in ("layers", "full", "lora"):
        return f"train.method {method!r} is not layers, full or lora"
    if method == "full" and choice not in ("all", "none"):
        return "train.method full tunes everything: layers must be all or none"
    if not 0 <= start < end <= 1:
        return f"pairs [{start}, {end}] is no share: 0 <= from < to <= 1"
    if isinstance(epochs, bool) or not isinstance(epochs, int) or epochs < 1:
        return f"epochs must be a whole number from 1, not {epochs!r}"
    return None
