"""Baselines of statsforecast, an optional package: AutoETS, AutoARIMA and MSTL.

Each window has models of its own, as those of the package.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
import pandas as pd

from rnnforecast.errors import Problem, UsageError
from rnnforecast.evaluation.baselines import (
    BASELINES,
    Baseline,
    BaselineWindows,
    empty_forecast,
    select_baselines,
)
from rnnforecast.evaluation.evaluated_windows import WindowForecast
from rnnforecast.parallel.cores import available_cores
from rnnforecast.statistical.histories import Histories
from rnnforecast.types import Floats
from rnnforecast.wording import join_words

MAX_HISTORY = 2_000
"""Steps before an origin that the models are fitted to at most."""
MODEL = "model"
"""The column of the point forecast in tables of statsforecast."""

BuildModel = Callable[[Any, int], Any]
"""A model from the module `statsforecast.models` and the steps of a season."""


def _auto_ets(models: Any, season: int) -> Any:
    return models.AutoETS(season_length=season, alias=MODEL)


def _auto_arima(models: Any, season: int) -> Any:
    return models.AutoARIMA(season_length=season, alias=MODEL)


def _mstl(models: Any, season: int) -> Any:
    """Without a season the forecaster of the trend alone."""
    if season == 1:
        return models.AutoETS(model="ZZN", alias=MODEL)
    return models.MSTL(season_length=season, alias=MODEL)


def _forecaster(
    build: BuildModel,
) -> Callable[[BaselineWindows, Sequence[float]], WindowForecast]:
    def forecast(windows: BaselineWindows, levels: Sequence[float]) -> WindowForecast:
        result = empty_forecast(windows, levels)
        for rows, target, histories in windows.histories(MAX_HISTORY):
            known = np.flatnonzero(histories.lengths > 0)
            if len(known):
                found = _forecast_histories(
                    histories, known, build, windows.statistical_season, windows.horizon, levels
                )
                result.yhat[rows[known], :, target] = found[..., 0]
                result.quantiles[rows[known], :, target] = found[..., 1:]
        return _with_naive_gaps(result, windows, levels)

    return forecast


def _forecast_histories(
    histories: Histories,
    known: np.ndarray,
    build: BuildModel,
    season: int,
    horizon: int,
    levels: Sequence[float],
) -> Floats:
    """Point forecasts and quantiles of the histories `known`, `[M, H, 1 + Q]`."""
    from statsforecast import StatsForecast, models  # slow to import, and optional

    step, history = np.nonzero((np.arange(len(histories.values))[:, None] >= histories.start).T)[
        ::-1
    ]
    table = pd.DataFrame({"unique_id": history, "ds": step, "y": histories.values[step, history]})
    coverages = sorted({_coverage(level) for level in levels if level != 0.5})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of variances of very short histories
        found = StatsForecast(
            models=[build(models, season)],
            freq=1,
            n_jobs=available_cores(),
            fallback_model=models.Naive(alias=MODEL),
        ).forecast(df=table, h=horizon, level=coverages or None)
    found = found.sort_values(["unique_id", "ds"])
    columns = [MODEL] + [
        MODEL if level == 0.5 else f"{MODEL}-{'lo' if level < 0.5 else 'hi'}-{_coverage(level)}"
        for level in levels
    ]
    values = found[columns].to_numpy(np.float64).reshape(len(known), horizon, len(columns))
    # Where a history falls back on another model, statsforecast mixes up the names of the bounds
    values[..., 1:].sort(axis=-1)
    return np.asarray(values)


def _coverage(level: float) -> int | float:
    """The coverage in percent of the interval that a quantile bounds, as columns name it."""
    percent = round(100 * abs(1 - 2 * level), 6)
    return int(percent) if percent.is_integer() else percent


def _with_naive_gaps(
    found: WindowForecast, windows: BaselineWindows, levels: Sequence[float]
) -> WindowForecast:
    """The forecasts with naive ones where a model failed: its values are not finite."""
    naive = next(each for each in BASELINES if each.name == "naive").forecast(windows, levels)
    finite = np.isfinite(found.yhat) & np.isfinite(found.quantiles).all(-1)
    failed = ~np.all(finite, axis=1, keepdims=True)  # [M, 1, C]
    return WindowForecast(
        np.where(failed, naive.yhat, found.yhat),
        np.where(failed[..., None], naive.quantiles, found.quantiles),
    )


STATSFORECAST_BASELINES = (
    Baseline("auto ETS", _forecaster(_auto_ets)),
    Baseline("auto ARIMA", _forecaster(_auto_arima)),
    Baseline("MSTL", _forecaster(_mstl)),
)


def choose_baselines(names: Sequence[str], *, season: int, count: int) -> tuple[Baseline, ...]:
    """The quick baselines of the package and those with the columns `names`, which may be of
    statsforecast; see `select_baselines`."""
    return select_baselines(names, season=season, count=count, further=STATSFORECAST_BASELINES)


def check_baselines(names: Sequence[str]) -> None:
    """Raises UsageError if one of `names` needs statsforecast, and it is not installed."""
    needed = [each.column for each in STATSFORECAST_BASELINES if each.column in names]
    if needed and find_spec("statsforecast") is None:
        verb = "needs" if len(needed) == 1 else "need"
        found = f"{join_words(needed)} {verb} statsforecast, which is not installed"
        raise UsageError(
            Problem("backtest.baselines", found, "pip install 'rnnforecast[baselines]'")
        )
