"""The duration of a backtest, from a few training steps and the forecasts of a few windows."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace

import numpy as np

from rnnforecast.data.cleaning_plan import CleanedData
from rnnforecast.evaluation.network_weight import NetworkWeight
from rnnforecast.inference.quantiles import mean_loss
from rnnforecast.models.forecaster import Forecaster
from rnnforecast.models.quantile_levels import QuantileLevels
from rnnforecast.pipeline.evaluation import evaluate_windows
from rnnforecast.pipeline.forecasting import Member, Postprocessing, forecast
from rnnforecast.pipeline.progress import NullListener
from rnnforecast.training import device
from rnnforecast.training.distributed import SINGLE_PROCESS
from rnnforecast.training.trainer import FINAL_FIT_STEP_FRACTION, VALIDATION_COUNT
from rnnforecast.workflow.backtest_fits import WARM_STEP_SHARE, BacktestFits
from rnnforecast.workflow.train_fit import FIRST_FIT, FitTask, NetworkFitter
from rnnforecast.workflow.train_session import TrainingSession

PROBE_STEPS = 4
"""Training steps that are timed."""
PROBE_WINDOWS = 32
"""Windows whose forecasts are timed."""
MINUTE, HOUR = 60.0, 3600.0


@dataclass(frozen=True)
class Duration:
    """Seconds of computing that a backtest needs, at most."""

    trainings: tuple[float, ...]
    """Of each training that is not finished."""
    forecasts: float
    are_independent: bool
    """Whether several trainings can be done at the same time."""

    def seconds(self, n_workers: int) -> float:
        """Seconds until all is done with so many workers."""
        if not self.are_independent:
            return sum(self.trainings) + self.forecasts / n_workers
        rounds = math.ceil(len(self.trainings) / n_workers)
        mean = (sum(self.trainings) + self.forecasts) / len(self.trainings)
        return rounds * mean

    def words(self, n_workers: int) -> str:
        """The duration with so many workers."""
        return describe_duration(self.seconds(n_workers))


def estimate_duration(fits: BacktestFits, windows: Sequence[int]) -> Duration | None:
    """How long the trainings and the forecasts of the windows that are left will take, by a few
    steps; None without trainings, as forecasts alone are quick.

    The networks that are timed are thrown away: the result does not depend on it.
    """
    plan = fits.plan
    open_fits = [
        number
        for number, its_windows in enumerate(plan.fits)
        if fits.subject.run is None
        and not fits.work.run_folder(number).exists()
        and any(window in windows for window in its_windows)
    ]
    if not open_fits:
        return None
    with device.one_thread() if fits.are_independent else nullcontext():
        trainings = time_trainings(fits, open_fits)
        count = int(plan.is_used[list(windows)].sum())
        forecasts = count * _time_forecasts(fits)
    return Duration(tuple(trainings), forecasts, fits.are_independent)


def describe_duration(seconds: float) -> str:
    """A duration in words: ``20 seconds``, ``4 minutes``, ``2.5 hours``."""
    if seconds < MINUTE:
        return f"{max(10, round(seconds, -1)):.0f} seconds"
    if seconds < 1.5 * HOUR:
        minutes = max(1, round(seconds / MINUTE))
        return f"{minutes} minute{'' if minutes == 1 else 's'}"
    return f"{round(2 * seconds / HOUR) / 2:g} hours"


def time_trainings(fits: BacktestFits, open_fits: Sequence[int]) -> list[float]:
    """Seconds that the training of each of these fits takes if it does not end early."""
    session = _session(fits)
    started = time.perf_counter()
    fits.prepare(0)
    preparation = time.perf_counter() - started
    spec = session.member_specs[0].training
    net = _new_network(session)
    fitter = NetworkFitter(
        session.device, SINGLE_PROCESS, NullListener(), lambda: False, validation=None
    )
    sampling = session.sampling_plan(0, session.split.train_end)

    def train(steps: int) -> None:
        short = spec.model_copy(update={"max_steps": steps, "compile": False})
        task = FitTask(FIRST_FIT, short, sampling, title="", initialize=False)
        fitter.fit(net, task, None, lambda state: None)

    train(1)  # the first step is slower
    step = _seconds(lambda: train(PROBE_STEPS)) / PROBE_STEPS
    validation = 0.0
    if (index := session.validation) is not None:
        weights = sampling.loss_weights
        validation = _seconds(
            lambda: mean_loss(net, sampling.windows, index.item, index.origin, weights)
        )
    final = FINAL_FIT_STEP_FRACTION if spec.final_fit else 0.0
    is_warm = fits.subject.spec.backtest.warm_start
    found = []
    for number in open_fits:
        share = WARM_STEP_SHARE if number and is_warm else 1.0
        steps = share * int(spec.max_steps) * (1 + final)
        per_network = steps * step + min(VALIDATION_COUNT, steps) * validation
        found.append(preparation + len(session.member_specs) * per_network)
    return found


def _time_forecasts(fits: BacktestFits) -> float:
    """Seconds that the forecast of one window takes, with its baselines."""
    session = _session(fits)
    net, cleaned = _new_network(session).eval(), session.cleaned
    quantiles = session.spec.forecast.quantiles
    residuals = None
    if not net.head.can_sample:
        levels = QuantileLevels.for_loss(quantiles, net.config.loss, net.config.levels)
        residuals = np.zeros((net.config.horizon, len(levels.computed)))
    members = [Member(net, residuals)] * len(session.member_specs)
    postprocessing = Postprocessing(
        quantiles,
        session.plan.transform,
        session.plan.bounds,
        smoothed_items=session.smoothed_items,
        network_weight=NetworkWeight(0.5, 0.5),
        statistical_seasons=session.statistical_seasons,
    )
    series = np.arange(min(PROBE_WINDOWS, cleaned.panel.n_series))

    def run(chosen: CleanedData) -> None:
        origins = chosen.panel.lengths[series]
        found = forecast(members, chosen, origins, postprocessing=postprocessing, series=series)
        season = session.season
        evaluate_windows(chosen.panel, found, series, origins, season=season, levels=quantiles)

    return _seconds(lambda: run(cleaned)) / len(series)


def _session(fits: BacktestFits) -> TrainingSession:
    return TrainingSession(fits.first, None, NullListener(), lambda: False)


def _new_network(session: TrainingSession) -> Forecaster:
    """An untrained first network of the session."""
    config = session.configs[0]
    if config.base_forecast == "auto":
        config = replace(config, base_forecast="linear")
    device.seed_torch(session.spec.training.seed)
    return Forecaster(config).to(session.device)


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
