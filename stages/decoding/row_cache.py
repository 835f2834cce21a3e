"""Keys and values of a batch of rows in memory taken once: what is new is written in place.

The cache of transformers joins old and new keys into new memory at every step and again whenever
rows leave. Here a step writes a column, a leaving row is overwritten by the last one, and prompts
may enter part by part, each part no wider than its own longest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer


class RowLayer(DynamicLayer):
    """One layer's memory, (2, rows, key heads, capacity, width), and the part of it in use."""

    def __init__(self, rows: int, capacity: int) -> None:
        super().__init__()
        self.shape = rows, capacity

    def place(self, rows: range, first: int, end: int) -> None:
        """Use these rows and the columns [first, end); the next update is written from end on."""
        self.rows, self.first, self.end = rows, first, end

    def lazy_initialization(self, key_states: Tensor) -> None:
        rows, capacity = self.shape
        _, heads, _, width = key_states.shape
        self.dtype, self.device = key_states.dtype, key_states.device
        # Zeros, since what the mask hides is still multiplied by 0, which no NaN survives.
        self.memory = key_states.new_zeros(2, rows, heads, capacity, width)
        self.is_initialized = True

    def get_seq_length(self) -> int:
        return self.end - self.first

    def update(self, key_states: Tensor, value_states: Tensor,
               cache_kwargs: dict[str, Any] | None = None) -> tuple[Tensor, Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states)
        start, self.end = self.end, self.end + key_states.shape[-2]
        mine = self.memory[:, self.rows.start:self.rows.stop]
        mine[0, :, :, start:self.end], mine[1, :, :, start:self.end] = key_states, value_states
        self.keys, self.values = mine[:, :, :, self.first:self.end]
        return self.keys, self.values

    def keep(self, rows: Sequence[int]) -> None:
        """Row i becomes what row ``rows[i]`` was; ``rows`` is what ``remaining`` returns."""
        for place, source in enumerate(rows):
            if place != source:
                self.memory[:, place, :, :self.end] = self.memory[:, source, :, :self.end]
        self.rows = range(len(rows))


def of(layers: list[RowLayer]) -> DynamicCache:
    """The cache of a model with these layers."""
    cache = DynamicCache()
    cache.layers, cache.layer_class_to_replicate = [*layers], None
    return cache


def remaining(going: Sequence[bool]) -> list[int]:
    """The rows that go on, as few moved as possible: those at the end fill the gaps."""
    count = sum(going)
    late = [row for row in range(count, len(going)) if going[row]]
    return [row if going[row] else late.pop() for row in range(count)]
