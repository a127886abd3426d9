"""Tables of `predict` beside the forecast: totals over several steps, and sample paths."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from rnnforecast.errors import Problem, UsageError
from rnnforecast.evaluation.evaluated_windows import WindowForecast
from rnnforecast.evaluation.sample_paths import (
    build_sample_paths,
    draw_correlated_normals,
    extend_correlation,
)
from rnnforecast.output.forecast_frame import ForecastSeries
from rnnforecast.output.path_tables import paths_frame, totals_frame
from rnnforecast.pipeline.run import Run
from rnnforecast.types import Floats

N_PATHS_FOR_TOTALS = 1000
"""Sample paths from which the quantiles of totals are computed."""

MAX_VALUES_AT_ONCE = 20_000_000
"""Most values of sample paths in memory at a time."""

PATH_SEED = 1
"""Seed of the sample paths: the same data give the same paths."""


@dataclass(frozen=True)
class ExtraTablesRequest:
    """The tables to write beside the forecast; None for those of the run's spec."""

    totals: tuple[int, ...] | None = None
    """Numbers of steps to add up, each from the first step."""
    n_paths: int | None = None

    def __bool__(self) -> bool:
        return bool(self.totals or self.n_paths)

    def without_files(self) -> ExtraTablesRequest:
        """No tables, where no file can be written beside the forecast; UsageError if some are
        requested."""
        if self:
            found = "totals and paths are files beside the forecast, which goes to no file"
            raise UsageError(Problem("-o", found, "give -o a file or a folder"))
        return NO_EXTRA_TABLES

    def resolve(self, run: Run, steps: int) -> tuple[tuple[int, ...], int]:
        """Totals and number of paths for a forecast of `steps`.

        Totals of the spec with more steps are left out; those of the request raise UsageError.
        """
        for total in self.totals or ():
            if not 1 <= total <= steps:
                raise UsageError(
                    Problem(
                        f"a total of {total} steps",
                        f"{steps} steps are forecast",
                        f"give 1 to {steps} steps, or a longer horizon",
                    )
                )
        totals = tuple(each for each in run.totals if each <= steps)
        return (
            totals if self.totals is None else tuple(dict.fromkeys(self.totals)),
            run.n_paths if self.n_paths is None else self.n_paths,
        )

    def left_out(self, run: Run, steps: int) -> tuple[int, ...]:
        """Totals of the spec with more than `steps`, where those of the spec are written."""
        return tuple(each for each in run.totals if each > steps and self.totals is None)


NO_EXTRA_TABLES = ExtraTablesRequest((), 0)


def sibling_path(out: Path, name: str) -> Path:
    """The file for `name` next to the forecast's: ``f.csv`` → ``f-totals.csv``."""
    return out.with_name(f"{out.stem}-{name}{out.suffix}")


def totals_table(
    run: Run, series: ForecastSeries, forecasts: WindowForecast, total_steps: Sequence[int]
) -> pd.DataFrame:
    """The table of totals; `forecasts` must have the quantiles of `run.levels.computed`, not
    rounded."""
    levels = run.levels
    ends = np.asarray(total_steps) - 1
    shape = (*series.status.shape, len(total_steps))
    yhat, quantiles = np.empty(shape), np.empty((*shape, len(levels.computed)))
    for part, paths in _sample_paths(run, forecasts, N_PATHS_FOR_TOTALS):
        totals = paths.cumsum(-1)[..., ends]  # [s, C, n_paths, T]
        interpolated = np.moveaxis(np.quantile(totals, levels.computed, axis=2), 0, -1)
        quantiles[part] = run.plan.bounds.apply(interpolated, axis=1)  # [s, C, T, Q]
        yhat[part] = quantiles[part][..., levels.median_index]
    if run.point_is_mean:
        yhat = forecasts.yhat.cumsum(1)[:, ends].swapaxes(1, 2)  # means add up
    return totals_frame(series, yhat, levels.select(quantiles), run.quantiles, steps=total_steps)


def paths_table(
    run: Run, series: ForecastSeries, forecasts: WindowForecast, n_paths: int
) -> pd.DataFrame:
    """The table of `n_paths` sample paths of each series that is not skipped; `forecasts` as for
    `totals_table`."""
    parts = [paths for _, paths in _sample_paths(run, forecasts, n_paths)]
    return paths_frame(series, np.concatenate(parts)).dropna(subset="yhat")


def _sample_paths(
    run: Run, forecasts: WindowForecast, n_paths: int
) -> Iterator[tuple[slice, Floats]]:
    """Batches of series and their paths `[s, C, n_paths, H]` in original units."""
    n_series, horizon, targets = forecasts.yhat.shape
    normals = draw_correlated_normals(
        extend_correlation(run.error_correlation, horizon), n_paths, seed=PATH_SEED
    )
    batch_size = max(1, MAX_VALUES_AT_ONCE // (n_paths * horizon * targets))
    for begin in range(0, n_series, batch_size):
        series = slice(begin, min(begin + batch_size, n_series))
        by_target = [
            build_sample_paths(normals, forecasts.quantiles[series, :, target], run.levels.computed)
            for target in range(targets)
        ]
        paths = np.stack(by_target, -1)  # [s, n_paths, H, C]
        yield series, np.moveaxis(run.plan.bounds.apply(paths), -1, 1)
