"""The processes that train together: who is who, what all must agree on, tensors spread over them.

One process, as on the desk, needs no process group, and every function here is then free.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..model.layer_names import layer_path

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel


def count() -> int:
    """How many processes the launcher started."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """Number of this process among them."""
    return int(os.environ.get("RANK", "0"))


def local_rank() -> int:
    """Number of this process on its machine, which is that of its GPU."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def first() -> bool:
    """Whether this is the process that writes files."""
    return rank() == 0


def wait() -> None:
    """Go on when all processes are here."""
    import torch.distributed as dist

    if count() > 1:
        dist.barrier()


def any_of(*flags: bool) -> list[bool]:
    """Each flag, true where it is true in any process. All of them must call it."""
    import torch
    import torch.distributed as dist

    if count() == 1:
        return list(flags)
    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    told = torch.tensor(flags, dtype=torch.int32, device=device)
    dist.all_reduce(told, dist.ReduceOp.MAX)
    return [bool(flag) for flag in told.tolist()]


def gathered(tensor: Tensor) -> Tensor:
    """A tensor whole and on the CPU, wherever its parts lie. All processes must call it."""
    from torch.distributed.tensor import DTensor

    found = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
    return found.detach().cpu().contiguous()


def laid_out(tensor: Tensor, like: Tensor) -> Tensor:
    """A whole tensor spread over devices and processes as ``like`` is."""
    from torch.distributed.tensor import DTensor, distribute_tensor

    tensor = tensor.to(like.device)
    if isinstance(like, DTensor):
        return distribute_tensor(tensor, like.device_mesh, like.placements)
    return tensor


def spread(model: PreTrainedModel, precision: str = "float32") -> None:
    """Spread the parameters of a model over all processes, layer by layer (FSDP2), in place.

    Each layer is gathered when it computes, then in ``precision``, the name of a torch type, while
    its parts stay as they are: with float32 parts and bfloat16 these are master weights. Gradients
    exist for what trains, and are averaged over the processes in float32. One process alone does
    the same on itself.
    """
    import torch
    import torch.distributed as dist
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    if not dist.is_initialized():
        dist.init_process_group("nccl" if model.device.type == "cuda" else "gloo",
                                store=dist.HashStore(), rank=0, world_size=1)
    how = MixedPrecisionPolicy(
        param_dtype=None if precision == "float32" else getattr(torch, precision),
        reduce_dtype=torch.float32)
    for layer in model.get_submodule(layer_path(model)).children():
        fully_shard(layer, mp_policy=how)
    fully_shard(model, mp_policy=how)
    model._is_accelerate_prepared = True  # type: ignore[assignment] # or it would be replicated
