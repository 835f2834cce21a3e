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

    Batches hold examples of similar length; each pass draws another order from torch's global
    random state, which all processes share. ``drawn`` is that state as it was before the draw:
    ``again`` with it makes the next pass repeat that order. A process that has no batch left in
    the last step gets an empty one, so that all take the same number.
    """

    def __init__(self, lengths: list[int], batch: int, accumulation: int, rank: int = 0,
                 processes: int = 1) -> None:
        if accumulation % processes:
            raise UserError(f"{processes} processes cannot share the {accumulation} batches of a "
                            "step. Set accumulation of the scale's train to a multiple of them, "
                            "and batch so that batch x accumulation stays, or start fewer",
                            BAD_CONFIG)
        self.lengths, self.batch, self.accumulation = lengths, batch, accumulation
        self.rank, self.processes = rank, processes
        self.drawn = torch.get_rng_state()
        self.repeat: torch.Tensor | None = None

    def again(self, drawn: torch.Tensor) -> None:
        self.repeat = drawn

    def __len__(self) -> int:
        return math.ceil(math.ceil(len(self.lengths) / self.batch) / self.processes)

    def __iter__(self) -> Iterator[list[int]]:
        if self.repeat is not None:
            torch.set_rng_state(self.repeat)
            self.repeat = None
        self.drawn = torch.get_rng_state()
        order = get_length_grouped_indices(self.lengths, self.batch * self.accumulation)
        for number in range(len(self)):
            start = (number * self.processes + self.rank) * self.batch
            yield order[start:start + self.batch]
