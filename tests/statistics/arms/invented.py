"""Arms of known truth: an endpoint of several runs on the same items, and results, invented."""

import json

import numpy as np

from stages.statistics.arms.runs import BASE, Endpoint, Stratum

UNITS = 60


def stratum(values: np.ndarray) -> Stratum:
    """Scores of items (runs, units) whose mean is the statistic."""
    units = values.shape[1]
    left = (values.sum(1, keepdims=True) - values) / (units - 1)
    return Stratum(values.mean(1), left, units - 1.0)


def endpoint(rng: np.random.Generator, arms: dict[str, list[int]], run_sd: float,
             effects: dict[str, float] | None = None, strata: int = 2, order_sd: float = 0.0,
             ) -> Endpoint:
    """Item scores of variance 1 in each stratum. ``run_sd``: between runs, in standard errors of
    the item part of a difference; ``order_sd``: the same, shared by arms of one seed."""
    unit = 1 / np.sqrt(strata * UNITS)  # SE by items of a difference from the base
    runs = [BASE, *((arm, seed) for arm, seeds in arms.items() for seed in seeds)]
    order = {seed: rng.normal(0, order_sd * unit) for seeds in arms.values() for seed in seeds}
    level = {run: 0.0 if run == BASE else (effects or {}).get(run[0], 0.0) + order[run[1]]
             + rng.normal(0, run_sd * unit) for run in runs}
    found = []
    for _ in range(strata):
        of_arm = {arm: rng.normal(0, np.sqrt(0.7), UNITS) for arm in arms} | {BASE[0]: 0.0}
        table = np.stack([level[run] + of_arm[run[0]] + (
            0.0 if run == BASE else rng.normal(0, np.sqrt(0.3), UNITS)) + np.zeros(UNITS)
            for run in runs])
        found.append(stratum(table))
    return Endpoint("invented", "points", runs, found)


QUICK = {"metric": "chrf++", "logprob": {}, "accuracy": {}, "drift_tokens": 9}

BASE_QUICK = QUICK | {"dev": {"d": 10.0}, "influence": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]}


def training(layers, before=2.0, after=1.5):
    return {"layers": layers, "dev_loss": {"before": before, "after": after}, "pairs": 9,
            "sensitivity": [{"layer": float(n), "tuned": 0.0, "gradient_l2": 6.0 - n,
                             "gradient_nuclear": 1.0 + n} for n in range(6)]}


def result(folder, arm, seed, dev, screen=False, s2=None, overrides=None):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "result.json").write_text(json.dumps({
        "arm": arm, "seed": seed, "screen": screen, "set": overrides or {},
        "quick": QUICK | {"dev": {"d": dev}, "drift": 0.04},
        "training": {"train_s1": training([]), "train_s2": s2 or training([4, 5])}}))
