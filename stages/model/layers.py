"""Which layers each training stage tunes: the paper's idea, in one place.

With L layers numbered from the embedding (0) to the head (L-1), stage 1 tunes the ``bottom``
lowest and stage 2 the ``top`` highest, less ``skip``. The paper tunes 4 and 15 of Qwen3-8B's 36,
so layer 20 is the first frozen one below the top block. Embeddings, final norm and head stay
frozen in both stages.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_LAYER = re.compile(r"^model\.layers\.(\d+)\.")


def bottom_layers(bottom: int) -> list[int]:
    """Indices tuned in stage 1: [0, bottom)."""
    return list(range(bottom))


def top_layers(top: int, skip: Sequence[int], depth: int) -> list[int]:
    """Indices tuned in stage 2: the last ``top`` of ``depth``, less ``skip``."""
    return [layer for layer in range(depth - top, depth) if layer not in skip]


def names_in(layers: Iterable[int], names: Iterable[str]) -> list[str]:
    """Return, in order, the parameter names that belong to the given layers."""
    wanted = set(layers)
    return [name for name in names
            if (match := _LAYER.match(name)) and int(match.group(1)) in wanted]
