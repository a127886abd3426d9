"""`calibrate`: the intervals of a run, calibrated again by values that came after its training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from rnnforecast.data.cleaning_plan import CleanedData, prepare_data
from rnnforecast.data.panel.timestamps import steps_before
from rnnforecast.data.time.format import format_timestamp
from rnnforecast.evaluation.adaptive_intervals import AdaptiveIntervals, has_mirrored_levels
from rnnforecast.evaluation.conformal import ConformalIntervals
from rnnforecast.pipeline.calibration import (
    NO_CALIBRATION,
    ForecastWindows,
    fit_calibration,
    read_timestamp,
)
from rnnforecast.pipeline.evaluation import observed_values
from rnnforecast.pipeline.forecasting import forecast, without_finish
from rnnforecast.pipeline.run import Run
from rnnforecast.pipeline.run_folder import load_run, write_refreshed_calibration
from rnnforecast.pipeline.run_versions import resolve_run
from rnnforecast.training import device
from rnnforecast.types import Floats, Ints
from rnnforecast.wording import count_of

MIN_WINDOWS, MIN_DATES = 8, 4
"""Independent windows and origins below which nothing is calibrated."""

DATES_PER_HORIZON = 4
"""Origins in a horizon."""

MAX_WINDOWS = 20_000
"""Of more windows the latest are used."""


@dataclass(frozen=True)
class CalibrateResult:
    """What `calibrate` did."""

    changed: bool
    reason: str
    """Why the intervals changed, or why not."""
    windows: int
    """Independent windows after the training data."""
    dates: int
    """Origins that these have."""
    until: str
    """The latest value with an error, "" without any."""
    loss_trained: float | None = None
    """Mean quantile loss of the later half of the dates, in units of the widest interval, with the
    calibration by `train`; None with too few windows."""
    loss_new: float | None = None
    """The same with a new calibration that does not know these dates."""


@dataclass(frozen=True)
class _DatedWindows:
    """Windows after the training data, by origin."""

    windows: ForecastWindows
    date: Ints
    """`[M]` number of the origin, from 0 on."""
    share: float
    """Of a horizon between two dates."""

    def select(self, chosen: Ints | np.ndarray) -> ForecastWindows:
        found = self.windows
        return ForecastWindows(
            found.series[chosen],
            found.origins[chosen],
            found.quantiles[chosen],
            found.actual[chosen],
        )


def calibrate(folder: Path, *, data: Sequence[str] | None = None) -> CalibrateResult:
    """Calibrates the intervals of the run at `folder` by forecasts of what came after its training.

    The new calibration is stored if it would have been better than that by `train` on the later
    half of the origins; else that by `train` is used. All other files of the run stay.

    Args:
        data: files to read instead of those of the spec.

    Raises:
        RunFolderError, DataError, OutputError.
    """
    folder = resolve_run(folder)
    run = load_run(folder)
    torch_device = device.select_device("cpu" if run.metadata["device"] == "cpu" else "auto")
    for member in run.members:
        member.net.to(torch_device)
    cleaned = prepare_data(run.plan, data or run.source, horizon=run.horizon)
    dated = _windows_after_training(run, cleaned)
    found = fit_calibration(cleaned.panel, dated.windows, run.levels.computed, run.plan.bounds)
    dates = len(np.unique(dated.date))
    until = ""
    if found.until != "":
        until = format_timestamp(read_timestamp(found.until), cleaned.panel.display_timezone)
    result = CalibrateResult(False, "", found.windows, dates, until)
    if not run.levels.computed[1:]:
        return replace(result, reason="the run forecasts no intervals")
    if found.windows < MIN_WINDOWS or dates < MIN_DATES:
        have = f"{count_of(found.windows, 'independent window')}, {count_of(dates, 'origin')}"
        need = f"at least {MIN_WINDOWS} and {MIN_DATES} are needed"
        return replace(result, reason=f"too few values after training: {have}; {need}")
    return _replace_if_better(folder, run, cleaned, dated, result)


def _windows_after_training(run: Run, cleaned: CleanedData) -> _DatedWindows:
    """Forecasts of all windows after the training data, as they are before calibration."""
    panel, horizon = cleaned.panel, run.horizon
    first = steps_before(panel, run.trained_until + 1)  # [S]
    step = -(-horizon // DATES_PER_HORIZON)
    counts = np.maximum((panel.lengths - first) // step, 0)  # with a step of values at least
    counts[first <= 0] = 0
    dates = int(counts.max(initial=0))
    kept = max(MIN_DATES, MAX_WINDOWS // max(panel.n_series, 1))
    date = np.arange(max(dates - kept, 0), dates)
    series, number = np.nonzero(date < counts[:, None])
    origins = first[series] + date[number] * step
    raw = forecast(
        run.members,
        cleaned,
        origins,
        series=series,
        postprocessing=without_finish(run.postprocessing, run.levels),
    )
    actual = observed_values(panel, series, origins, horizon)
    windows = ForecastWindows(series, origins, raw.quantiles, actual)
    return _DatedWindows(windows, date[number], min(step / horizon, 1.0))


def _replace_if_better(
    folder: Path, run: Run, cleaned: CleanedData, dated: _DatedWindows, result: CalibrateResult
) -> CalibrateResult:
    """Stores the best of two new calibrations if it is better than that by `train`.

    What is stored depends on the data alone, not on earlier calibrations.
    """
    dates = np.unique(dated.date)
    is_late = dated.date >= dates[len(dates) // 2]
    late = dated.select(is_late)
    trained = _loss(run, late, run.calibration.intervals)
    losses = {"split": _loss(run, late, _split(run, cleaned, dated.select(~is_late)))}
    if has_mirrored_levels(run.levels.computed):
        losses["adaptive"] = _adaptive_loss(run, dated, is_late)
    best = min(losses, key=lambda name: losses[name])
    result = replace(result, loss_trained=trained, loss_new=losses[best])
    if losses[best] >= trained:
        found, reason = NO_CALIBRATION, "that of the training would not have been worse"
    else:
        found = fit_calibration(cleaned.panel, dated.windows, run.levels.computed, run.plan.bounds)
        if best == "split":
            intervals, reason = _split(run, cleaned, dated.windows), "by the errors of all dates"
        else:
            intervals = run.calibration.intervals.scaled(_adapted(run, dated)[-1])
            reason = "by the errors from date to date"
        found = replace(found, intervals=intervals)
    if found == run.refreshed:
        return replace(result, reason=reason)
    write_refreshed_calibration(folder, found)
    return replace(result, changed=True, reason=reason)


def _split(run: Run, cleaned: CleanedData, windows: ForecastWindows) -> ConformalIntervals:
    """The calibration by `train`, corrected by these windows."""
    trained = run.calibration.intervals
    levels = run.levels.computed
    calibrated = replace(windows, quantiles=trained.apply_by_target(windows.quantiles, levels))
    correction = fit_calibration(cleaned.panel, calibrated, levels, run.plan.bounds)
    return trained.scaled(correction.intervals)


def _adapted(run: Run, dated: _DatedWindows) -> list[ConformalIntervals]:
    """The correction before each origin and after the last, one by one."""
    levels, trained = run.levels.computed, run.calibration.intervals
    state = AdaptiveIntervals(levels, rate_share=dated.share)
    found = []
    for date in np.unique(dated.date):
        found.append(_as_intervals(run, state))
        windows = dated.select(dated.date == date)
        quantiles = trained.apply_by_target(windows.quantiles, levels)
        count, horizon, targets = windows.actual.shape
        state = state.update(
            windows.actual.swapaxes(1, 2).reshape(count * targets, horizon),
            quantiles.swapaxes(1, 2).reshape(count * targets, horizon, len(levels)),
        )
    return [*found, _as_intervals(run, state)]


def _as_intervals(run: Run, state: AdaptiveIntervals) -> ConformalIntervals:
    factors = tuple(map(float, state.factors()))
    return ConformalIntervals(run.levels.computed, run.horizon, ((factors,),))


def _adaptive_loss(run: Run, dated: _DatedWindows, is_late: np.ndarray) -> float:
    """The loss of the later dates, each with the correction that was known before it."""
    total, count = 0.0, 0
    for date, correction in zip(np.unique(dated.date), _adapted(run, dated), strict=False):
        chosen = (dated.date == date) & is_late
        if chosen.any():
            losses = _losses(
                run, dated.select(chosen), run.calibration.intervals.scaled(correction)
            )
            total, count = total + float(losses.sum()), count + len(losses)
    return total / count if count else np.inf


def _loss(run: Run, windows: ForecastWindows, intervals: ConformalIntervals) -> float:
    losses = _losses(run, windows, intervals)
    return float(losses.mean()) if len(losses) else np.inf


def _losses(run: Run, windows: ForecastWindows, intervals: ConformalIntervals) -> Floats:
    """`[N]` mean quantile loss of observed values, in units of the widest interval before any
    calibration."""
    levels = run.levels.computed
    quantiles = intervals.apply_by_target(windows.quantiles, levels)
    bounds = run.plan.bounds.without_rounding()
    error = windows.actual[..., None] - bounds.apply(quantiles, axis=-2)
    level = np.array(levels)
    loss = np.maximum(level * error, (level - 1) * error).mean(-1)
    width = windows.quantiles[..., -1] - windows.quantiles[..., 0]
    known = np.isfinite(loss) & (width > 0)
    return np.asarray(loss[known] / width[known])
