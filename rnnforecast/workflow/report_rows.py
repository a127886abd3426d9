"""Rows of an evaluation table as arrays, with errors by step, origin and series."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from rnnforecast.evaluation.aggregation import error_correlation_between_series
from rnnforecast.evaluation.baselines import baseline_column
from rnnforecast.evaluation.evaluated_windows import EvaluatedWindows, WindowForecast
from rnnforecast.evaluation.window_metrics import symmetric_level_pairs
from rnnforecast.output.folder_snapshot import ReadableFolder
from rnnforecast.pipeline.evaluation_table import evaluation_table_in, model_columns
from rnnforecast.types import Floats, Ints, Timestamps

NORMAL_SCORE_OF_80 = 1.2815515655446004
"""Half the width of the 80 % interval of a standard normal distribution."""


@dataclass(frozen=True)
class EvaluationRows:
    """R rows of I items, the targets of series, in original units."""

    series: Sequence[str]
    """`[I]` label of the series of each item."""
    targets: Sequence[str]
    """`[I]` target of each item; empty texts where there is one only."""
    item: Ints
    """`[R]`"""
    window: Ints
    """`[R]` from 0 for the earliest; counted back from the last window of each item."""
    cutoff: Timestamps
    """`[R]` as in the panel."""
    timestamps: Timestamps
    """`[R]` as in the panel."""
    step: Ints
    """`[R]` from 1."""
    y: Floats
    yhat: Floats
    levels: tuple[float, ...]
    quantiles: Floats
    """`[R, Q]`"""
    baselines: dict[str, Floats]
    """`[R]` by name."""

    @property
    def n_steps(self) -> int:
        """H, of the longest horizon."""
        return int(self.step.max(initial=0))

    @property
    def n_windows(self) -> int:
        """W."""
        return int(self.window.max(initial=-1)) + 1

    @cached_property
    def best_baseline(self) -> str:
        """The baseline with the smallest mean sMAPE; empty without any."""
        errors = {name: self.smape_of(yhat).mean() for name, yhat in self.baselines.items()}
        known = {name: error for name, error in errors.items() if np.isfinite(error)}
        return min(known, key=lambda name: known[name]) if known else ""

    def smape_of(self, yhat: Floats) -> Floats:
        """`[R]` the terms of sMAPE, in percent."""
        size = np.abs(self.y) + np.abs(yhat)
        return np.asarray(200.0 * np.abs(self.y - yhat) / np.where(size == 0, 1.0, size))

    def mean_by(self, groups: Ints, values: Floats, count: int) -> Floats:
        """`[count]` means of `values [R]` by group; NaN in groups without rows."""
        known = np.isfinite(values)
        number = np.bincount(groups[known], minlength=count)
        total = np.bincount(groups[known], values[known], minlength=count)
        return np.asarray(total / np.where(number > 0, number, np.nan))

    def mean_by_step(self, values: Floats) -> Floats:
        """`[H]` means of `values [R]`."""
        return self.mean_by(self.step - 1, values, self.n_steps)

    def intervals(self) -> dict[float, tuple[Floats, Floats]]:
        """Lower and upper ends `[R]` by nominal coverage, widest first."""
        return {
            round(self.levels[high] - self.levels[low], 6): (
                self.quantiles[:, low],
                self.quantiles[:, high],
            )
            for low, high in symmetric_level_pairs(self.levels)
        }

    def windows(self, *, most_items: int, scale: Floats | None = None) -> EvaluatedWindows:
        """The windows of up to `most_items` items, evenly chosen, each item as a series.

        `scale` is the divisor of MASE by item `[I]`; it is unknown (NaN) by default.
        """
        count = len(self.series)
        chosen = np.unique(np.linspace(0, count - 1, min(count, most_items)).round().astype(int))
        kept = np.flatnonzero(np.isin(self.item, chosen))
        _, first, window = np.unique(
            self.item[kept] * self.n_windows + self.window[kept],
            return_index=True,
            return_inverse=True,
        )
        item = self.item[kept][first]  # [M]
        first_step = int(self.step.min(initial=1))
        place = self.step[kept] - first_step

        def filled(values: Floats) -> Floats:
            """`[R, ...]` → `[M, H, 1, ...]`."""
            cells = np.full((len(first), self.n_steps - first_step + 1, *values.shape[1:]), np.nan)
            cells[window, place] = values[kept]
            return cells[:, :, None]

        nothing = np.full((len(first), 1), np.nan)
        by_item = nothing if scale is None else scale[item][:, None]
        none = np.empty((len(self.y), 0))
        return EvaluatedWindows(
            series=item,
            window=self.window[kept][first],
            origin=self.window[kept][first] * self._steps_between_origins(),
            actual=filled(self.y),
            forecast=WindowForecast(filled(self.yhat), filled(self.quantiles)),
            baselines={
                name: WindowForecast(filled(yhat), filled(none))
                for name, yhat in self.baselines.items()
            },
            levels=self.levels,
            scale=by_item,
            squared_scale=nothing,
        )

    def _steps_between_origins(self) -> int:
        """The usual distance of successive origins in steps, from one item with several windows."""
        if self.n_windows < 2:
            return 1
        one = np.flatnonzero(self.item == self.item[np.argmax(self.window)])
        times, place = np.unique(self.timestamps[one], return_inverse=True)
        origins = [
            int((place[self.window[one] == number] - self.step[one][self.window[one] == number])[0])
            for number in np.unique(self.window[one])
        ]
        return max(1, int(np.median(np.diff(origins)))) if len(origins) > 1 else len(times)

    def correlation_between_series(self) -> float:
        """See `error_correlation_between_series`; NaN where it is not known."""
        intervals = self.intervals()
        if not intervals or len(self.series) < 2:
            return float("nan")
        nominal = min(intervals, key=lambda each: abs(each - 0.8))
        low, high = intervals[nominal]
        sizes = np.maximum(high - low, 0.0) / (2 * NORMAL_SCORE_OF_80)
        times = np.unique(self.timestamps, return_inverse=True)[1].astype(np.float64)
        return error_correlation_between_series(self.y - self.yhat, sizes, times)


def read_rows(
    folder: ReadableFolder, file: str, names: Iterable[str] = ()
) -> EvaluationRows | None:
    """The rows of the evaluation table in a file of a folder, None if it has none; raises
    DataError.

    `names` are those of baselines, whose columns are written differently.
    """
    table = evaluation_table_in(folder, file)
    if not len(table):
        return None
    quantiles, baselines = model_columns(table)
    written = {baseline_column(name): name for name in names}
    keys = [name for name in ("unique_id", "target") if name in table]
    groups = table.groupby(keys, sort=False, observed=True)
    item = groups.ngroup().to_numpy().astype(np.int64)
    first = table[keys].iloc[np.unique(item, return_index=True)[1]].astype(str)
    cutoff, timestamps = _timestamps(table["cutoff"]), _timestamps(table["ds"])
    return EvaluationRows(
        series=first["unique_id"].tolist(),
        targets=first["target"].tolist() if "target" in first else [""] * len(first),
        item=item,
        window=_window_numbers(item, cutoff),
        cutoff=cutoff,
        timestamps=timestamps,
        step=table["step"].to_numpy().astype(np.int64),
        y=table["y"].to_numpy(dtype=np.float64),
        yhat=table["yhat"].to_numpy(dtype=np.float64),
        levels=tuple(quantiles.values()),
        quantiles=table[list(quantiles)].to_numpy(dtype=np.float64),
        baselines={
            written.get(name, name.replace("_", " ")): table[name].to_numpy(dtype=np.float64)
            for name in baselines
        },
    )


def _timestamps(column: pd.Series) -> Timestamps:
    """Timestamps as in the panel: UTC where a time zone is named, else local to the offset."""
    zone = getattr(column.dt, "tz", None) if column.dtype.kind == "M" else None
    if zone is not None:
        has_changes = hasattr(zone, "key") and zone.key != "UTC"
        column = column.dt.tz_convert("UTC") if has_changes else column
        column = column.dt.tz_localize(None)
    values: Timestamps = column.to_numpy()
    return values.astype("datetime64[us]") if values.dtype.kind == "M" else values


def _window_numbers(item: Ints, cutoff: Timestamps) -> Ints:
    """`[R]` the number of each row's window among all windows."""
    distinct, code = np.unique(cutoff, return_inverse=True)
    pairs, pair = np.unique(item * len(distinct) + code, return_inverse=True)
    owner = pairs // len(distinct)
    from_end = np.searchsorted(owner, owner, side="right") - np.arange(len(pairs))  # 1: the last
    number: Ints = from_end.max(initial=0) - from_end
    return number[pair]
