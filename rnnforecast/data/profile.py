"""Data at a glance: where there are values, how long gaps and series are, and is it fit to use.

All numbers are bounded in size, however large the data are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from rnnforecast.data.changes import Changes
from rnnforecast.data.faults import spoken
from rnnforecast.data.impute import Filled
from rnnforecast.data.panel import Panel
from rnnforecast.data.season import Season

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

ROWS, COLUMNS = 40, 160
"""The most rows (series, or groups of them) and columns (stretches of time) of the coverage."""
MOST_SERIES = 2000
"""Series that coverage and gaps are counted of; of more, so many evenly spread."""
EXAMPLES = 4
EXAMPLE_STEPS = 400

Grade = Literal["good", "look", "bad"]
LIMITS: dict[str, tuple[float, float]] = {
    "values": (0.95, 0.70),
    "length": (0.90, 0.50),
    "stamps": (0.99, 0.80),
    "fresh": (0.95, 0.70),
    "alive": (0.95, 0.50),
}
"""The least share for "good" and for "look" of each verdict."""


@dataclass(frozen=True)
class Verdict:
    """One thing that matters, how it stands, and why."""

    about: str
    grade: Grade
    says: str


@dataclass(frozen=True)
class Profile:
    """The numbers behind the pictures."""

    observed: Floats
    """[G, T] share of the steps of these series in this stretch of time that have a value; NaN
    where none of them runs."""
    filled: Floats
    """[G, T] share of the steps that are filled."""
    rows: tuple[str, ...]
    """[G] the series, or the first of each group."""
    edges: tuple[str, ...]
    """[T + 1] the stamps where the stretches begin, and the end."""
    gaps: dict[str, int]
    """Gaps by length, such as "3-4 steps"."""
    lengths: Ints
    """[S'] steps of the series looked at."""
    levels: Floats
    """[S', C] the median of each series' values."""
    season: Season
    examples: tuple[tuple[str, Floats], ...]
    """Label and last values, NaN where missing, of a few series."""
    verdicts: tuple[Verdict, ...]
    looked_at: int
    """S'."""
    series: int

    def to_json(self) -> dict[str, Any]:
        """Plain values; the pictures' numbers without the examples."""
        return {
            "verdicts": [vars(verdict) for verdict in self.verdicts],
            "series": self.series,
            "series_looked_at": self.looked_at,
            "season": {
                "length": self.season.length,
                "strength": self.season.strength,
                "tried": {str(k): v for k, v in self.season.tried.items()},
            },
            "gaps": self.gaps,
            "lengths": _quartiles(self.lengths),
            "levels": _quartiles(self.levels),
            "coverage": {
                "rows": list(self.rows),
                "edges": list(self.edges),
                "observed": _plain(self.observed),
                "filled": _plain(self.filled),
            },
        }


def profile(
    panel: Panel, filled: Filled, changes: Changes, season: Season, *, horizon: int
) -> Profile:
    """What a cleaned panel looks like."""
    chosen = _evenly(panel.size, MOST_SERIES)
    rows = np.repeat(chosen, panel.lengths)
    some = panel.select(chosen)
    visible = (filled.visible & ~panel.observed)[rows]
    observed, drawn, names = _coverage(some, visible)
    return Profile(
        observed=observed,
        filled=drawn,
        rows=names,
        edges=_edges(some, observed.shape[1]),
        gaps=_gaps(some),
        lengths=some.lengths,
        levels=_levels(some),
        season=season,
        examples=tuple(
            (str(some.labels()[s]), _last(some, int(s)))
            for s in np.flatnonzero(_evenly(some.size, EXAMPLES))
        ),
        verdicts=_verdicts(panel, changes, season, horizon),
        looked_at=some.size,
        series=panel.size,
    )


def _evenly(size: int, most: int) -> Bools:
    """[size] whether each is among the at most `most` that are evenly spread."""
    chosen = np.zeros(size, dtype=np.bool_)
    chosen[np.arange(min(size, most)) * size // max(1, min(size, most))] = True
    return chosen


def _coverage(panel: Panel, drawn: Bools) -> tuple[Floats, Floats, tuple[str, ...]]:
    """Shares `[G, T]` of observed and of filled steps; series in the order in which they begin."""
    first, stop = int(panel.start.min()), int((panel.start + panel.lengths).max())
    columns = min(COLUMNS, stop - first)
    order = np.lexsort((np.arange(panel.size), panel.start))
    groups = min(ROWS, panel.size)
    group = np.empty(panel.size, dtype=np.int64)
    group[order] = np.arange(panel.size) * groups // panel.size
    step = np.arange(panel.offsets[-1]) - np.repeat(panel.offsets[:-1] - panel.start, panel.lengths)
    column = (step - first) * columns // (stop - first)
    cell = np.repeat(group, panel.lengths) * columns + column
    size = groups * columns
    total = np.bincount(cell, minlength=size)

    def share(mask: Bools) -> Floats:
        found = np.bincount(cell, weights=mask.mean(axis=1), minlength=size)
        return np.where(total > 0, found / np.maximum(total, 1), np.nan).reshape(groups, columns)

    heads = order[np.searchsorted(group[order], np.arange(groups))]
    return share(panel.observed), share(drawn), tuple(map(str, panel.labels()[heads]))


def _edges(panel: Panel, columns: int) -> tuple[str, ...]:
    first, stop = int(panel.start.min()), int((panel.start + panel.lengths).max())
    # the first step of each stretch of time, see _coverage
    ordinals = first + -(-np.arange(columns + 1) * (stop - first) // columns)
    if panel.times is not None:  # steps of irregular rows have no common stamp
        return tuple(str(ordinal) for ordinal in ordinals)
    phase = int(np.bincount(panel.phase - panel.phase.min()).argmax()) if panel.size == 1 else 0
    stamps = panel.frequency.stamps(ordinals, np.full(columns + 1, panel.phase[0] + phase))
    return tuple(map(spoken, panel.shown(stamps)))


def _gaps(panel: Panel) -> dict[str, int]:
    """How many gaps there are by length, in doubling steps."""
    missing = ~panel.observed.T  # [C, N]
    first = np.zeros(missing.shape[1], dtype=np.bool_)
    first[panel.offsets[:-1]] = True
    begins = missing & (np.c_[np.ones(len(missing), dtype=np.bool_), ~missing[:, :-1]] | first)
    last = np.r_[first[1:], True]
    ends = missing & (np.c_[~missing[:, 1:], np.ones(len(missing), dtype=np.bool_)] | last)
    lengths = np.nonzero(ends)[1] - np.nonzero(begins)[1] + 1
    found: dict[str, int] = {}
    size = 1
    while lengths.size and size <= lengths.max():
        count = int(((lengths >= size) & (lengths < 2 * size)).sum())
        found["1 step" if size == 1 else f"{size}-{2 * size - 1} steps"] = count
        size *= 2
    return found


def _levels(panel: Panel) -> Floats:
    """[S, C] medians, NaN where nothing is observed."""
    columns = []
    for c in range(panel.targets.shape[1]):
        values = panel.targets[:, c]
        series = np.repeat(np.arange(panel.size), panel.lengths)
        order = np.lexsort((values, series))  # missing values, NaN, come last
        count = np.add.reduceat(panel.observed[:, c].astype(np.int64), panel.offsets[:-1])
        place = panel.offsets[:-1] + np.maximum(count - 1, 0) // 2
        columns.append(np.where(count > 0, values[order][place], np.nan))
    return np.stack(columns, axis=1)


def _last(panel: Panel, series: int) -> Floats:
    end = int(panel.offsets[series + 1])
    values: Floats = panel.targets[max(int(panel.offsets[series]), end - EXAMPLE_STEPS) : end, 0]
    return values


def _verdicts(panel: Panel, changes: Changes, season: Season, horizon: int) -> tuple[Verdict, ...]:
    known = float(panel.observed.mean())
    wanted = horizon + 2 * season.length
    counts = np.add.reduceat(panel.observed.any(axis=1).astype(np.int64), panel.offsets[:-1])
    long = float((counts >= wanted).mean())
    touched = changes.duplicates + changes.off_grid + changes.snapped + changes.ambiguous
    clean = 1.0 - touched / max(changes.rows, 1)
    end = panel.start + panel.lengths
    fresh = float((end > end.max() - max(horizon, season.length)).mean())
    kept = (changes.series["skipped"] == "").to_numpy()
    still = float((changes.series["constant"].to_numpy()[kept] > 0).mean()) if kept.any() else 0.0
    left_out = len(changes.skipped)
    enough = "a horizon and two seasons, or more"
    said = {
        "values": (known, f"{_share(known)} of the steps inside the series have a value"),
        "length": (long, f"{_share(long)} of the series have {wanted:,} values, {enough}"),
        "stamps": (
            clean,
            f"{_share(clean)} of the rows stood on the calendar as they were"
            + (f"; {left_out:,} series were left out" if left_out else ""),
        ),
        "fresh": (fresh, f"{_share(fresh)} of the series go on to about the common end"),
        "alive": (1.0 - still, f"{_share(1.0 - still)} of the series change at all"),
    }
    return tuple(
        Verdict(about, _grade(about, share), says) for about, (share, says) in said.items()
    )


def _grade(about: str, share: float) -> Grade:
    good, look = LIMITS[about]
    return "good" if share >= good else "look" if share >= look else "bad"


def _share(share: float) -> str:
    """Never 100 % where it is not all."""
    return f"{min(share, 0.999) if share < 1 else share:.1%}".replace(".0%", "%")


def _quartiles(values: npt.NDArray[Any]) -> dict[str, float]:
    known = values[np.isfinite(values)]
    if not len(known):
        return {}
    names = ("smallest", "quarter", "median", "three quarters", "largest")
    points = np.quantile(known, (0, 0.25, 0.5, 0.75, 1))
    return dict(zip(names, points.tolist(), strict=True))


def _plain(table: Floats) -> list[list[float | None]]:
    return [[None if np.isnan(x) else round(float(x), 4) for x in row] for row in table]
