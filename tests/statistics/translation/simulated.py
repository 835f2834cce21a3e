"""Translations of known truth: segment statistics of two systems in documents."""

from typing import NamedTuple

import numpy as np

from stages.rows import lexical, seeded
from stages.rows.segments import Metric

SENTENCES = 10  # a document on average
MEAN = Metric("comet22", "COMET", "", lexical.mean)
CHRF = Metric("chrf++", "chrF++", "", lexical.chrf)
BLEU = Metric("spbleu", "spBLEU", "", lexical.bleu)
ORDERS = {"chrf++": (6, 2), "spbleu": (0, 4)}  # of characters and of words


class Cell(NamedTuple):
    """One design of a simulation; its name seeds it."""

    documents: int
    equal: bool
    icc: float
    metric: Metric

    @property
    def name(self) -> str:
        return (f"{self.metric.label}, {self.documents} "
                f"{'equal' if self.equal else 'unequal'} documents, correlation {self.icc:g}")

    def generator(self, what: str) -> np.random.Generator:
        return seeded.generator(0, what, self.name)

    def sizes(self) -> np.ndarray:
        """Sentences of each document: all alike, or Dirichlet shares drawn by name."""
        total = SENTENCES * self.documents
        if self.equal:
            return np.full(self.documents, SENTENCES)
        rng = seeded.generator(0, "sizes", str(self.documents))
        return np.maximum(1, np.round(rng.dirichlet(np.ones(self.documents)) * total)
                          ).astype(int)


def correlated(rng, sizes, icc, shape):
    """Values (*shape, sentences) of variance 1, correlated within documents, with heavy tails."""
    shared = rng.standard_t(5, (*shape, len(sizes)))
    own = rng.standard_t(5, (*shape, int(sizes.sum())))
    return (np.sqrt(icc) * np.repeat(shared, sizes, axis=-1) + np.sqrt(1 - icc) * own
            ) * np.sqrt(3 / 5)


def statistics(rng, cell: Cell, sets: int, gap: float = 0.0) -> np.ndarray:
    """Segment statistics (2, sets, sentences, columns) of two systems.

    Sentences differ in length and difficulty, which the systems share; what a system does better
    or worse in a sentence is correlated within documents by ``cell.icc``. Both systems have the
    same distribution, but for the ``gap`` in the second one's quality.
    """
    sizes = cell.sizes()
    shape = (sets, int(sizes.sum()))
    own = correlated(rng, sizes, cell.icc, (2, sets))
    if cell.metric is MEAN:
        scores = 0.5 + 0.1 * own - gap * np.array([0, 1])[:, None, None]
        return np.stack([scores, np.ones_like(scores)], axis=-1)
    length = rng.integers(4, 30, shape)
    rate = np.clip(rng.beta(4, 3, shape) * (1 - gap * np.array([0, 1])[:, None, None])
                   + 0.12 * own, 0.01, 0.99)
    output = np.maximum(1, length + rng.integers(-3, 4, (2, *shape)))
    characters, words = ORDERS[cell.metric.name]
    columns = []
    for step, scale in [*((n, 5) for n in range(characters)), *((n, 1) for n in range(words))]:
        mine, theirs = (np.maximum(0, scale * count - step) for count in (output, length))
        theirs = np.broadcast_to(theirs, mine.shape)
        match = rng.binomial(np.minimum(mine, theirs), rate ** (1 + 0.5 * step))
        columns += [mine * (theirs > 0), theirs, match]
    return np.stack(columns, axis=-1).astype(float)
