"""What `predict` writes besides the forecast: totals over several steps, and sample paths."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from rnnforecast.data.panel.panel import Panel
from rnnforecast.errors import Problem, UsageError
from rnnforecast.evaluation.sample_paths import (
    build_sample_paths,
    draw_correlated_normals,
    extend_correlation,
)
from rnnforecast.models.compatibility import MEAN_LOSSES
from rnnforecast.output.path_tables import paths_frame, totals_frame
from rnnforecast.pipeline.forecasting import (
    Forecasts,
    levels_with_median,
)
from rnnforecast.pipeline.run_folder import Run
from rnnforecast.types import Floats

N_PATHS_FOR_TOTALS = 1000
"""Paths that a total's quantiles are taken from."""

MAX_VALUES_AT_ONCE = 20_000_000
"""Values of paths that are held at a time."""

PATH_SEED = 1
"""Of the paths: the same data have the same paths at each call."""


@dataclass(frozen=True)
class ExtraTablesRequest:
    """What is to be written besides the forecast; None for what the run's spec says."""

    totals: tuple[int, ...] | None = None
    """Numbers of steps to add up, from the first."""
    n_paths: int | None = None

    def __bool__(self) -> bool:
        return bool(self.totals or self.n_paths)

    def resolve(self, run: Run, steps: int, *, allow_files: bool) -> tuple[tuple[int, ...], int]:
        """Totals and paths of a forecast of so many steps, the spec's as far as they fit.

        `files` says that there can be files beside the forecast. UsageError where what is asked
        for here does not fit.
        """
        if self and not allow_files:
            found = "the forecast goes to stdout, and totals and paths are files beside it"
            raise UsageError(Problem("-o -", found, "give -o a file or a folder"))
        for total in self.totals or ():
            if not 1 <= total <= steps:
                raise UsageError(
                    Problem(
                        f"a total of {total} steps",
                        f"{steps} steps are forecast",
                        f"ask for 1 to {steps} of them, or for a longer horizon",
                    )
                )
        totals = tuple(each for each in run.totals if each <= steps and allow_files)
        paths = run.n_paths if allow_files else 0
        return (
            totals if self.totals is None else self.totals,
            paths if self.n_paths is None else self.n_paths,
        )


def sibling_path(out: Path, name: str) -> Path:
    """The file for `name` next to the forecast's: ``f.csv`` → ``f-totals.csv``."""
    return out.with_name(f"{out.stem}-{name}{out.suffix}")


def totals_table(
    run: Run, panel: Panel, forecasts: Forecasts, total_steps: Sequence[int]
) -> pd.DataFrame:
    """The table of totals; `found` has the quantiles of `levels_with_median`."""
    levels = levels_with_median(run.quantiles)
    ends = np.asarray(total_steps) - 1
    shape = (panel.n_series, forecasts.yhat.shape[2], len(total_steps))
    yhat, quantiles = np.empty(shape), np.empty((*shape, len(levels)))
    for some, drawn in _sample_paths(run, forecasts, N_PATHS_FOR_TOTALS):
        added = drawn.cumsum(-1)[..., ends]  # [s, C, count, T]
        # between two sums of whole numbers lies what is none
        between = np.moveaxis(np.quantile(added, levels, axis=2), 0, -1)  # [s, C, T, Q]
        quantiles[some] = run.plan.bounds.apply(between, axis=1)
        yhat[some] = quantiles[some][..., levels.index(0.5)]
    if any(member.net.config.loss in MEAN_LOSSES for member in run.members):
        yhat = forecasts.yhat.cumsum(1)[:, ends].swapaxes(1, 2)  # means add up
    wanted = [levels.index(level) for level in run.quantiles]
    frame = totals_frame(
        panel.keys,
        panel.window_timestamps(panel.lengths, forecasts.yhat.shape[1]),
        steps=total_steps,
        targets=panel.target_names,
        yhat=yhat,
        quantiles=quantiles[..., wanted],
        levels=run.quantiles,
    )
    return frame.dropna(subset="yhat")


def paths_table(run: Run, panel: Panel, forecasts: Forecasts, n_paths: int) -> pd.DataFrame:
    """The table of `count` sample paths a series and target; `found` as for `totals`."""
    parts = [drawn for _, drawn in _sample_paths(run, forecasts, n_paths)]
    frame = paths_frame(
        panel.keys,
        panel.window_timestamps(panel.lengths, forecasts.yhat.shape[1]),
        time_column=run.plan.read_options.data.time,
        targets=panel.target_names,
        values=np.concatenate(parts),
    )
    return frame.dropna(subset="yhat")


def _sample_paths(run: Run, forecasts: Forecasts, n_paths: int) -> Iterator[tuple[slice, Floats]]:
    """Some series at a time and their paths `[s, C, count, H]` in original units."""
    size, horizon, targets = forecasts.yhat.shape
    levels = levels_with_median(run.quantiles)
    normal = draw_correlated_normals(
        extend_correlation(run.error_correlation, horizon), n_paths, seed=PATH_SEED
    )
    each = max(1, MAX_VALUES_AT_ONCE // (n_paths * horizon * targets))
    for begin in range(0, size, each):
        some = slice(begin, min(begin + each, size))
        of_targets = [
            build_sample_paths(normal, forecasts.quantiles[some, :, target], levels)
            for target in range(targets)
        ]
        drawn = np.stack(of_targets, -1)  # [s, count, H, C]
        yield some, np.moveaxis(run.plan.bounds.apply(drawn), -1, 1)
