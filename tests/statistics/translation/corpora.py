"""A small ``Corpus`` out of arrays, for tests of the tables."""

import numpy as np

from stages.rows.segments import Corpus
from tests.statistics.translation.simulated import MEAN

INTO = "swh_Latn-eng_Latn"
OUT_OF = "eng_Latn-swh_Latn"
SETTINGS = {"contrasts": [["xplus", "base"]], "alpha": 0.05, "seed": 1, "resamples": 500,
            "ar_trials": 499, "simulations": 200, "off_target_false_alarm": 0.05,
            "fluency_share": 0.5, "primary_metric": "comet22", "equivalence": {}}


def corpus(tables, documents, directions=(INTO,), systems=("xplus", "base"), shuffled=None,
           off=None, ref_off=None, metrics=None, copied=None) -> Corpus:
    """``tables``: {metric name: (systems, directions, ids, columns)}; ``copied``: that of the
    copied source, (directions, ids, columns), without a match unless given; ``off``: {rule:
    (systems, directions, ids)}, nobody unless given; ``ref_off``: the same of the references."""
    first = next(iter(tables.values()))
    count, nobody = len(systems), np.zeros((len(systems) + 1, *first.shape[1:3]), dtype=bool)
    whole = {}
    for name, table in tables.items():
        last = (copied or {}).get(name)
        if last is None:
            last = table[0].copy()
            last[..., 2::3] = 0
        whole[name] = np.concatenate([table, last[None]])
    rules = {rule: np.concatenate([called, nobody[:1]]) for rule, called in (off or {}).items()}
    return Corpus(
        systems=[*systems, "copy_source"], directions=list(directions),
        ids=[f"{n:04}" for n in range(first.shape[2])], documents=np.asarray(documents),
        present=np.ones(first.shape[1:3]), metrics=metrics or [MEAN], statistics=whole,
        shuffled_sums=shuffled or {}, off_target=rules or {"top1": nobody},
        ref_off_target=ref_off or {"top1": nobody[0]},
        flags={flag: nobody[:count + 1] for flag in ("empty", "copy", "truncated")})


def means(scores):
    """Statistics of a metric that is a mean, of segment scores 0-100 (systems, directions, ids)."""
    scores = np.asarray(scores, dtype=float)
    return np.stack([scores / 100, np.ones_like(scores)], axis=-1)
