"""In which order the examples come, and which batch of them goes to which process.

A step is ``batch`` x ``accumulation`` examples however many processes share it: its batches are
dealt to them in turn. So neither the order of the data nor what a step sees depends on the number
of processes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch.utils.data import Sampler
from transformers.trainer_pt_utils import get_length_grouped_indices

from ..common.errors import BAD_CONFIG, UserError


class Batches(Sampler[list[int]]):
    """Positions of the examples of every batch of one process, for one pass over the data.

    Batches hold ``batch`` examples of similar length, or with a ``budget`` as many of any length as
    have so many tokens together: these packs are made once, from ``seed``. Each pass draws another
    order from torch's global random state, which all processes share. ``drawn`` is that state as it
    was before the draw: ``again`` with it makes the next pass repeat that order. A process that has
    no batch left in the last step gets an empty one, so that all take the same number.
    """

    def __init__(self, lengths: list[int], batch: int, accumulation: int, rank: int = 0,
                 processes: int = 1, budget: int = 0, seed: int = 0) -> None:
        if accumulation % processes:
            raise UserError(f"{processes} processes cannot share the {accumulation} batches of a "
                            "step. Set accumulation of the scale's train to a multiple of them, "
                            "and batch so that batch x accumulation stays, or start fewer",
                            BAD_CONFIG)
        self.lengths, self.batch, self.accumulation = lengths, batch, accumulation
        self.rank, self.processes = rank, processes
        self.packs = packed(lengths, budget, seed) if budget else []
        self.drawn = torch.get_rng_state()
        self.repeat: torch.Tensor | None = None

    def again(self, drawn: torch.Tensor) -> None:
        self.repeat = drawn

    def __len__(self) -> int:
        batches = len(self.packs) or math.ceil(len(self.lengths) / self.batch)
        return math.ceil(batches / self.processes)

    def __iter__(self) -> Iterator[list[int]]:
        if self.repeat is not None:
            torch.set_rng_state(self.repeat)
            self.repeat = None
        self.drawn = torch.get_rng_state()
        if self.packs:
            batches = [self.packs[at] for at in torch.randperm(len(self.packs)).tolist()]
        else:
            order = get_length_grouped_indices(self.lengths, self.batch * self.accumulation)
            batches = [order[start:start + self.batch]
                       for start in range(0, len(order), self.batch)]
        for number in range(len(self)):
            at = number * self.processes + self.rank
            yield batches[at] if at < len(batches) else []


def packed(lengths: list[int], budget: int, seed: int) -> list[list[int]]:
    """Positions of all examples in random order, cut where the next would exceed the budget.

    Raises UserError where one alone exceeds it.
    """
    if max(lengths) > budget:
        raise UserError(f"an example has {max(lengths)} tokens, a pack holds {budget}. Raise "
                        "engine.pack_tokens of the scale's train", BAD_CONFIG)
    order = torch.randperm(len(lengths), generator=torch.Generator().manual_seed(seed)).tolist()
    packs: list[list[int]] = [[]]
    tokens = 0
    for at in order:
        tokens += lengths[at]
        if tokens > budget:
            packs.append([])
            tokens = lengths[at]
        packs[-1].append(at)
    return packs
