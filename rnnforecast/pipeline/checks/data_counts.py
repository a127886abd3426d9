"""Counts of what cleaning changed in data, and of their series, which add up over partitions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from rnnforecast.data.cleaning_plan import CleanedData
from rnnforecast.data.panel.changes import CHANGE_COUNTS
from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.profiling.cleaning_report import doubtful_readings
from rnnforecast.data.profiling.coverage import last_ordinals
from rnnforecast.data.time.format import format_timestamp
from rnnforecast.pipeline.checks.finding import MAX_SERIES
from rnnforecast.pipeline.run import Run
from rnnforecast.registry import WINDOW_SCALERS
from rnnforecast.types import Ints


@dataclass(frozen=True)
class SeriesEnds:
    """Where the series of data end, by the ordinals of their last steps."""

    counts: dict[int, int] = field(default_factory=dict)
    """Series by ordinal; empty for irregular data, whose steps cannot be compared."""
    earliest: tuple[int, str, str] | None = None
    """The earliest end: its ordinal, the first series with it, and its timestamp."""
    first: tuple[tuple[str, int], ...] = ()
    """Labels and ordinals of the first series."""
    first_behind: tuple[tuple[str, int], ...] = ()
    """Those of the first series that end before the latest."""

    @property
    def latest(self) -> int | None:
        """The latest end; None if the ends cannot be compared."""
        return max(self.counts, default=None)

    @classmethod
    def of_panel(cls, panel: Panel) -> SeriesEnds:
        """The ends of the series of a panel."""
        if panel.irregular_timestamps is not None:
            return cls()
        ends, labels = last_ordinals(panel), panel.labels()
        values, counts = np.unique(ends, return_counts=True)
        row = int(np.argmin(ends))
        time = panel.window_timestamps(panel.lengths - 1, 1)[row, 0]

        def named(rows: Ints) -> tuple[tuple[str, int], ...]:
            return tuple((str(labels[each]), int(ends[each])) for each in rows[:MAX_SERIES])

        return cls(
            dict(zip(values.tolist(), counts.tolist(), strict=True)),
            (int(ends[row]), str(labels[row]), format_timestamp(time, panel.display_timezone)),
            named(np.arange(min(len(ends), MAX_SERIES))),
            named(np.flatnonzero(ends < ends.max())),
        )

    def labels_behind(self) -> tuple[str, ...]:
        """Labels of the first series that end before the latest."""
        behind = {label for label, end in (*self.first, *self.first_behind) if end < self._latest()}
        return tuple(sorted(behind)[:MAX_SERIES])

    def _latest(self) -> int:
        return 0 if self.latest is None else self.latest


@dataclass(frozen=True)
class DataCounts:
    """Counts over the series of data; those of several partitions add up."""

    changes: dict[str, int]
    """See `CHANGE_COUNTS`."""
    readings: tuple[str, ...]
    """A clause for each doubtful reading."""
    steps: int
    """Differences between consecutive timestamps."""
    regular_steps: float
    """Of these, those that are one step."""
    outside_domain: int
    unseen: int
    """Cells with a category that was not in the training data."""
    not_positive: int
    """Values of zero or less that a log is taken of."""
    series: int
    ends: SeriesEnds
    short: int
    """Series with less than half of the steps that the network reads."""
    short_series: tuple[str, ...]
    """Labels of the first of them."""

    @classmethod
    def of_cleaned(cls, run: Run, cleaned: CleanedData) -> DataCounts:
        """The counts of cleaned data for a run."""
        panel, changes = cleaned.panel, cleaned.changes
        known = changes.series[changes.series["agreement"].notna()]
        steps = (known["rows"] - 1).clip(lower=1).to_numpy()
        short = 2 * panel.lengths < shortest_lookback(run)
        normalizers = [member.net.config.normalize for member in run.members]
        takes_logs = any("log" in WINDOW_SCALERS.traits(name) for name in normalizers)
        low = cleaned.values[cleaned.target_mask] <= 0 if takes_logs else np.zeros(0)
        labels = panel.labels()[np.flatnonzero(short)[:MAX_SERIES]]
        return cls(
            changes={change.name: changes.counts[change.name] for change in CHANGE_COUNTS},
            readings=tuple(doubtful_readings(cleaned.table, changes)),
            steps=int(steps.sum()),
            regular_steps=float(changes.agreement * steps.sum()) if len(steps) else 0.0,
            outside_domain=int(cleaned.outside_domain_count.sum()),
            unseen=int(cleaned.features.unseen_count),
            not_positive=int(low.sum()),
            series=panel.n_series,
            ends=SeriesEnds.of_panel(panel),
            short=int(short.sum()),
            short_series=tuple(map(str, labels)),
        )

    @property
    def agreement(self) -> float:
        """Share of the differences that are one step; NaN without any."""
        return self.regular_steps / self.steps if self.steps else float("nan")


def add_counts(parts: Sequence[DataCounts]) -> DataCounts:
    """The counts of all partitions together."""
    changes: Counter[str] = Counter()
    ends: Counter[int] = Counter()
    for part in parts:
        changes.update(part.changes)
        ends.update(part.ends.counts)
    earliest = [part.ends.earliest for part in parts if part.ends.earliest is not None]
    latest = max(ends, default=0)

    def behind(name: str) -> tuple[tuple[str, int], ...]:
        every = [each for part in parts for each in getattr(part.ends, name) if each[1] < latest]
        return tuple(sorted(every)[:MAX_SERIES])

    return DataCounts(
        changes=dict(changes),
        readings=_first_readings([text for part in parts for text in part.readings]),
        steps=sum(part.steps for part in parts),
        regular_steps=sum(part.regular_steps for part in parts),
        outside_domain=sum(part.outside_domain for part in parts),
        unseen=sum(part.unseen for part in parts),
        not_positive=sum(part.not_positive for part in parts),
        series=sum(part.series for part in parts),
        ends=SeriesEnds(
            dict(sorted(ends.items())),
            min(earliest, default=None),
            behind("first"),
            behind("first_behind"),
        ),
        short=sum(part.short for part in parts),
        short_series=tuple(
            sorted(label for part in parts for label in part.short_series)[:MAX_SERIES]
        ),
    )


def _first_readings(readings: Sequence[str]) -> tuple[str, ...]:
    """Different readings, at most `MAX_SERIES`, and how many more there are."""
    different = list(dict.fromkeys(readings))
    more = len(different) - MAX_SERIES
    lines = [f"… and {more:,} more doubtful readings"] if more > 0 else []
    return (*different[:MAX_SERIES], *lines)


def shortest_lookback(run: Run) -> int:
    """Steps that the network with the shortest window reads; 0 without networks."""
    return min((member.net.config.input_length for member in run.members), default=0)
