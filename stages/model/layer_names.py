"""Where the layers of a model are: how many there are, and which parameters belong to each.

Every family of models names its decoder layers by number below one path, such as
model.layers.3.mlp.up_proj.weight; what is read here is that path, not the family.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..common.errors import BAD_CONFIG, UserError

if TYPE_CHECKING:
    from transformers import PreTrainedModel


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


def layer_of(name: str, path: str) -> int | None:
    """Number of the layer, in the list at ``path``, that a parameter belongs to; None outside."""
    match = re.match(rf"{re.escape(path)}\.(\d+)\.", name)
    return int(match.group(1)) if match else None


def names_in(layers: Iterable[int], names: Iterable[str], path: str) -> list[str]:
    """Return, in order, the parameter names that belong to the given layers of the list at
    ``path``."""
    wanted = set(layers)
    return [name for name in names if layer_of(name, path) in wanted]
