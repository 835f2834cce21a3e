"""Systems made from a tuned model without training: rounded again, reverted, interpolated, scaled.

Each takes the tensors in which the tuned model differs from its base and gives other values for
them; every other tensor is the base's anyway. Computed in float32 while a system is loaded, so
nothing is stored and a system is described in one line of ``params.yaml``.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..common.errors import BAD_CONFIG, UserError
from .layer_names import layer_of

if TYPE_CHECKING:
    from torch import Tensor

Tensors = dict[str, "Tensor"]
STEPS = ("revert", "keep", "scale_by_depth", "interpolate", "round")  # applied in this order


def derived(base: Mapping[str, Tensor], tuned: Tensors, how: dict[str, Any], path: str,
            depth: int) -> Tensors:
    """The tensors of a derived system, of the names in ``tuned``.

    ``base`` holds the same tensors of the base model; ``path`` and ``depth`` are those of
    ``layers.layer_path`` and ``layers.depth_of``. ``how`` maps one or several of ``STEPS``:

    revert: [layers]             these layers get the base's values
    keep: [layers]               all but these do, tensors outside the layers too
    scale_by_depth: [low, high]  a change is multiplied by a factor that rises linearly from the
                                 first layer's, which tensors outside the layers get too, to the
                                 last one's: LiNeS, arXiv 2410.17146
    interpolate: share           base + share * (tuned - base); 0 is the base, 1 the tuned model
    round: q4_1                  see ``rounded_like``
    """
    import torch

    if unknown := sorted(set(how) - set(STEPS)):
        raise UserError(f"params.yaml: systems: derive: {unknown} is not among {', '.join(STEPS)}",
                        BAD_CONFIG)
    layer = {name: layer_of(name, path) for name in tuned}
    share = dict.fromkeys(tuned, 1.0)  # of its change that a tensor keeps
    if "revert" in how:
        share |= {name: 0.0 for name in tuned if layer[name] in how["revert"]}
    if "keep" in how:
        share |= {name: 0.0 for name in tuned if layer[name] not in how["keep"]}
    if "scale_by_depth" in how:
        low, high = how["scale_by_depth"]
        for name, index in layer.items():
            share[name] *= low + (high - low) * (index or 0) / (depth - 1)
    made = {}
    for name, tensor in tuned.items():
        weight = share[name] * how.get("interpolate", 1.0)
        # Bit for bit at either end.
        made[name] = (base[name] if weight == 0 else tensor if weight == 1 else
                      torch.lerp(base[name].float(), tensor.float(), weight))
    return rounded_like(base, made, how["round"]) if "round" in how else made


def rounded(tensor: Tensor, kind: str) -> Tensor:
    """The values that a GGUF file of a quantisation ``kind`` such as q4_1 keeps of a matrix.

    Q4_1: blocks of 32 along a row share a scale, (max - min) / 15, and a minimum, both in fp16;
    each value is the nearest of 16 steps. https://github.com/ggml-org/ggml, quantize_row_q4_1_ref
    """
    import torch
    from gguf import GGMLQuantizationType
    from gguf.quants import dequantize, quantize

    form = GGMLQuantizationType[kind.upper()]
    return torch.from_numpy(dequantize(quantize(tensor.float().numpy(), form), form))


def rounded_like(base: Mapping[str, Tensor], tuned: Tensors, kind: str) -> Tensors:
    """``tuned`` with those matrices rounded whose base is rounded already.

    A base that was quantised once, and spelled out as float32 since, is a fixed point of the
    rounding: tuning frees its matrices from that, and rounding them again tells how much of a
    gain is repair of the quantisation. Of a base that never was, nothing is rounded.
    """
    import torch

    made = dict(tuned)
    for name, tensor in tuned.items():
        if tensor.ndim == 2 and tensor.shape[1] % 32 == 0 and torch.equal(
                rounded(base[name], kind), base[name].float()):
            made[name] = rounded(tensor, kind)
    count = sum(made[name] is not tuned[name] for name in tuned)
    print(f"derive: {count} of {len(tuned)} changed tensors rounded to {kind}", file=sys.stderr)
    return made
