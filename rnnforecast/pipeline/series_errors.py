"""Series that the model cannot forecast, or should not: each with a code and a reason."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rnnforecast.data.cleaning_plan import CleanedData
from rnnforecast.data.features.checks import unknown_future_mask
from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.profiling.coverage import last_ordinals
from rnnforecast.evaluation.evaluated_windows import WindowForecast
from rnnforecast.output.forecast_frame import Status
from rnnforecast.pipeline.checks.finding import Finding
from rnnforecast.pipeline.panel_statistics import extremes
from rnnforecast.pipeline.run import Run
from rnnforecast.pipeline.training_profile import MAX_ORDINAL, TrainingProfile
from rnnforecast.spec.forecast import ForecastSpec
from rnnforecast.types import Bools, Floats, Ints
from rnnforecast.wording import join_names

MIN_CONSTANT_VALUES = 2
"""A single value says nothing of how a series changes."""

MAX_NAMED_SERIES = 20
"""Labels that are named of each code."""

STATUS_ORDER: tuple[Status, ...] = ("skipped", "fallback", "cold_start", "model")
"""Of several targets of a series, the first of these counts."""

Texts = NDArray[np.object_]


@dataclass(frozen=True)
class SeriesError:
    """The series with one kind of error."""

    code: str
    """In one word with underscores, such as ``too_short``."""
    count: int
    """The number of series."""
    series: tuple[str, ...]
    """Labels of the first of them."""
    reason: str
    """What is wrong with the first of them; a clause without a full stop."""


@dataclass
class SeriesErrors:
    """What is wrong with each series and target of a forecast; P series of the panel, C targets."""

    labels: Texts
    """`[P]`"""
    code: Texts
    """`[P, C]` "" for series without an error."""
    reason: Texts
    """`[P, C]`"""
    left_out: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Series without a value, which are not in the panel: label, error_code, skipped (the
    reason)."""

    @property
    def mask(self) -> Bools:
        """`[P, C]` whether there is an error."""
        return np.asarray(self.code != "")

    def mark(self, mask: Bools, code: str, reason: str) -> None:
        """Gives the items of `mask` `[P, C]` this error, unless they have one already."""
        new = np.broadcast_to(mask, self.code.shape) & ~self.mask
        self.code[new], self.reason[new] = code, reason

    def reasons(self, mask: Bools) -> dict[str, str]:
        """Reasons by label of the series with an item in `mask` `[P, C]`, and of those that are
        left out."""
        rows = np.flatnonzero(mask.any(axis=1))
        first = mask[rows].argmax(axis=1)
        found = dict(zip(self.labels[rows], self.reason[rows, first], strict=True))
        if len(self.left_out):
            found |= dict(zip(self.left_out["label"], self.left_out["skipped"], strict=True))
        return found

    def by_code(self) -> tuple[SeriesError, ...]:
        """The series of each code, the most frequent code first."""
        row, target = np.nonzero(self.mask)
        every = pd.DataFrame(
            {
                "label": self.labels[row],
                "error_code": self.code[row, target],
                "skipped": self.reason[row, target],
            }
        )
        if len(self.left_out):
            every = pd.concat([every, self.left_out[list(every.columns)]], ignore_index=True)
        every = every.drop_duplicates(["label", "error_code"])
        return tuple(
            SeriesError(
                str(code),
                int(count),
                tuple(own["label"].head(MAX_NAMED_SERIES)),
                str(own["skipped"].iloc[0]),
            )
            for code, count in every["error_code"].value_counts().items()
            for own in [every[every["error_code"] == code]]
        )


def find_series_errors(
    run: Run, cleaned: CleanedData, steps: int, latest: int | None = None
) -> SeriesErrors:
    """What is wrong with the series before they are forecast for `steps` ahead.

    `latest` is the ordinal at which the latest series ends, where that is in another partition.
    """
    profile, horizon = run.profile, run.horizon
    panel, every = cleaned.panel, cleaned.changes.series
    places = table_places(cleaned)
    is_left_out = (every["error_code"] != "").to_numpy(copy=True)
    is_left_out[places] = False
    shape = panel.n_series, len(panel.target_names)
    codes, reasons = (every[name].to_numpy()[places] for name in ("error_code", "skipped"))
    found = SeriesErrors(
        panel.labels(),
        np.repeat(codes[:, None], shape[1], axis=1),
        np.repeat(reasons[:, None], shape[1], axis=1),
        every.loc[is_left_out, ["label", "error_code", "skipped"]],
    )
    unknown = unknown_future_mask(run.plan.features, cleaned.table, panel, steps)
    names = join_names(list(run.plan.features.future_columns))
    found.mark(unknown[:, None], "unknown_covariates", f"{names} not known at steps to forecast")
    begins = panel.offsets[:-1]
    count = np.add.reduceat(panel.observed_mask.astype(np.int64), begins)  # [P, C]
    known = np.logical_or.reduceat(cleaned.target_mask, begins)
    for target, name in enumerate(panel.target_names):
        own = np.arange(shape[1]) == target
        found.mark(~known & own, "no_values", f"no value of {name}")
    low, high = extremes(panel)
    is_constant = (low == high) & (count >= MIN_CONSTANT_VALUES)
    found.mark(is_constant, "constant", "all observed values are equal")
    if panel.irregular_timestamps is None:
        lag, is_stale = _stale_series(panel, found.labels, profile, horizon, latest)
        for row in np.flatnonzero(is_stale & ~found.mask.all(axis=1))[:MAX_NAMED_SERIES]:
            alone = (np.arange(shape[0]) == row)[:, None]
            found.mark(alone, "stale", f"it ends {lag[row]:,} steps before the latest series")
        found.mark(is_stale[:, None], "stale", "it ends before the latest series")
    return found


def _stale_series(
    panel: Panel, labels: Texts, profile: TrainingProfile, horizon: int, latest: int | None
) -> tuple[Ints, Bools]:
    """`[P]` steps between the end of a series and the latest end, and whether that is more than a
    horizon, as it was not in the training data."""
    last = last_ordinals(panel)
    lag = (last.max() if latest is None else latest) - last
    return lag, (lag > horizon) & may_be_stale(labels, profile, horizon)


def may_be_stale(labels: Texts, profile: TrainingProfile, horizon: int) -> Bools:
    """`[P]` whether a series ended at most a horizon before the training data did."""
    at = profile.positions(labels)
    trained_lag = profile.data_end - profile.end[at]
    return np.asarray((at >= 0) & (trained_lag <= horizon))


def mark_unusable_forecasts(found: SeriesErrors, cleaned: CleanedData, yhat: Floats) -> None:
    """Gives series whose forecast `[P, H, C]` overflowed an error."""
    names = cleaned.panel.target_names
    wrong = np.asarray(np.isnan(yhat).any(axis=1))  # [P, C]
    for target, name in enumerate(names):
        own = np.arange(len(names)) == target
        found.mark(wrong & own, "not_finite", f"the forecast of {name} is not a finite number")


def table_places(cleaned: CleanedData) -> Ints:
    """`[P]` the place of each series of the panel among those of the table."""
    keys, panel = cleaned.table.keys, cleaned.panel
    if not keys.shape[1]:
        return np.arange(panel.n_series)
    index = pd.MultiIndex.from_frame(keys)
    return np.asarray(index.get_indexer(pd.MultiIndex.from_frame(panel.keys)))


def forecast_status(
    run: Run, panel: Panel, found: SeriesErrors, forecasts: WindowForecast
) -> NDArray[np.str_]:
    """`[P, C]` the `Status` of each series and target."""
    profile, at = run.profile, run.profile.positions(found.labels)
    is_new = (at < 0) & run.reads_in_training(panel.keys)
    is_new |= (at >= 0) & (profile.end[at] == -MAX_ORDINAL)
    is_unknown = np.isnan(forecasts.yhat).any(axis=1)
    return np.select(
        [is_unknown, found.mask, np.broadcast_to(is_new[:, None], is_unknown.shape)],
        ["skipped", "fallback", "cold_start"],
        "model",
    )


def count_by_status(status: NDArray[np.str_], left_out: int = 0) -> dict[str, int]:
    """Numbers of series by status `[P, C]`, `left_out` more of them skipped."""
    masks = [(status == name).any(axis=1) for name in STATUS_ORDER]
    found = np.select(masks, STATUS_ORDER, "model")
    counts = {name: int((found == name).sum()) for name in STATUS_ORDER[::-1]}
    counts["skipped"] += left_out
    return {name: count for name, count in counts.items() if count}


def merge_series_errors(parts: Iterable[Sequence[SeriesError]]) -> tuple[SeriesError, ...]:
    """The errors of several partitions together, the most frequent code first."""
    found: dict[str, SeriesError] = {}
    for error in (error for part in parts for error in part):
        earlier = found.get(error.code, replace(error, count=0, series=()))
        found[error.code] = replace(
            earlier,
            count=earlier.count + error.count,
            series=(*earlier.series, *error.series)[:MAX_NAMED_SERIES],
        )
    return tuple(sorted(found.values(), key=lambda each: -each.count))


def fallback_name(spec: ForecastSpec) -> str:
    """The simple forecast in words: the ``seasonal naive`` method."""
    return "DOT" if spec.fallback == "dot" else "seasonal naive"


def error_findings(errors: Iterable[SeriesError], spec: ForecastSpec) -> Iterator[Finding]:
    """A finding for each code: how many series have it, and what is done about them."""
    name = fallback_name(spec)
    for error in errors:
        has_none = error.code == "no_values" or spec.on_series_error == "skip"
        method = "skipped" if has_none else f"forecast by the {name} method"
        more = f" and {error.count - 3:,} more" if error.count > 3 else ""
        names = join_names(list(error.series[:3]))
        of_first = "the first: " if error.count > 1 else ""
        yield Finding(
            error.code,
            f"{error.count:,} series {method}: {names}{more}; {of_first}{error.reason}",
            count=error.count,
            series=error.series,
        )
