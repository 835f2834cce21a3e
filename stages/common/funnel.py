"""What enters and leaves a step of the data pipeline, counted in one form.

stats.json            {"seen", "kept", "dropped": {reason: n}, "by_lang": {language: the same}},
                      counts of rows; a step adds keys of its own
dropped_sample.jsonl  up to 20 rows of each reason, with "reason" first
"""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from . import jsonl

Row = dict[str, Any]
SAMPLE = 20  # rows a reason


class Funnel:
    """Counts rows by ``tgt_lang``: call ``see`` for each row, then ``keep`` or ``drop``."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self.kept: Counter[str] = Counter()
        self.dropped: dict[str, Counter[str]] = defaultdict(Counter)
        self._sample: dict[str, list[Row]] = defaultdict(list)

    def see(self, row: Row) -> None:
        self.seen[row["tgt_lang"]] += 1

    def keep(self, row: Row) -> None:
        self.kept[row["tgt_lang"]] += 1

    def drop(self, row: Row, reason: str, **more: Any) -> None:
        """Count the row under its reason; ``more`` goes into the sample with it."""
        self.dropped[row["tgt_lang"]][reason] += 1
        if len(self._sample[reason]) < SAMPLE:
            self._sample[reason].append({"reason": reason, **row, **more})

    def state(self) -> Row:
        """All of it as plain values, for ``add``; once it is known that no row was lost."""
        return {"counts": self.stats()["by_lang"], "sample": self.sample()}

    def add(self, state: Row) -> None:
        """Count what another funnel counted, of other rows."""
        for language, counts in state["counts"].items():
            self.seen[language] += counts["seen"]
            self.kept[language] += counts["kept"]
            self.dropped[language].update(counts["dropped"])
        for row in state["sample"]:
            if len(self._sample[row["reason"]]) < SAMPLE:
                self._sample[row["reason"]].append(row)

    def sample(self) -> list[Row]:
        """Dropped rows, reason by reason."""
        return [row for rows in self._sample.values() for row in rows]

    def stats(self) -> Row:
        """The counts. Raises RuntimeError where rows were lost, since that is a bug of the step."""
        by_lang = {}
        for language in sorted({*self.seen, *self.kept, *self.dropped}):
            seen, kept = self.seen[language], self.kept[language]
            dropped = dict(self.dropped.get(language, Counter()))
            if seen != kept + sum(dropped.values()):
                raise RuntimeError(f"{language}: {seen} rows seen, but {kept} kept and {dropped} "
                                   "dropped")
            by_lang[language] = {"seen": seen, "kept": kept, "dropped": dropped}
        return {"seen": self.seen.total(), "kept": self.kept.total(),
                "dropped": dict(sum(self.dropped.values(), Counter())), "by_lang": by_lang}

    def write(self, folder: Path, more: Row | None = None, *others: Funnel) -> None:
        """Write both files; ``more`` is added to the stats, ``others`` to the sample."""
        with jsonl.writer(folder / "dropped_sample.jsonl") as write:
            for funnel in (self, *others):
                for row in funnel.sample():
                    write(row)
        jsonl.write_json(folder / "stats.json", {**self.stats(), **(more or {})})
