"""Data at a glance: where there are values, how long gaps and series are, and is it fit to use.

All numbers for pictures are bounded in size, however large the data are, except one a series for
lengths and levels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from rnnforecast.data.cleaning.imputation import Filled
from rnnforecast.data.cleaning.seasonality import Season
from rnnforecast.data.panel.changes import Changes
from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.panel.problems import spoken
from rnnforecast.data.profiling.coverage import Coverage, Gaps, behind, by_doubling, coverage, gaps
from rnnforecast.data.profiling.example_series import Example, examples, names_of, span
from rnnforecast.data.profiling.grades import Verdict, headline, judge
from rnnforecast.types import Bools, Floats, Ints


@dataclass(frozen=True)
class Profile:
    """The numbers behind the pictures."""

    verdicts: tuple[Verdict, ...]
    coverage: Coverage
    gaps: Gaps
    behind: dict[str, int]
    """Series that end before the last of all, by how many steps, such as "4-7 steps"."""
    lengths: Ints
    """[S] steps of each series."""
    levels: Floats
    """[S, C] the median of each series' values."""
    spreads: Floats
    """[S, C] the standard deviation of each series' values as a share of its mean size."""
    zeros: float
    """Share of the observed values that are 0."""
    negative: float
    """Share of the observed values that are below 0."""
    outliers: int
    """Values that are flagged as outliers."""
    season: Season
    seasons: dict[str, float]
    """The strength of each season that was tried; the name says how long it is."""
    chosen: str
    """The name of the season that is used; "" for none."""
    phases: tuple[str, ...]
    """What the steps of that season are called; () for no name."""
    examples: tuple[Example, ...]

    @property
    def series(self) -> int:
        """S."""
        return len(self.lengths)

    def to_json(self) -> dict[str, Any]:
        """Plain values; the pictures' numbers without the examples."""
        cover, gap = self.coverage, self.gaps
        worst, says = headline(self.verdicts)
        longest = {"steps": gap.longest, "series": gap.where, "since": _spoken(gap.since)}
        return {
            "headline": {"grade": worst, "says": says},
            "verdicts": [vars(verdict) for verdict in self.verdicts],
            "series": self.series,
            "season": {
                "length": self.season.length,
                "strength": self.season.strength,
                "tried": {str(k): v for k, v in self.season.tried.items()},
            },
            "gaps": gap.counts,
            "longest_gap": longest if gap.longest else None,
            "behind": self.behind,
            "lengths": _quartiles(self.lengths),
            "levels": _quartiles(self.levels),
            "spreads": _quartiles(self.spreads),
            "zeros": self.zeros,
            "negative": self.negative,
            "outliers": self.outliers,
            "coverage": {
                "rows": list(cover.rows),
                "series": cover.sizes.tolist(),
                "edges": list(map(_spoken, cover.edges)),
                "observed": _rounded(cover.observed),
                "filled": _rounded(cover.filled),
                "missing": _rounded(cover.missing),
            },
        }


def profile(
    panel: Panel,
    filled: Filled,
    changes: Changes,
    seasonality: Season,
    *,
    horizon: int,
    outlier_mask: Bools | None = None,
) -> Profile:
    """What a cleaned panel looks like; `outliers` [N, C] are the values flagged as such."""
    flags = np.zeros_like(panel.observed) if outlier_mask is None else outlier_mask
    levels, spreads, alive = _sizes(panel)
    known = panel.targets[panel.observed]
    late = behind(panel)
    length = seasonality.length
    return Profile(
        verdicts=judge(panel, changes, season=length, horizon=horizon),
        coverage=coverage(panel, filled.visible),
        gaps=gaps(panel),
        behind=by_doubling(late[late > 0]),
        lengths=panel.lengths,
        levels=levels,
        spreads=spreads,
        zeros=float((known == 0).mean()) if len(known) else 0.0,
        negative=float((known < 0).mean()) if len(known) else 0.0,
        outliers=int(flags.sum()),
        season=seasonality,
        seasons={span(panel.frequency, size): value for size, value in seasonality.tried.items()},
        chosen=span(panel.frequency, length) if length > 1 else "",
        phases=names_of(panel.frequency, length, panel.zone),
        examples=examples(panel, filled.visible, flags, levels, alive, season=length),
    )


def _sizes(panel: Panel) -> tuple[Floats, Floats, Bools]:
    """[S, C] medians and relative spreads, NaN where they mean nothing, and [S] whether the first
    target ever changes."""
    values = pd.DataFrame(np.where(panel.observed, panel.targets, np.nan))
    by = np.repeat(np.arange(panel.size), panel.lengths)
    grouped = values.groupby(by, sort=False)
    size = values.abs().groupby(by, sort=False).mean().to_numpy(dtype=np.float64)
    deviation = grouped.std(ddof=0).to_numpy(dtype=np.float64)
    spreads = np.where(size > 0, deviation / np.where(size > 0, size, 1.0), np.nan)
    low, high = grouped[0].min().to_numpy(), grouped[0].max().to_numpy()
    return grouped.median().to_numpy(dtype=np.float64), spreads, np.asarray(low < high)


def _quartiles(values: npt.NDArray[Any]) -> dict[str, float]:
    known = values[np.isfinite(values)]
    if not len(known):
        return {}
    names = ("smallest", "quarter", "median", "three quarters", "largest")
    points = np.quantile(known, (0, 0.25, 0.5, 0.75, 1))
    return dict(zip(names, points.tolist(), strict=True))


def _rounded(table: Floats) -> list[list[float]]:
    return [[round(value, 4) for value in row] for row in table.tolist()]


def _spoken(timestamp: np.generic | None) -> Any:
    """A stamp as text, a step of an integer index as a number."""
    if timestamp is None or isinstance(timestamp, np.datetime64):
        return None if timestamp is None else spoken(timestamp)
    return timestamp.item()
