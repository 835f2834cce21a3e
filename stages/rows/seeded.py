"""Random generators that are named after what they draw."""

from __future__ import annotations

import hashlib

import numpy as np


def generator(seed: int, *key: str) -> np.random.Generator:
    """A random generator that depends on the seed and on a name, and on nothing else.

    Rows draw from generators named after what they resample, so that adding a row to a table
    leaves the numbers of all others as they were, and the same units are drawn for each system.
    """
    digest = hashlib.sha256("\0".join(key).encode()).digest()
    return np.random.default_rng([seed, *np.frombuffer(digest, dtype="<u4")[:4].tolist()])
