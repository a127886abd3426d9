"""The forecasts of a backtest's windows, each from what was known at its cutoff."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from rnnforecast.data.cleaning_plan import AlignedData, CleanedData, build_inputs
from rnnforecast.evaluation.baselines import Baseline
from rnnforecast.evaluation.evaluated_windows import EvaluatedWindows, WindowForecast
from rnnforecast.parallel.engine import Engine
from rnnforecast.parallel.in_process import IN_PROCESS
from rnnforecast.pipeline.evaluation import evaluate_windows, observed_values
from rnnforecast.pipeline.forecasting import forecast
from rnnforecast.pipeline.run import Run
from rnnforecast.types import Floats, Ints
from rnnforecast.workflow.backtest_data import BacktestData
from rnnforecast.workflow.backtest_fits import Seasons
from rnnforecast.workflow.backtest_plan import BacktestPlan

MAX_WINDOWS_AT_ONCE = 16_384
"""Series and windows that are forecast in one pass, unless one window has more."""


def window_batches(
    plan: BacktestPlan, data: BacktestData, windows: Sequence[int]
) -> list[tuple[int, ...]]:
    """Those of the windows that are forecast in one pass. They do not depend on what is finished,
    so that the forecasts of a resumed backtest are the same to the last bit."""
    found: list[list[int]] = []
    size = 0
    for window in windows:
        count = len(plan.series(window))
        if not found or data.has_vintages or size + count > MAX_WINDOWS_AT_ONCE:
            found.append([])
            size = 0
        found[-1].append(window)
        size += count
    return [tuple(batch) for batch in found]


@dataclass(frozen=True)
class WindowForecaster:
    """Forecasts windows by the networks of a run."""

    run: Run
    data: BacktestData
    plan: BacktestPlan
    seasons: Seasons
    baselines: tuple[Baseline, ...]
    engine: Engine = IN_PROCESS
    """See `statistical_quantiles`."""

    def evaluate(self, windows: Sequence[int]) -> list[EvaluatedWindows]:
        """The forecasts of some windows beside observed values and baselines, one result each."""
        if self.data.has_vintages:
            return [self._evaluate_vintage(window) for window in windows]
        series = np.concatenate([self.plan.series(window) for window in windows])
        number = np.concatenate(
            [np.full(len(self.plan.series(window)), window) for window in windows]
        )
        origin = self.plan.origins[number, series]
        found = self._forecast(self._cleaned, series, origin, self.plan.steps)
        evaluated = self._evaluate(self._cleaned, found, series, origin, number)
        return [
            self._without_gap(evaluated.select(evaluated.window == window)) for window in windows
        ]

    def _evaluate_vintage(self, window: int) -> EvaluatedWindows:
        """As `evaluate`, from the vintages of the cutoff. Series are forecast from their last known
        value on, which may lie before the cutoff."""
        plan, panel = self.plan, self.data.panel
        known = self.data.known_before(plan.origins[window])
        own = np.flatnonzero(plan.is_used[window][known.series])  # of the known series
        ends = known.aligned.panel.lengths[own]
        series = known.series[own]
        origin = plan.origins[window][series]
        behind = origin - known.shift[own] - ends  # [M] steps not known before the cutoff
        steps = plan.steps + int(behind.max(initial=0))
        cleaned = self._build_inputs(known.aligned, steps)
        found = self._forecast(cleaned, own, ends, steps)
        number = np.full(len(own), window)
        evaluated = self._evaluate(cleaned, found, own, ends, number)
        forecasts = _later_steps(evaluated.forecast, behind, plan.steps)
        baselines = {
            name: _later_steps(each, behind, plan.steps)
            for name, each in evaluated.baselines.items()
        }
        actual = observed_values(panel, series, origin, plan.steps)
        for each in (forecasts, *list(baselines.values())[:1]):
            actual = np.where(np.isnan(each.yhat), np.nan, actual)
        return self._without_gap(
            replace(
                evaluated,
                series=series,
                origin=origin,
                actual=actual,
                forecast=forecasts,
                baselines=baselines,
            )
        )

    def _forecast(
        self, cleaned: CleanedData, series: Ints, origins: Ints, steps: int
    ) -> WindowForecast:
        return forecast(
            self.run.members,
            cleaned,
            origins,
            postprocessing=self.run.postprocessing,
            series=series,
            horizon=steps,
            engine=self.engine,
        )

    def _evaluate(
        self,
        cleaned: CleanedData,
        found: WindowForecast,
        series: Ints,
        origins: Ints,
        number: Ints,
    ) -> EvaluatedWindows:
        return evaluate_windows(
            cleaned.panel,
            found,
            series,
            origins,
            number,
            season=self.seasons.season,
            levels=self.run.quantiles,
            statistical_season=self.seasons.statistical,
            baselines=self.baselines,
        )

    @cached_property
    def _cleaned(self) -> CleanedData:
        """The inputs of all data, without vintages: networks read those before an origin."""
        return self._build_inputs(self.data.aligned, self.plan.steps)

    def _build_inputs(self, aligned: AlignedData, steps: int) -> CleanedData:
        """The inputs, with covariates for `steps`, rounded up to whole trained horizons."""
        trained = self.run.horizon
        return build_inputs(self.run.plan, aligned, horizon=-(-steps // trained) * trained)

    def _without_gap(self, evaluated: EvaluatedWindows) -> EvaluatedWindows:
        """The windows with the steps of the gap not scored."""
        actual = evaluated.actual.copy()
        actual[:, : self.plan.gap] = np.nan
        return replace(evaluated, actual=actual)


def _later_steps(found: WindowForecast, first: Ints, steps: int) -> WindowForecast:
    """`steps` steps of each forecast from the step `first [M]` on."""
    step = first[:, None] + np.arange(steps)  # [M, H]

    def chosen(values: Floats) -> Floats:
        at = step.reshape(*step.shape, *[1] * (values.ndim - 2))
        return np.take_along_axis(values, at, axis=1)

    return WindowForecast(chosen(found.yhat), chosen(found.quantiles))
