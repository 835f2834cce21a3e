"""How strongly the loss pulls at every layer, trained or frozen, before a stage trains.

The paper chose its layers by a sensitivity analysis with nuclear norms whose formula could not be
read. Ours follows Li, Li and Zhou (arXiv 2410.23743): the gradient of the loss on one fixed batch,
its L2 norm over all parameters of a layer, and the nuclear norm (sum of singular values) of the
gradient of each attention projection, summed over the layer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..model.layer_names import depth_of, layer_of, layer_path

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

ATTENTION = ("attn", "attention")  # what families call that part of a layer


def norms(model: PreTrainedModel, loss: Callable[[], Tensor]) -> list[tuple[float, float]]:
    """(L2 norm, nuclear norm) of the gradient of ``loss()``, layer by layer from the embedding.

    One backward pass through all layers; a gradient is measured when it is complete and let go
    at once, so that no more than one is held. No parameter changes; all layers' parameters
    require a gradient afterwards and no other does.
    """
    import torch

    path = layer_path(model)
    squares: dict[int, float] = defaultdict(float)
    nuclear: dict[int, float] = defaultdict(float)

    def measure(layer: int, matrix: bool) -> Callable[[Tensor], None]:
        def hook(parameter: Tensor) -> None:
            assert parameter.grad is not None
            gradient, parameter.grad = parameter.grad.float(), None
            squares[layer] += float(gradient.square().sum())
            if matrix:
                nuclear[layer] += float(torch.linalg.svdvals(gradient).sum())
        return hook

    hooks = []
    for name, parameter in model.named_parameters():
        layer = layer_of(name, path)
        parameter.requires_grad_(layer is not None)
        if layer is not None:
            matrix = parameter.ndim == 2 and any(word in name for word in ATTENTION)
            hooks.append(parameter.register_post_accumulate_grad_hook(measure(layer, matrix)))
    loss().backward()
    for hook in hooks:
        hook.remove()
    return [(squares[layer] ** 0.5, nuclear[layer]) for layer in range(depth_of(model))]
