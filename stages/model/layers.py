"""Which layers each training stage tunes: the paper's idea, in one place.

With L layers numbered from the embedding (0) to the head (L-1), stage 1 tunes the ``bottom``
lowest and stage 2 the ``top`` highest, less ``skip``. The paper tunes 4 and 15 of Qwen3-8B's 36,
so layer 20 is the first frozen one below the top block. Embeddings, final norm and head stay
frozen in both stages.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ..common.errors import BAD_CONFIG, UserError

if TYPE_CHECKING:
    from transformers import PreTrainedModel


# Two functions, not one plan of both stages: stage 1 would then read layers.top, and every change
# of layers.top would train stage 1 again.
def bottom_layers(bottom: int) -> list[int]:
    """Indices tuned in stage 1: [0, bottom)."""
    return list(range(bottom))


def top_layers(top: int, skip: Sequence[int], depth: int) -> list[int]:
    """Indices tuned in stage 2: the last ``top`` of ``depth``, less ``skip``."""
    return [layer for layer in range(depth - top, depth) if layer not in skip]


def depth_of(model: PreTrainedModel) -> int:
    """Number of decoder layers, as the model's own config states it."""
    return int(model.config.get_text_config().num_hidden_layers)


def layer_path(model: PreTrainedModel) -> str:
    """Dotted path of the list of decoder layers, such as model.layers or transformer.h.

    It is the outermost module list of the decoder that is as long as the model is deep: a list of
    experts lies inside a layer, and a vision tower outside the decoder. Raises UserError where
    there is none.
    """
    from torch.nn import ModuleList

    lists = [module for _, module in model.get_decoder().named_modules()  # outer before inner
             if isinstance(module, ModuleList) and len(module) == depth_of(model)]
    paths = [name for name, module in model.named_modules() if lists and module is lists[0]]
    if not paths:
        raise UserError(f"{model.config.model_type}: no list of {depth_of(model)} decoder layers "
                        "was found in the model. Choose another model", BAD_CONFIG)
    return paths[0]


def names_in(layers: Iterable[int], names: Iterable[str], path: str) -> list[str]:
    """Return, in order, the parameter names that belong to the given layers of the list at
    ``path``."""
    wanted, layer = set(layers), re.compile(rf"{re.escape(path)}\.(\d+)\.")
    return [name for name in names
            if (match := layer.match(name)) and int(match.group(1)) in wanted]
