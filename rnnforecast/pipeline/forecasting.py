"""Forecasts of the series of a panel by networks and statistical methods."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rnnforecast.data.cleaning.transforms import Bounds, Transform, back_transformed_mean
from rnnforecast.data.cleaning.yearly_season import YearlySeason
from rnnforecast.data.cleaning_plan import CleanedData
from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.windows.origins import WindowIndex, first_observed
from rnnforecast.evaluation.conformal import NOT_CALIBRATED, ConformalIntervals
from rnnforecast.evaluation.ensembling import ForecastCombiner
from rnnforecast.evaluation.evaluated_windows import WindowForecast
from rnnforecast.evaluation.network_weight import NETWORKS_ONLY, NetworkWeight
from rnnforecast.evaluation.residual_quantiles import residual_quantiles
from rnnforecast.inference import quantiles as inference
from rnnforecast.models.config import ForecasterConfig
from rnnforecast.models.forecaster import Forecaster
from rnnforecast.models.quantile_levels import INTERMITTENT_LEVELS, MEDIAN, QuantileLevels
from rnnforecast.parallel.engine import Engine
from rnnforecast.pipeline.statistical import statistical_quantiles
from rnnforecast.pipeline.untrained_forecast import untrained_quantiles
from rnnforecast.registry import DECODERS, WINDOW_SCALERS
from rnnforecast.training import device
from rnnforecast.training.dataset import PanelArrays, WindowDataset
from rnnforecast.types import Floats, Ints

MIN_ERRORS_PER_STEP = 30
"""With fewer errors per step, those of all horizon steps are pooled."""

DEFAULT_COMBINER = ForecastCombiner()


@dataclass(frozen=True)
class Member:
    """One network of an ensemble."""

    net: Forecaster
    residuals: Floats | None = None
    """`[H, Q]` from `calibrate_point_head`; None for other heads."""


@dataclass(frozen=True)
class Postprocessing:
    """What turns quantiles in transformed units into a forecast in original units."""

    quantiles: tuple[float, ...]
    transform: Transform
    bounds: Bounds
    combiner: ForecastCombiner = DEFAULT_COMBINER
    calibration: ConformalIntervals = NOT_CALIBRATED
    """Of the forecast in original units."""
    smoothed_items: tuple[str, ...] = ()
    """Names of the items with learned smoothing; see `item_names`."""
    yearly_season: YearlySeason = field(default_factory=YearlySeason)
    network_weight: NetworkWeight = NETWORKS_ONLY
    statistical_seasons: tuple[int, ...] = ()
    loss: str = "quantile"
    """Of a forecast without networks: its point is a mean or the median."""


def build_window_dataset(
    cleaned: CleanedData,
    configs: Sequence[ForecasterConfig],
    torch_device: device.Device,
    smoothed_items: Sequence[str] = (),
) -> WindowDataset:
    """The panel on the device, as the windows of networks with these configurations.

    `smoothed_items` are the names of the training's items, for networks with learned smoothing.
    """
    panel = cleaned.panel
    is_smoothed = any("learned" in WINDOW_SCALERS.traits(config.normalize) for config in configs)
    arrays = PanelArrays(
        filled=cleaned.filled,
        target_mask=cleaned.target_mask,
        offsets=panel.offsets,
        features=cleaned.features,
        item_index=_positions(item_names(panel), smoothed_items) if is_smoothed else None,
        phase=panel.start if is_smoothed else None,
        include_elapsed=any(config.covariates.elapsed for config in configs),
        include_past_target_mask=any(
            "forks_windows" in DECODERS.traits(config.decoder) for config in configs
        ),
    )
    return WindowDataset(
        arrays,
        lookback=max(config.input_length for config in configs),
        horizon=configs[0].horizon,
        device=torch_device,
        joint=configs[0].channels > 1,
    )


def computed_levels(nets: Sequence[Forecaster], quantiles: Sequence[float]) -> QuantileLevels:
    """The levels `quantiles` and the median, and those of the networks that describe a forecast in
    more detail; point heads have none. Without networks those that totals of many zeros need."""
    levels = QuantileLevels.with_median(quantiles)
    if not nets:
        return levels.with_more(INTERMITTENT_LEVELS)
    if all(net.head.can_sample for net in nets):
        levels = levels.with_more(level for net in nets for level in net.config.levels)
    return levels


def item_names(panel: Panel) -> list[str]:
    """A unique name for each item `[S * C]`: the keys of its series and its target, as JSON."""
    keys = panel.keys.astype(str).to_numpy().tolist()
    return [json.dumps([*key, name]) for key in keys for name in panel.target_names]


def _positions(names: Sequence[str], known: Sequence[str]) -> Ints:
    """The index of each of `names` in `known`; `len(known)` if it is not there."""
    position = pd.Index(known).get_indexer(pd.Index(names))
    return np.where(position < 0, len(known), position).astype(np.int64)


def item_target_mask(cleaned: CleanedData, *, joint: bool) -> NDArray[np.bool_]:
    """The target mask by item: `[N, C]`, or `[N, 1]` if all targets of a series are one item."""
    mask = cleaned.target_mask
    return np.asarray(mask.any(axis=1, keepdims=True)) if joint else mask


def calibrate_point_head(
    net: Forecaster, windows: WindowDataset, index: WindowIndex, levels: QuantileLevels
) -> Floats:
    """Quantiles of a point head's errors at the computed levels, `[H, Q]` in normalized units.

    The windows of `index` should not have been trained on. The median is set to zero; lower
    quantiles are at most zero, higher ones at least. See `evaluation.residual_quantiles`.
    """
    windows = windows.with_lookback(net.config.input_length)
    errors = inference.normalized_errors(net, windows, index.item, index.origin)  # [W, H, C]
    errors = errors.swapaxes(1, 2).reshape(-1, errors.shape[1])  # [W * C, H]
    if len(errors) < MIN_ERRORS_PER_STEP:
        pooled = residual_quantiles(errors.reshape(-1, 1), levels.computed)
        residuals = np.repeat(pooled, errors.shape[1], 0)
    else:
        residuals = residual_quantiles(errors, levels.computed)
    residuals = np.nan_to_num(residuals)  # NaN at a horizon step that was never observed
    residuals[:, levels.median_index] = 0.0
    is_below = np.array(levels.computed) < MEDIAN
    residuals = np.where(is_below, np.minimum(residuals, 0.0), np.maximum(residuals, 0.0))
    if levels.has_mean:  # the network's output is the mean: equally likely errors average to zero
        auxiliary = levels.auxiliary_indices
        residuals[:, auxiliary] -= residuals[:, auxiliary].mean(1, keepdims=True)
    return residuals


def forecast(
    members: Sequence[Member],
    cleaned: CleanedData,
    origins: Ints,
    *,
    postprocessing: Postprocessing,
    series: Ints | None = None,
    windows: WindowDataset | None = None,
    horizon: int | None = None,
    engine: Engine | None = None,
) -> WindowForecast:
    """Forecasts of M windows in original units; NaN where nothing was observed before the origin,
    or where a number overflowed.

    Args:
        origins: `[M]` steps from the start of the series; below 0: no forecast.
        series: `[M]` the series of each window; each series once by default.
        windows: from `build_window_dataset`, which is called if None.
        horizon: the trained one by default; for a longer one see `inference.quantiles`. Needed
            without `members`, whose part others have, see `pipeline.untrained_forecast`.
        engine: see `statistical_quantiles`.
    """
    series = np.arange(cleaned.panel.n_series) if series is None else series
    steps = horizon or members[0].net.config.horizon
    if members and windows is None:
        configs, place = [each.net.config for each in members], device.device_of(members[0].net)
        windows = build_window_dataset(cleaned, configs, place, postprocessing.smoothed_items)
    joint = windows is not None and windows.joint
    chosen = _ForecastWindows.with_history(cleaned, series, origins, steps, joint=joint)
    if not len(chosen.index.item):
        targets, n_levels = cleaned.target_mask.shape[1], len(postprocessing.quantiles)
        nothing = np.full((len(series), steps, targets, 1 + n_levels), np.nan)
        return WindowForecast(nothing[..., 0], nothing[..., 1:])
    requested = QuantileLevels.with_median(postprocessing.quantiles)
    to_original = _BackTransform(chosen, cleaned.panel, postprocessing)

    def from_histories(method: Callable[..., Floats], horizon: int, loss: str) -> Floats:
        levels = QuantileLevels.for_loss(requested.computed, loss)
        found = method(
            cleaned,
            chosen.index,
            levels.computed,
            steps=steps,
            horizon=horizon,
            seasons=postprocessing.statistical_seasons,
            joint=joint,
            engine=engine,
        )
        return to_original(found, levels)

    if windows is None:
        values = from_histories(untrained_quantiles, steps, postprocessing.loss)
    else:
        values = _network_forecast(members, windows, requested, steps, to_original)
        config, weight = members[0].net.config, postprocessing.network_weight
        if not weight.is_networks_only:
            statistical = from_histories(statistical_quantiles, config.horizon, config.loss)
            values = weight.combine_forecasts(values, statistical, requested.computed)
    values = np.where(np.isfinite(values), values, np.nan)  # an overflow is no forecast
    raw = WindowForecast(values[..., 0], values[..., 1:])
    return finish_forecast(raw, requested, postprocessing)


def _network_forecast(
    members: Sequence[Member],
    windows: WindowDataset,
    requested: QuantileLevels,
    steps: int,
    to_original: _BackTransform,
) -> Floats:
    """The combined networks in original units, `[M, H, C, 1 + Q]`: the point, then quantiles."""
    forecasts = []
    for member in members:
        config, index = member.net.config, to_original.chosen.index
        levels = QuantileLevels.for_loss(requested.computed, config.loss, config.levels)
        found = member_quantiles(member, windows, index, levels.computed, steps=steps)
        forecasts.append(to_original(found, levels))
    return to_original.postprocessing.combiner.combine(np.stack(forecasts))


def without_finish(postprocessing: Postprocessing, levels: QuantileLevels) -> Postprocessing:
    """For forecasts as `finish_forecast` takes them: not calibrated, without bounds, and with the
    computed levels."""
    no = (False,) * len(postprocessing.bounds.non_negative)
    return replace(
        postprocessing,
        quantiles=levels.computed,
        bounds=Bounds(no, no),
        calibration=NOT_CALIBRATED,
    )


def finish_forecast(
    raw: WindowForecast, levels: QuantileLevels, postprocessing: Postprocessing
) -> WindowForecast:
    """A forecast at the computed levels with its quantiles calibrated, within the bounds, at the
    requested levels."""
    quantiles = postprocessing.calibration.apply_by_target(raw.quantiles, levels.computed)
    bounds = postprocessing.bounds
    return WindowForecast(bounds.apply(raw.yhat), bounds.apply(levels.select(quantiles), axis=-2))


@dataclass(frozen=True)
class _ForecastWindows:
    """Windows of series `[M]`, and those of their items that have a value before the origin."""

    series: Ints
    """`[M]`."""
    origins: Ints
    """`[M]`."""
    index: WindowIndex
    """Of W items."""
    position: Ints
    """`[W]` the place of each item among all, those of a window side by side."""
    channels: int
    """Items of a series."""

    @classmethod
    def with_history(
        cls,
        cleaned: CleanedData,
        series: Ints,
        origins: Ints,
        steps: int,
        *,
        joint: bool,
    ) -> _ForecastWindows:
        channels = 1 if joint else cleaned.target_mask.shape[1]
        item = (series[:, None] * channels + np.arange(channels)).reshape(-1)  # [M * channels]
        origin = np.repeat(origins, channels)
        observed = item_target_mask(cleaned, joint=joint)
        first = first_observed(observed, cleaned.panel.offsets)
        position = np.flatnonzero(origin > first[item])
        origin = origin[position]
        index = WindowIndex(item[position], origin, origin + steps)
        return cls(series, origins, index, position, channels)

    def scatter(self, values: Floats) -> Floats:
        """Quantiles of items, `[W, H, C', Q]`, as those of all windows, `[M, H, C, Q]`; NaN for an
        item without history."""
        _, steps, _, n_levels = values.shape
        count = len(self.series)
        every = np.full((count * self.channels, *values.shape[1:]), np.nan)
        every[self.position] = values
        # [M * C, H, 1, Q] or [M, H, C, Q] -> [M, H, C, Q]
        every = every.reshape(count, self.channels, steps, -1, n_levels).swapaxes(1, 2)
        return every.reshape(count, steps, -1, n_levels)


@dataclass(frozen=True)
class _BackTransform:
    """The inverse of the yearly season and the transform, for quantiles of chosen windows."""

    chosen: _ForecastWindows
    panel: Panel
    postprocessing: Postprocessing

    def __call__(self, quantiles: Floats, levels: QuantileLevels) -> Floats:
        """`[W, H, C', Q]` in transformed units → `[M, H, C, 1 + Q]` in original units: the point,
        then the quantiles that were requested."""
        values = self.postprocessing.yearly_season.restore(
            self.chosen.scatter(quantiles), self.panel, self.chosen.series, self.chosen.origins
        )
        return _to_original(values, levels, self.postprocessing.transform)


def _to_original(values: Floats, levels: QuantileLevels, transform: Transform) -> Floats:
    """Quantiles `[S, H, C, Q]` in transformed units → `[S, H, C, 1 + Q]` in original units: the
    point forecast, then the requested quantiles."""
    original = transform.inverse(values, axis=-2)
    yhat = original[..., levels.median_index]
    if levels.has_mean:
        center = values[..., levels.median_index]
        spread = values[..., levels.point_indices] - center[..., None]
        yhat = back_transformed_mean(transform, center, spread)
    return np.concatenate([yhat[..., None], levels.select(original)], -1)


def member_quantiles(
    member: Member,
    windows: WindowDataset,
    index: WindowIndex,
    levels: Sequence[float],
    *,
    steps: int,
) -> Floats:
    """A network's quantiles for the windows of `index`, `[W, steps, C, Q]` in transformed units."""
    return inference.predict_quantiles(
        member.net,
        windows.with_lookback(member.net.config.input_length),
        index.item,
        index.origin,
        steps=steps,
        levels=levels,
        residuals=member.residuals,
    )
