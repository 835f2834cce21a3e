"""Which part of a gain is answering in the right language, and which is translating better.

A language identifier is wrong about human text too, so a direction uses the first of its rules
that calls at most a stated share of the direction's *human references* another language; where
none does, nothing is said of the outputs either.

Nothing here conditions on what one system did, for the comparison would then be between different
sentences. Two views: the segments in which both systems answer in the right language, and all
segments, with the gain split by hybrids of the two systems' outputs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...rows.lexical import Array
from ...rows.segments import Corpus, Metric
from .estimates import Group, Index, Row, Scored, estimate, scored, sizes


def rules(data: Corpus, limit: float) -> list[tuple[str | None, float]]:
    """Per direction: the first rule within ``limit`` (or None), and its rate on the references."""
    found: list[tuple[str | None, float]] = []
    for d, present in enumerate(data.present):
        rates = {rule: float(called[d, present > 0].mean())
                 for rule, called in data.ref_off_target.items()}
        chosen = next((rule for rule, rate in rates.items() if rate <= limit), None)
        found.append((chosen, rates[chosen] if chosen else min(rates.values())))
    return found


def called(data: Corpus, limit: float) -> NDArray[np.bool_]:
    """Outputs in another language by each direction's rule: (systems, directions, ids)."""
    nobody = np.zeros((len(data.systems), len(data.ids)), dtype=bool)
    return np.stack([data.off_target[rule][:, d] if rule else nobody
                     for d, (rule, _) in enumerate(rules(data, limit))], axis=1)


def rates(data: Corpus, row: Group, pair: tuple[int, int], limit: float) -> Row:
    """Rule and percent of outputs in another language, per system and for the references.

    Means over the row's directions; the rule and the outputs' rates are None where a direction
    has no rule."""
    chosen = rules(data, limit)
    mine = [chosen[d] for d in row.directions]
    share = called(data, limit)[:, row.directions].sum(-1) / data.present[row.directions].sum(-1)
    known = all(rule for rule, _ in mine)
    return {"rule": ", ".join(dict.fromkeys(rule for rule, _ in mine if rule)) if known else None,
            "off_target_references": 100 * float(np.mean([rate for _, rate in mine])),
            **{f"off_target_{side}": 100 * float(share[s].mean()) if known else None
               for side, s in zip(("system", "baseline"), pair, strict=True)}}


def right_language(metric: Metric, table: Array, off: NDArray[np.bool_], documents: Index,
                   ) -> Scored:
    """The part of each direction's gain that comes from answering in the right language.

    ``table``: statistics of system and baseline, (2, directions, ids, columns); ``off``: their
    outputs in another language, (2, directions, ids). The segments in question are those where the
    baseline is in another language and the system is not. Replacing the baseline's outputs by the
    system's there and nowhere else, and everywhere else first, gives two values: their mean
    (Shapley 1953). What is left of the gain is called translating better; the two add up to it.
    """
    system, baseline = table
    repaired = (off[1] & ~off[0])[..., None]
    one, other, last, first = (scored(metric, hybrid, documents) for hybrid in (
        np.where(repaired, system, baseline), np.where(repaired, baseline, system), system,
        baseline))
    return Scored(*((one[part] - first[part] + last[part] - other[part]) / 2 for part in (0, 1)))


def split(data: Corpus, metric: Metric, rows: Sequence[Group], pair: tuple[int, int],
          alpha: float, limit: float) -> list[Row]:
    """The off-target table of a contrast and metric: rates, and the two views of the gain."""
    table, off = data.statistics[metric.name][list(pair)], called(data, limit)[list(pair)]
    each = scored(metric, table, data.documents)
    gain = Scored(*(values[0] - values[1] for values in each))
    language = right_language(metric, table, off, data.documents)
    better = Scored(*(gain[part] - language[part] for part in (0, 1)))
    both = (data.present > 0) & ~off.any(0)
    on_target = scored(metric, table * both[..., None], data.documents)
    common = Scored(*(values[0] - values[1] for values in on_target))
    found = []
    for row in rows:
        rated = rates(data, row, pair, limit)
        views: Row = {}
        for name, part, counts in (("language", language, sizes(data)),
                                   ("better", better, sizes(data)),
                                   ("both", common, sizes(data, both))):
            known = rated["rule"] is not None and counts[row.directions].any(-1).all()
            value = estimate(part, counts, row.directions) if known else None
            views |= {f"delta_{name}": value and value.delta,
                      f"ci_{name}": value and value.interval(alpha)}
        found.append({
            "direction": row.name, "n": int(data.present[row.directions].sum()), **rated,
            "delta": float(gain.whole[row.directions].mean()),
            "n_both": int(both[row.directions].sum()) if rated["rule"] else None, **views})
    return found
