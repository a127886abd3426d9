"""Windows of issued forecasts beside the values that were observed since.

A window is a series of the panel and a cutoff, as in `evaluation.evaluated_windows`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from rnnforecast.batch.ledger.ledger import ledger_timestamps, panel_timestamps
from rnnforecast.data.panel.panel import Panel
from rnnforecast.evaluation.baselines import BASELINES, Baseline
from rnnforecast.evaluation.evaluated_windows import EvaluatedWindows, WindowForecast
from rnnforecast.pipeline.evaluation import evaluate_windows
from rnnforecast.pipeline.evaluation_table import quantile_level
from rnnforecast.types import Bools, Ints

MAX_STEP = 1_000_000
"""Steps beyond which a row of the ledger cannot be right."""


@dataclass
class IssuedWindows:
    """Joins issues with a panel, newest first, so that each window counts once."""

    panel: Panel
    season: int
    labels: pd.Index = field(init=False)
    seen: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    """Codes of the windows so far, ascending."""
    repeated: int = 0
    """Windows of earlier issues that were issued again."""
    awaiting: int = 0
    """Windows without any observed value as yet."""
    unknown: int = 0
    """Windows whose series or cutoff is not in the data; those before all data, which a delivery of
    the latest weeks leaves out, do not count."""
    known: list[Counter[int]] | None = None
    """If not None, the windows of each issue that are in the data, by cutoff, instead of `unknown`:
    of a panel with some of the series."""
    next_origin: Ints = field(init=False)
    """`[S]` the first step of the earliest window so far."""

    def __post_init__(self) -> None:
        self.labels = pd.Index(self.panel.labels())
        self.next_origin = self.panel.lengths.copy()

    @property
    def baseline(self) -> Baseline:
        """The seasonal naive forecast; the naive one without a season."""
        name = "seasonal naive" if self.season > 1 else "naive"
        return next(each for each in BASELINES if each.name == name)

    def join(self, rows: pd.DataFrame | None) -> tuple[EvaluatedWindows, Ints] | None:
        """The windows of an issue with a value, which no later issue has; and `[M]` the steps of
        each that no later window of the series forecasts. None without any, as for an issue that
        cannot be read, of which `rows` are None."""
        if rows is not None:
            rows = valid_rows(rows)
            if self.known is not None:
                rows = rows[rows["unique_id"].isin(self.labels)]
        if rows is None or not len(rows):
            if self.known is not None:
                self.known.append(Counter())
            return None
        panel = self.panel
        series, target, origin = self._places(rows)
        known = (series >= 0) & (target >= 0) & (origin > 0)
        code, inverse = np.unique(
            np.where(known, series * (int(panel.lengths.max()) + 2) + origin, -1),
            return_inverse=True,
        )
        first = np.full(len(code), -1)
        first[inverse[::-1]] = np.arange(len(rows))[::-1]  # a row of each window
        is_known = code >= 0
        if self.known is not None:
            self.known.append(distinct_windows(rows[known]))
        else:
            self.unknown += _count_unknown(rows, known | self._is_before_data(rows))
        is_new = is_known & ~np.isin(code, self.seen, kind="sort")
        self.repeated += int((is_known & ~is_new).sum())
        self.seen = np.union1d(self.seen, code[is_new])
        ahead = panel.lengths[series[first]] - origin[first]  # steps with a value
        step = rows["step"].to_numpy()
        chosen = is_new[inverse] & (step <= ahead[inverse])
        wanted = np.bincount(inverse, chosen, len(code)) > 0
        self.awaiting += int((is_new & ~wanted).sum())
        if not wanted.any():
            return None
        number = np.cumsum(wanted) - 1
        place = number[inverse[chosen]], step[chosen] - 1, target[chosen]
        begins = first[wanted]
        windows = self._evaluate(rows[chosen], place, series[begins], origin[begins])
        return windows, self._fresh_steps(windows)

    def _is_before_data(self, rows: pd.DataFrame) -> Bools:
        """`[R]` whether the cutoff lies before the first timestamp of all series."""
        start = self.panel.start_timestamps().min(keepdims=True)
        cutoff = rows["cutoff"].to_numpy()
        if cutoff.dtype.kind != start.dtype.kind:
            return np.zeros(len(rows), dtype=bool)
        return np.asarray(cutoff < ledger_timestamps(start, self.panel))

    def _places(self, rows: pd.DataFrame) -> tuple[Ints, Ints, Ints]:
        """`[R]` series and target, -1 where unknown, and origin, 0 where the cutoff is no
        timestamp of the series."""
        panel = self.panel
        series = _codes(rows["unique_id"], self.labels)
        target = _codes(rows["target"], pd.Index(panel.target_names))
        if not (series >= 0).any():
            return series, target, np.zeros_like(series)
        stored = rows["cutoff"].to_numpy()
        times = panel.window_timestamps(panel.lengths - 1, 1)
        if stored.dtype.kind != times.dtype.kind:
            return series, target, np.zeros_like(series)
        distinct, inverse = np.unique(stored, return_inverse=True)
        distinct = panel_timestamps(distinct.astype(times.dtype), panel)
        possible = (distinct >= panel.start_timestamps().min()) & (distinct <= times.max())
        distinct = np.where(possible, distinct, times.max())  # others may be beyond any calendar
        cutoffs = distinct[inverse]
        if panel.irregular_timestamps is not None:
            index = pd.MultiIndex.from_arrays([panel.series, panel.irregular_timestamps])
            row = index.get_indexer(pd.MultiIndex.from_arrays([series, cutoffs]))
            is_there = (row >= 0) & possible[inverse]
            return series, target, np.where(is_there, row - panel.offsets[series] + 1, 0)
        origin = panel.frequency.ordinals(distinct)[inverse] - panel.start[series] + 1
        inside = (series >= 0) & (origin > 0) & (origin <= panel.lengths[series])
        inside &= possible[inverse]
        step = np.where(inside, origin - 1, 0)
        there = panel.window_timestamps(step, 1, np.maximum(series, 0))[:, 0]
        return series, target, np.where(inside & (there == cutoffs), origin, 0)

    def _evaluate(
        self,
        rows: pd.DataFrame,
        place: tuple[Ints, Ints, Ints],
        series: Ints,
        origin: Ints,
    ) -> EvaluatedWindows:
        """The windows beside observed values and the baseline; `place` are the window, step and
        target of each row."""
        shape = len(series), int(place[1].max()) + 1, len(self.panel.target_names)
        levels = {
            name: level for name in rows.columns if (level := quantile_level(name)) is not None
        }
        levels = dict(sorted(levels.items(), key=lambda item: item[1]))
        yhat = np.full(shape, np.nan)
        yhat[place] = rows["yhat"].to_numpy()
        quantiles = np.full((*shape, len(levels)), np.nan)
        for index, name in enumerate(levels):
            quantiles[(*place, np.full(len(place[0]), index))] = rows[name].to_numpy()
        return evaluate_windows(
            self.panel,
            WindowForecast(yhat, quantiles),
            series,
            origin,
            season=self.season,
            levels=tuple(levels.values()),
            baselines=(self.baseline,),
        )

    def _fresh_steps(self, windows: EvaluatedWindows) -> Ints:
        """`[M]` see `join`."""
        order = np.lexsort((windows.origin, windows.series))
        series, origin = windows.series[order], windows.origin[order]
        is_last = np.r_[series[1:] != series[:-1], True]
        following = np.where(is_last, self.next_origin[series], np.r_[origin[1:], 0])
        fresh = np.zeros(len(order), dtype=np.int64)
        fresh[order] = np.maximum(following - origin, 0)
        np.minimum.at(self.next_origin, windows.series, windows.origin)
        return fresh


def valid_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with a forecast, a cutoff and a possible step."""
    step = rows["step"].to_numpy(dtype=np.float64, na_value=np.nan)
    is_valid = (step >= 1) & (step <= MAX_STEP) & np.isfinite(rows["yhat"].to_numpy())
    is_valid &= rows["cutoff"].notna().to_numpy()
    valid: pd.DataFrame = rows.loc[is_valid]
    return valid.assign(step=step[is_valid].astype(np.int64))


def distinct_windows(rows: pd.DataFrame) -> Counter[int]:
    """The number of distinct series and targets of each cutoff, as microseconds or a number."""
    distinct = rows[["unique_id", "target", "cutoff"]].drop_duplicates()
    cutoffs = cutoff_numbers(distinct["cutoff"].to_numpy())
    values, counts = np.unique(cutoffs, return_counts=True)
    return Counter(dict(zip(values.tolist(), counts.tolist(), strict=True)))


def cutoff_numbers(timestamps: np.ndarray) -> Ints:
    """Timestamps as microseconds, whole numbers as they are."""
    if timestamps.dtype.kind == "M":
        timestamps = timestamps.astype("M8[us]")
    return timestamps.astype(np.int64)


def _codes(column: pd.Series, names: pd.Index) -> Ints:
    """`[R]` the place of each text among the names, -1 where it is not one of them."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        codes, found = column.cat.codes.to_numpy(), column.cat.categories
    else:
        codes, found = pd.factorize(column)
    places = np.append(names.get_indexer(pd.Index(found)), -1)
    return np.asarray(places[codes], dtype=np.int64)


def _count_unknown(rows: pd.DataFrame, known: np.ndarray) -> int:
    """The number of windows among the rows that are not known."""
    if known.all():
        return 0
    return len(rows.loc[~known, ["unique_id", "target", "cutoff"]].drop_duplicates())
