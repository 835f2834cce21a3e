"""Which numbers of a model train: some layers, everything, or low-rank factors beside layers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ..common.errors import BAD_CONFIG, UserError
from ..launch import processes
from ..model.layer_names import depth_of, layer_path, names_in
from ..model.weights import LORA_B

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

ADAPTER = "default"  # what peft calls its factors: <module>.lora_A.default.weight


def choose(model: PreTrainedModel, layers: list[int], method: str, lora: dict[str, Any],
           ) -> list[str]:
    """Let only what ``method`` trains of ``layers`` train; return the parameters' names.

    layers  every parameter of them (paper)
    full    every parameter of the model, embeddings, norm and head too; layers are all or none
    lora    factors A and B beside the matrices ``lora["targets"]`` of them, added to the model:
            W + alpha / rank * B A (arXiv 2106.09685)

    Raises UserError where a layer has nothing to train, so that nothing is left out unnoticed.
    """
    every, path = [name for name, _ in model.named_parameters()], layer_path(model)
    if missing := [layer for layer in layers if not names_in([layer], every, path)]:
        raise UserError(f"{model.config.model_type}: layers {missing} have no parameters: "
                        f"{path} has {depth_of(model)} layers", BAD_CONFIG)
    match method:
        case "layers":
            names = names_in(layers, every, path)
        case "full":
            if 0 < len(layers) < depth_of(model):
                raise UserError("params.yaml: train.method: full trains everything, so layers "
                                "must be all or none", BAD_CONFIG)
            names = every if layers else []
        case "lora":
            names = add_factors(model, layers, path, **lora) if layers else []
        case _:
            raise UserError(f"params.yaml: train.method: {method!r} is not layers, full or lora",
                            BAD_CONFIG)
    wanted = set(names)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in wanted)
    return names


def keep_masters(model: PreTrainedModel, exact: dict[str, Tensor]) -> None:
    """Hold what trains in float32, with its values in ``exact`` where it is there: rounded for
    computing it is no start for small steps. Everything else stays in the type it has."""
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            parameter.data = exact.get(name, parameter.data).to(parameter.device).float()


def add_factors(model: PreTrainedModel, layers: list[int], path: str, rank: int, alpha: int,
                targets: list[str]) -> list[str]:
    """Add LoRA factors to the linear maps called ``targets`` of some layers; return their names."""
    from peft import LoraConfig, inject_adapter_in_model

    names = (rf"{re.escape(path)}\.({'|'.join(map(str, layers))})"
             rf"\.(.+\.)?({'|'.join(map(re.escape, targets))})")
    try:
        inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=alpha, target_modules=names), model,
                                ADAPTER)
    except ValueError as error:
        raise UserError(f"params.yaml: train.lora: {error}", BAD_CONFIG) from error
    return [name for name, _ in model.named_parameters() if f".{ADAPTER}." in name]


def trained(model: PreTrainedModel, names: list[str], lora: dict[str, Any]) -> dict[str, Tensor]:
    """The trained tensors as ``model.weights`` lays them on the parent; B takes the scale in.

    All processes must call it, and all get them."""
    parameters = dict(model.named_parameters())
    tensors = {}
    for name in names:
        tensor, name = processes.gathered(parameters[name]), name.replace(f".{ADAPTER}.", ".")
        if name.endswith(LORA_B):
            tensor = tensor * (lora["alpha"] / lora["rank"])
        tensors[name] = tensor.contiguous()
    return tensors
