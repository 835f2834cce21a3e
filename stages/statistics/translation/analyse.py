"""Every table of translation out of one ``Corpus``."""

from __future__ import annotations

from ...rows import segments
from ...rows.segments import Corpus
from . import compare, estimates, floors, level, off_target, tables
from .estimates import Row
from .tables import Table


def analyse(data: Corpus, languages: Row, settings: Row,
            ) -> tuple[list[Table], dict[str, dict[str, list[Row]]]]:
    """Tables in the order of the report, and the rows by contrast ("system-baseline") and metric.

    ``languages``: of meta.json, for groups by resource; ``settings``: see params.yaml.
    """
    mine = {metric.name: segments.known(data, metric) for metric in data.metrics}
    rows = {name: estimates.groups(found.directions, languages) for name, found in mine.items()}
    scores = {name: estimates.scored(metric, mine[name].statistics[name], data.documents)
              for metric in data.metrics for name in [metric.name]}
    draws = {metric.name: compare.bootstrap(mine[metric.name], metric, rows[metric.name], settings)
             for metric in data.metrics}
    alpha, limit = settings["alpha"], settings["off_target_false_alarm"]
    found, compared = [], {}
    for system, baseline in settings["contrasts"]:
        pair = (data.systems.index(system), data.systems.index(baseline))
        by_metric = {metric.name: compare.compare(
            mine[metric.name], metric, scores[metric.name], rows[metric.name], system, baseline,
            settings, draws[metric.name]) for metric in data.metrics}
        compare.agreement(by_metric)
        compared[f"{system}-{baseline}"] = by_metric
        found += [tables.translation(
            by_metric[metric.name], system, baseline, metric.name, metric.label, alpha,
            compare.notes(metric, by_metric[metric.name], settings)) for metric in data.metrics]
        found += [tables.off_target(
            off_target.split(mine[metric.name], metric, rows[metric.name], pair, alpha, limit),
            system, baseline, metric.name, metric.label, alpha, limit) for metric in data.metrics]
    first = settings["contrasts"][0][0]
    found += [tables.floors(
        floors.floors(data, metric, scores[metric.name], rows[metric.name], first, alpha),
        metric.name,
        metric.label, data.systems[:-1], first, alpha)
        for metric in data.metrics if metric.name in data.shuffled_sums]
    simulated = level.levels(data, estimates.groups(data.directions, languages), alpha,
                             settings["simulations"], settings["seed"])
    return [*found, tables.levels(simulated[0], alpha, simulated[1])], compared
