"""The series that a report shows: which ones, how much of their history, and their pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.time.frequency import DAY, MINUTE, Frequency
from rnnforecast.output.forecast_report.content import SeriesGallery
from rnnforecast.output.forecast_report.pictures import series_chart
from rnnforecast.output.forecast_report.series_data import (
    PicturedForecast,
    PicturedSeries,
    TimestampLabels,
)
from rnnforecast.output.time_words import format_step
from rnnforecast.types import Floats, Ints, Timestamps
from rnnforecast.workflow.report_rows import EvaluationRows

MAX_ITEMS = 1000
"""Most series and targets on a page."""

MAX_VALUES = 500_000
"""Most values of histories and forecasts on a page, of about five bytes each."""

MAX_HISTORY = 1500
"""Most values of the history of a series."""

FOUR_DAYS = np.timedelta64(4, "D")
"""Longer pictures have no times of day at their ticks."""

MAX_SEASON_SHOWN = 100
"""Of longer seasons one is shown, of others three."""

MAX_WINDOWS = 8
"""Most forecasts of a series, of a backtest."""

MAX_BYTES_PER_SERIES = 300
"""About the size of a name, words and measures, in values of five bytes: 60."""


@dataclass(frozen=True)
class PageBudget:
    """How much of each series a page has room for."""

    n_items: int
    n_history: int
    """Steps of the history."""
    coverages: tuple[float, ...]
    """Nominal coverages of the intervals, widest first."""


def plan_page(
    n_items: int, horizon: int, season: int, coverages: Sequence[float], *, n_windows: int = 1
) -> PageBudget:
    """The budget for a page of `n_items` series with `n_windows` forecasts each.

    Two intervals are shown if there are as many, else fewer; then fewer series.
    """
    kept = _two_intervals(coverages)
    wanted = max(2 * horizon, 2 * season, 30)
    while True:
        size = n_windows * horizon * (2 + 2 * len(kept)) + MAX_BYTES_PER_SERIES // 5
        shown = min(n_items, MAX_ITEMS)
        if shown * (size + wanted) <= MAX_VALUES or len(kept) < 2:
            break
        kept = kept[1:]
    shown = max(1, min(shown, MAX_VALUES // (size + min(wanted, max(horizon, 30)))))
    room = MAX_VALUES // shown - size
    return PageBudget(shown, int(np.clip(room, 1, MAX_HISTORY)), kept)


def _two_intervals(coverages: Sequence[float]) -> tuple[float, ...]:
    """The widest interval and the one nearest to 80 %."""
    if len(coverages) < 2:
        return tuple(coverages)
    near = min(coverages[1:], key=lambda each: abs(each - 0.8))
    return (coverages[0], near)


def steps_shown_first(horizon: int, season: int) -> int:
    """Steps that a picture shows before zooming: the horizon, and a few seasons or horizons."""
    return horizon + max(4 * horizon, 3 * season if season <= MAX_SEASON_SHOWN else season, 40)


def choose_items(sizes: Floats, count: int, *, always: Sequence[int] = ()) -> Ints:
    """Up to `count` of the items with `sizes [I]` in ascending order of their index: those of
    `always`, the others evenly spaced from the smallest to the largest."""
    if len(sizes) <= count:
        return np.arange(len(sizes))
    first = list(dict.fromkeys(always))[:count]
    order = np.argsort(np.nan_to_num(sizes, nan=-np.inf), kind="stable")
    others = order[~np.isin(order, first)]
    places = np.linspace(0, len(others) - 1, count - len(first)).round().astype(np.int64)
    return np.unique(np.r_[np.array(first, dtype=np.int64), others[places]])


def item_names(series: Sequence[str], targets: Sequence[str], *, has_ids: bool) -> list[str]:
    """Names of targets of series: the label of the series, then the target if there are several.

    `targets` are empty texts, or names by item.
    """
    pairs = zip(series, targets, strict=True)
    names = [
        " · ".join(filter(None, (label if has_ids else "", target))) for label, target in pairs
    ]
    return [name or label for name, label in zip(names, series, strict=True)]


def timestamp_labels(frequency: Frequency, timezone: str = "") -> TimestampLabels:
    """How timestamps of this frequency are written."""
    if frequency.kind == "integer":
        unit = "number"
    elif frequency.kind == "month":
        unit = "year" if frequency.step % 12 == 0 else "month"
    elif frequency.is_daily_or_coarser:
        unit = "day"
    else:
        step = frequency.calendar.unit if frequency.calendar else frequency.step
        unit = "minute" if step % MINUTE == 0 else "second"
    return TimestampLabels(unit, timezone)


def row_timestamp_labels(rows: EvaluationRows) -> TimestampLabels:
    """How timestamps of an evaluation are written, by their times of day."""
    if rows.timestamps.dtype.kind != "M":
        return TimestampLabels("number")
    ticks = rows.timestamps.astype("datetime64[us]").astype(np.int64)
    if not (ticks % DAY).any():
        return TimestampLabels("day")
    return TimestampLabels("minute" if not (ticks % MINUTE).any() else "second")


def pictured_forecasts(
    panel: Panel,
    names: Sequence[str],
    chosen: Ints,
    forecasts: tuple[Floats, Mapping[float, tuple[Floats, Floats]]],
    budget: PageBudget,
    *,
    words: Mapping[int, tuple[str, ...]],
    measures: Mapping[str, Floats],
) -> list[PicturedSeries]:
    """The chosen items of a panel with their forecasts beyond its end.

    Args:
        names: `[I]` of all items; item ``s * C + c`` is target c of series s.
        forecasts: `yhat [S, H, C]`, and lower and upper ends `[S, H, C]` by nominal coverage.
        words: by item.
        measures: `[I]` by title.
    """
    yhat, intervals = forecasts
    n_targets, horizon = yhat.shape[2], yhat.shape[1]
    pictured = []
    for item in chosen.tolist():
        series, target = divmod(item, n_targets)
        length = int(panel.lengths[series])
        count = min(length, budget.n_history)
        rows = slice(panel.offsets[series + 1] - count, panel.offsets[series + 1])
        index = np.array([series])
        timestamps = panel.window_timestamps(np.array([length - count]), count + horizon, index)[0]
        ends = [[end[series, :, target] for end in intervals[each]] for each in budget.coverages]
        forecast = PicturedForecast(
            begin=count,
            yhat=yhat[series, :, target],
            intervals=np.array(ends).reshape(len(ends), 2, horizon),
        )
        values = np.r_[panel.targets[rows, target], np.full(horizon, np.nan)]
        pictured.append(
            PicturedSeries(
                names[item],
                timestamps,
                values,
                (forecast,),
                words.get(item, ()),
                {title: float(each[item]) for title, each in measures.items()},
            )
        )
    return pictured


def pictured_windows(
    rows: EvaluationRows,
    names: Sequence[str],
    chosen: Ints,
    budget: PageBudget,
    histories: Mapping[int, tuple[Timestamps, Floats]],
    *,
    words: Mapping[int, tuple[str, ...]],
    measures: Mapping[str, Floats],
) -> list[PicturedSeries]:
    """The chosen items of an evaluation with the forecasts of windows that do not overlap.

    Args:
        histories: timestamps and values of items, rising; without an item only its windows are
            shown.
        words, measures: as for `pictured_forecasts`.
    """
    order = np.lexsort((rows.step, rows.window, rows.item))
    ends = np.searchsorted(rows.item[order], np.arange(len(names) + 1))
    pictured = []
    for item in chosen.tolist():
        own = order[ends[item] : ends[item + 1]]
        windows = np.split(own, np.flatnonzero(np.diff(rows.window[own])) + 1)
        windows = _without_overlap(rows, windows)
        used = np.concatenate(windows)
        past = histories.get(item, (rows.timestamps[:0], np.empty(0)))
        timestamps = np.unique(np.r_[past[0], rows.timestamps[used]])
        first = int(np.searchsorted(timestamps, rows.timestamps[used].min()))
        last = int(np.searchsorted(timestamps, rows.timestamps[used].max()))
        timestamps = timestamps[max(0, first - budget.n_history) : last + 1]
        values = np.full(len(timestamps), np.nan)
        kept = np.isin(past[0], timestamps)
        values[np.searchsorted(timestamps, past[0][kept])] = past[1][kept]
        values[np.searchsorted(timestamps, rows.timestamps[used])] = rows.y[used]
        pictured.append(
            PicturedSeries(
                names[item],
                timestamps,
                values,
                tuple(_window_picture(rows, each, timestamps, budget) for each in windows),
                words.get(item, ()),
                {title: float(each[item]) for title, each in measures.items()},
            )
        )
    return pictured


def build_gallery(
    series: Sequence[PicturedSeries],
    labels: TimestampLabels,
    budget: PageBudget,
    *,
    note: str,
    frequency: Frequency | None,
    baseline_name: str = "",
    n_first: int = 0,
) -> SeriesGallery:
    """The gallery, with a picture of the last `n_first` steps of the first series, 0 for all."""
    picture = None
    if series:
        shown_first = series[0].last_steps(n_first)
        times = labels.to_local(shown_first.timestamps)
        has_clock = labels.unit in ("minute", "second") and times[-1] - times[0] < FOUR_DAYS
        texts = [
            format_step(each, frequency, with_clock=has_clock)
            if frequency is not None
            else str(each).replace("T", " ")
            for each in times
        ]
        picture = series_chart(shown_first, budget.coverages, texts, baseline_name)
    shown = " and ".join(f"{100 * each:.4g} %" for each in budget.coverages)
    return SeriesGallery(
        series,
        labels,
        budget.coverages,
        note,
        picture,
        baseline_name,
        f"Shaded: the range of {shown} of cases." if shown else "",
        n_first,
    )


def _without_overlap(rows: EvaluationRows, windows: Sequence[Ints]) -> list[Ints]:
    """Up to `MAX_WINDOWS` windows from the last one back, each before the next one begins."""
    kept: list[Ints] = []
    for each in reversed(windows):
        if not kept or rows.timestamps[each].max() < rows.timestamps[kept[-1]].min():
            kept.append(each)
        if len(kept) == MAX_WINDOWS:
            break
    return kept[::-1]


def _window_picture(
    rows: EvaluationRows, own: Ints, timestamps: Timestamps, budget: PageBudget
) -> PicturedForecast:
    at = np.searchsorted(timestamps, rows.timestamps[own])
    size = int(at[-1] - at[0]) + 1

    def filled(values: Floats) -> Floats:
        steps = np.full(size, np.nan)
        steps[at - at[0]] = values[own]
        return steps

    intervals = rows.intervals()
    ends = [[filled(end) for end in intervals[each]] for each in budget.coverages]
    best = rows.best_baseline
    return PicturedForecast(
        begin=int(at[0]),
        yhat=filled(rows.yhat),
        intervals=np.array(ends).reshape(len(ends), 2, size),
        baseline=filled(rows.baselines[best]) if best else None,
    )


def panel_item_names(panel: Panel) -> list[str]:
    """`[S * C]` a name for each target of each series."""
    labels, targets = panel.labels().tolist(), panel.target_names
    has_ids = panel.keys.shape[1] > 0
    shown = targets if len(targets) > 1 or not has_ids else ("",)
    return item_names(
        [label for label in labels for _ in targets],
        [target for _ in labels for target in shown],
        has_ids=has_ids,
    )


def describe_choice(n_items: int, n_shown: int, by: str) -> str:
    """How many series the page has, and which."""
    if n_shown == n_items:
        return "" if n_items == 1 else f"All {n_items:,} series can be searched."
    return (
        f"{n_shown:,} of {n_items:,} series, evenly chosen from the smallest to the largest {by}; "
        "the tables in the folder have all."
    )
