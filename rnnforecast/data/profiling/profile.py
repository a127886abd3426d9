"""Profile of a panel: quality grades, coverage, gaps, seasonality, and statistics of its series."""

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
from rnnforecast.data.profiling.cleaning_report import to_plain
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
from rnnforecast.data.time.grid import series_chunks
from rnnforecast.types import Bools, Floats, Ints


@dataclass(frozen=True)
class Profile:
    """The numbers of the data report."""

    quality_grades: tuple[QualityGrade, ...]
    coverage: Coverage
    gaps: GapStatistics
    behind_counts: dict[str, int]
    """Number of series that end before the latest end, by distance such as "4-7 steps"."""
    lengths: Ints
    """[S] steps of each series."""
    medians: Floats
    """[S, C] medians of the observed values, in original units."""
    value_ranges: Floats
    """[C, 3] smallest, median and largest observed value of each target; NaN without any."""
    missing_shares: Floats
    """[C] share of the steps without a value of each target."""
    relative_stds: Floats
    """[S, C] standard deviation divided by mean absolute value; NaN if that is 0."""
    zero_share: float
    """Share of the observed values that are 0."""
    negative_share: float
    """Share of the observed values that are below 0."""
    outlier_count: int
    """Values flagged as outliers."""
    seasonality: Seasonality
    season_strengths: dict[str, float]
    """Strength of each tested season, by its length in words."""
    unknown_seasons: tuple[str, ...]
    """Lengths of seasons that the data are too short for, in words."""
    season_name: str
    """Length of the season in use, in words; "" without a season."""
    phase_names: tuple[str, ...]
    """Names of the steps of that season, such as Mon; () if they have none."""
    examples: tuple[ExampleSeries, ...]

    @property
    def n_series(self) -> int:
        """S."""
        return len(self.lengths)

    def to_json(self) -> dict[str, Any]:
        """The profile as plain values, without the example series."""
        coverage, gaps = self.coverage, self.gaps
        grade, message = headline(self.quality_grades)
        longest = {
            "steps": gaps.longest_steps,
            "series": gaps.longest_series,
            "start": to_plain(gaps.longest_start),
        }
        if gaps.longest_target:
            longest["target"] = gaps.longest_target
        return {
            "headline": {"grade": grade, "message": message},
            "quality_grades": [vars(one) for one in self.quality_grades],
            "series": self.n_series,
            "season": {
                "length": self.seasonality.length,
                "strength": self.seasonality.strength,
                "candidates": {str(k): v for k, v in self.seasonality.candidate_strengths.items()},
                "found": list(self.seasonality.significant),
                "unknown": list(self.seasonality.unknown),
            },
            "gaps": gaps.counts_by_length,
            "longest_gap": longest if gaps.longest_steps else None,
            "behind_counts": self.behind_counts,
            "lengths": _quartiles(self.lengths),
            "medians": _quartiles(self.medians),
            "relative_stds": _quartiles(self.relative_stds),
            "zero_share": self.zero_share,
            "negative_share": self.negative_share,
            "outlier_count": self.outlier_count,
            "coverage": {
                "labels": list(coverage.row_labels),
                "series_counts": coverage.series_counts.tolist(),
                "edges": list(map(to_plain, coverage.edges)),
                "observed": _rounded(coverage.observed_share),
                "filled": _rounded(coverage.filled_share),
                "missing": _rounded(coverage.missing_share),
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
    """The profile of a panel; `outlier_mask` [N, C] is true for outliers."""
    outliers = np.zeros_like(panel.observed_mask) if outlier_mask is None else outlier_mask
    medians, relative_stds, is_varying = _series_statistics(panel)
    observed = panel.targets[panel.observed_mask]
    behind = steps_behind_latest(panel)
    length = seasonality.length
    return Profile(
        quality_grades=grade_data_quality(panel, changes, season=length, horizon=horizon),
        coverage=compute_coverage(panel, filled.value_mask),
        gaps=gap_statistics(panel),
        behind_counts=count_by_power_of_two(behind[behind > 0]),
        lengths=panel.lengths,
        medians=medians,
        value_ranges=_value_ranges(panel),
        missing_shares=1.0 - panel.observed_mask.mean(axis=0),
        relative_stds=relative_stds,
        zero_share=float((observed == 0).mean()) if len(observed) else 0.0,
        negative_share=float((observed < 0).mean()) if len(observed) else 0.0,
        outlier_count=int(outliers.sum()),
        seasonality=seasonality,
        season_strengths={
            format_duration(panel.frequency, steps): strength
            for steps, strength in seasonality.candidate_strengths.items()
        },
        unknown_seasons=tuple(
            format_duration(panel.frequency, steps) for steps in seasonality.unknown
        ),
        season_name=format_duration(panel.frequency, length) if length > 1 else "",
        phase_names=season_phase_names(panel.frequency, length, panel.display_timezone),
        examples=select_examples(
            panel, filled.value_mask, outliers, medians, is_varying, season=length
        ),
    )


def _series_statistics(panel: Panel) -> tuple[Floats, Floats, Bools]:
    """[S, C] medians, [S, C] relative standard deviations, [S] whether the first target varies."""
    parts = [
        _chunk_statistics(
            np.where(panel.observed_mask[rows], panel.targets[rows], np.nan),
            np.repeat(np.arange(first, stop), panel.lengths[first:stop]),
        )
        for first, stop in series_chunks(panel.offsets)
        for rows in [slice(panel.offsets[first], panel.offsets[stop])]
    ]
    medians, relative, varies = zip(*parts, strict=True)
    return np.concatenate(medians), np.concatenate(relative), np.concatenate(varies)


def _chunk_statistics(targets: Floats, series: Ints) -> tuple[Floats, Floats, Bools]:
    """As `_series_statistics`, of the targets [R, C] of a few series [R]."""
    values = pd.DataFrame(targets)
    grouped = values.groupby(series, sort=False)
    size = values.abs().groupby(series, sort=False).mean().to_numpy(dtype=np.float64)
    std = grouped.std(ddof=0).to_numpy(dtype=np.float64)
    relative = np.where(size > 0, std / np.where(size > 0, size, 1.0), np.nan)
    low, high = grouped[0].min().to_numpy(), grouped[0].max().to_numpy()
    return grouped.median().to_numpy(dtype=np.float64), relative, np.asarray(low < high)


def _value_ranges(panel: Panel) -> Floats:
    """`Profile.value_ranges`."""
    found = np.full((len(panel.target_names), 3), np.nan)
    for column, (values, known) in enumerate(
        zip(panel.targets.T, panel.observed_mask.T, strict=True)
    ):
        if known.any():
            found[column] = np.quantile(values[known], (0, 0.5, 1))
    return found


def _quartiles(values: npt.NDArray[Any]) -> dict[str, float]:
    finite = values[np.isfinite(values)]
    if not len(finite):
        return {}
    points = np.quantile(finite, (0, 0.25, 0.5, 0.75, 1))
    return dict(zip(("min", "25%", "50%", "75%", "max"), points.tolist(), strict=True))


def _rounded(table: Floats) -> list[list[float]]:
    return [[round(value, 4) for value in row] for row in table.tolist()]
