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

from rnnforecast.data.cleaning.imputation import FilledValues
from rnnforecast.data.cleaning.seasonality import Seasonality
from rnnforecast.data.panel.changes import CleaningChanges
from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.profiling.coverage import (
    Coverage,
    GapStatistics,
    compute_coverage,
    count_by_power_of_two,
    gap_statistics,
    steps_behind_latest,
)
from rnnforecast.data.profiling.example_series import (
    ExampleSeries,
    format_duration,
    season_phase_names,
    select_examples,
)
from rnnforecast.data.profiling.grades import QualityGrade, grade_data_quality, headline
from rnnforecast.data.time.format import format_timestamp
from rnnforecast.types import Bools, Floats, Ints


@dataclass(frozen=True)
class Profile:
    """The numbers behind the pictures."""

    quality_grades: tuple[QualityGrade, ...]
    coverage: Coverage
    gaps: GapStatistics
    behind_counts: dict[str, int]
    """Series that end before the last of all, by how many steps, such as "4-7 steps"."""
    lengths: Ints
    """[S] steps of each series."""
    medians: Floats
    """[S, C] the median of each series' values."""
    relative_stds: Floats
    """[S, C] the standard deviation of each series' values as a share of its mean size."""
    zero_share: float
    """Share of the observed values that are 0."""
    negative_share: float
    """Share of the observed values that are below 0."""
    outlier_count: int
    """Values that are flagged as outliers."""
    seasonality: Seasonality
    season_strengths: dict[str, float]
    """The strength of each season that was tried; the name says how long it is."""
    season_name: str
    """The name of the season that is used; "" for none."""
    phase_names: tuple[str, ...]
    """What the steps of that season are called; () for no name."""
    examples: tuple[ExampleSeries, ...]

    @property
    def n_series(self) -> int:
        """S."""
        return len(self.lengths)

    def to_json(self) -> dict[str, Any]:
        """Plain values; the pictures' numbers without the examples."""
        cover, gap = self.coverage, self.gaps
        worst, says = headline(self.quality_grades)
        longest = {
            "steps": gap.longest_steps,
            "series": gap.longest_series,
            "since": _format_timestamp(gap.longest_start),
        }
        return {
            "headline": {"grade": worst, "says": says},
            "verdicts": [vars(verdict) for verdict in self.quality_grades],
            "series": self.n_series,
            "season": {
                "length": self.seasonality.length,
                "strength": self.seasonality.strength,
                "tried": {str(k): v for k, v in self.seasonality.candidate_strengths.items()},
            },
            "gaps": gap.counts_by_length,
            "max_gap": longest if gap.longest_steps else None,
            "behind": self.behind_counts,
            "lengths": _quartiles(self.lengths),
            "levels": _quartiles(self.medians),
            "spreads": _quartiles(self.relative_stds),
            "zeros": self.zero_share,
            "negative": self.negative_share,
            "outliers": self.outlier_count,
            "coverage": {
                "rows": list(cover.row_labels),
                "series": cover.series_counts.tolist(),
                "edges": list(map(_format_timestamp, cover.edges)),
                "observed": _rounded(cover.observed_share),
                "filled": _rounded(cover.filled_share),
                "missing": _rounded(cover.missing_share),
            },
        }


def profile_panel(
    panel: Panel,
    filled: FilledValues,
    changes: CleaningChanges,
    seasonality: Seasonality,
    *,
    horizon: int,
    outlier_mask: Bools | None = None,
) -> Profile:
    """What a cleaned panel looks like; `outliers` [N, C] are the values flagged as such."""
    flags = np.zeros_like(panel.observed_mask) if outlier_mask is None else outlier_mask
    levels, spreads, alive = _series_statistics(panel)
    known = panel.targets[panel.observed_mask]
    late = steps_behind_latest(panel)
    length = seasonality.length
    return Profile(
        quality_grades=grade_data_quality(panel, changes, season=length, horizon=horizon),
        coverage=compute_coverage(panel, filled.value_mask),
        gaps=gap_statistics(panel),
        behind_counts=count_by_power_of_two(late[late > 0]),
        lengths=panel.lengths,
        medians=levels,
        relative_stds=spreads,
        zero_share=float((known == 0).mean()) if len(known) else 0.0,
        negative_share=float((known < 0).mean()) if len(known) else 0.0,
        outlier_count=int(flags.sum()),
        seasonality=seasonality,
        season_strengths={
            format_duration(panel.frequency, size): value
            for size, value in seasonality.candidate_strengths.items()
        },
        season_name=format_duration(panel.frequency, length) if length > 1 else "",
        phase_names=season_phase_names(panel.frequency, length, panel.display_timezone),
        examples=select_examples(panel, filled.value_mask, flags, levels, alive, season=length),
    )


def _series_statistics(panel: Panel) -> tuple[Floats, Floats, Bools]:
    """[S, C] medians and relative spreads, NaN where they mean nothing, and [S] whether the first
    target ever changes."""
    values = pd.DataFrame(np.where(panel.observed_mask, panel.targets, np.nan))
    by = np.repeat(np.arange(panel.n_series), panel.lengths)
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


def _format_timestamp(timestamp: np.generic | None) -> Any:
    """A stamp as text, a step of an integer index as a number."""
    if timestamp is None or isinstance(timestamp, np.datetime64):
        return None if timestamp is None else format_timestamp(timestamp)
    return timestamp.item()
