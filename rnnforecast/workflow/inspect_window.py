"""The inspection of a window: activations, gradients, occlusion, permutation importance."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from rnnforecast.data.cleaning.transforms import Transform
from rnnforecast.data.cleaning_plan import CleanedData
from rnnforecast.data.features.input_columns import input_columns
from rnnforecast.data.windows.origins import WindowIndex, first_observed, validation_windows
from rnnforecast.data.windows.split import split_series
from rnnforecast.errors import DataError
from rnnforecast.inference import attribution
from rnnforecast.models.forecaster import Forecaster
from rnnforecast.output.inspection.results import (
    InputImportance,
    InspectedWindow,
    Inspection,
    LayerActivations,
    Occlusion,
    PermutationImportance,
)
from rnnforecast.pipeline.forecasting import build_window_dataset, item_target_mask
from rnnforecast.pipeline.run import Run
from rnnforecast.training import device
from rnnforecast.types import Floats, Ints
from rnnforecast.workflow.inspect_selection import WindowLocation

LagRange = tuple[int, int]
"""First step and stop of a range of steps; the step of the origin is 0."""

MIN_LAG_RANGES, MAX_LAG_RANGES = 8, 24
"""Bounds of the number of lag ranges that are occluded and permuted."""

MAX_WINDOWS, MIN_WINDOWS, N_REPEATS = 512, 64, 10
"""Most and fewest windows for permutation importance, and permutations of each input."""

MAX_WORK = 100_000
"""Most windows x inputs x patches x layers with more than `MIN_WINDOWS` windows."""


class WindowInspector:
    """Computes the inspection of one window and of the network that forecasts it."""

    def __init__(
        self, run: Run, net: Forecaster, cleaned: CleanedData, location: WindowLocation
    ) -> None:
        self.run, self.net, self.cleaned, self.location = run, net, cleaned, location
        self.config = self.net.config
        self.windows = build_window_dataset(
            cleaned, [self.config], device.device_of(self.net), run.smoothed_items
        )
        self.joint = self.config.channels > 1
        self.items_per_series = 1 if self.joint else len(cleaned.panel.target_names)
        self.channel = location.target if self.joint else 0
        """Index of the target in the network's output."""

    @device.one_thread()
    def inspect(self) -> Inspection:
        """All results."""
        item = int(self._item_indices(np.array([self.location.series]))[0])
        internals = attribution.inspect_window(
            self.net, self.windows, item, self.location.origin, self.channel
        )
        lag_ranges, start = self.lag_ranges(), -self.location.origin
        within_series = tuple((max(begin, start), end) for begin, end in lag_ranges if end > start)
        median, occluded = attribution.occluded_medians(
            self.net, self.windows, item, self.location.origin, self._slices(within_series)
        )
        forecast = self.to_original_units(median[None])[0]
        return Inspection(
            window=self._inspected_window(forecast),
            layers=tuple(LayerActivations(*track) for track in internals.layers),
            gradient_norm=self._gradient_norms(internals.gradients),
            recurrent_gradient_norm=None
            if internals.recurrent_gradients is None
            else self._gradient_norms(internals.recurrent_gradients),
            horizon_attention=internals.decoder_attention,
            self_attention=tuple(internals.self_attention),
            importance=self._importance(lag_ranges),
            occlusion=Occlusion(within_series, self.to_original_units(occluded) - forecast),
        )

    def _gradient_norms(self, gradients: Floats) -> Floats:
        """Norms over the targets, `[H, L, C]` → `[H, L]`, of the steps within the series."""
        norms: Floats = np.sqrt((gradients**2).sum(-1))[:, -self.location.origin :]
        return norms

    def lag_ranges(self) -> tuple[LagRange, ...]:
        """The lookback divided into ranges, the oldest first: patches, or several patches each if
        there are many, or equal parts of patches if there are few."""
        patch_length, lookback = self.config.patch_length, self.config.lookback
        size = patch_length * -(-lookback // (patch_length * MAX_LAG_RANGES))
        if lookback < MIN_LAG_RANGES * size:
            parts = (
                n
                for n in range(size, 0, -1)
                if patch_length % n == 0 and MIN_LAG_RANGES * n <= lookback <= MAX_LAG_RANGES * n
            )
            size = next(parts, size)
        ends = range(0, -lookback, -size)
        begins = [*(end - size for end in ends[:-1]), -self.config.input_length]
        return tuple(zip(begins, ends, strict=True))[::-1]

    def _slices(self, lag_ranges: Sequence[LagRange]) -> list[slice]:
        """The ranges as slices of the input steps; 0 is the oldest."""
        length = self.config.input_length
        return [slice(begin + length, end + length) for begin, end in lag_ranges]

    def _item_indices(self, series: Ints) -> Ints:
        return series * self.items_per_series + (0 if self.joint else self.location.target)

    def to_original_units(
        self, values: Floats, series: Ints | None = None, origins: Ints | None = None
    ) -> Floats:
        """Outputs of the network, `[n, H, C]`, as the target in original units, `[n, H]`.

        `series` and `origins` `[n]` of the windows are by default those of the inspected one.
        """
        location, plan = self.location, self.run.plan
        transform, targets = plan.transform, slice(None)
        if not self.joint:
            targets = slice(location.target, location.target + 1)
            transform = Transform(transform.methods[targets], transform.powers[targets])
        series = np.full(len(values), location.series) if series is None else series
        origins = np.full(len(values), location.origin) if origins is None else origins
        restored = plan.yearly_season.restore(values, self.cleaned.panel, series, origins, targets)
        return transform.inverse(restored)[..., self.channel]

    def _inspected_window(self, forecast: Floats) -> InspectedWindow:
        panel, location = self.cleaned.panel, self.location
        past = min(self.config.input_length, location.origin)
        begin, count = location.origin - past, past + self.config.horizon
        first = np.zeros(panel.n_series, dtype=np.int64)
        first[location.series] = begin
        timestamps = panel.to_display_timezone(panel.window_timestamps(first, count))
        rows = slice(panel.offsets[location.series], panel.offsets[location.series + 1])
        known = panel.targets[rows, location.target][begin : begin + count]
        values = np.full(count, np.nan)
        values[: len(known)] = known
        target = panel.target_names[location.target]
        return InspectedWindow(
            label=str(panel.labels()[location.series]) if panel.keys.shape[1] else target,
            target=target,
            timestamps=timestamps[location.series],
            values=values,
            forecast=forecast,
            patch_length=self.config.patch_length,
        )

    def _importance(self, lag_ranges: Sequence[LagRange]) -> PermutationImportance | None:
        panel = self.cleaned.panel
        covariates = input_columns(
            self.run.plan.features,
            panel.frequency,
            is_irregular=panel.irregular_timestamps is not None,
        )
        index = self._sample_windows(len(lag_ranges) + len(covariates))
        if len(index.item) < 2:
            return None
        groups = [
            attribution.InputGroup(f"{begin}", steps=steps)
            for (begin, _), steps in zip(lag_ranges, self._slices(lag_ranges), strict=True)
        ]
        groups += [
            attribution.InputGroup(each.name, covariate_field=each.table, columns=each.columns)
            for each in covariates
        ]
        error, changes = attribution.permutation_importance(
            self.net, self.windows, self._item_indices(index.item), index.origin, groups,
            score=self._make_error_fn(index), repeats=N_REPEATS, seed=self.run.metadata["seed"],
        )  # fmt: skip
        means, standard_errors = changes.mean(1), changes.std(1, ddof=1) / np.sqrt(N_REPEATS)
        lags = [*lag_ranges, *(None for _ in covariates)]
        inputs = tuple(
            InputImportance(group.name, float(mean), float(standard_error), lag)
            for group, mean, standard_error, lag in zip(
                groups, means, standard_errors, lags, strict=True
            )
        )
        return PermutationImportance(error, inputs, len(index.item), N_REPEATS)

    def _sample_windows(self, n_inputs: int) -> WindowIndex:
        """Validation windows, or else held-out ones, if they have history; `item` is the series."""
        panel, config = self.cleaned.panel, self.config
        work = n_inputs * config.n_patches * config.backbone.n_layers
        count = int(np.clip(MAX_WORK // work, MIN_WINDOWS, MAX_WINDOWS))
        horizon = config.horizon
        try:
            split = split_series(panel.lengths, horizon=horizon, season=config.season, channels=1)
        except DataError:  # no series is long enough
            empty = np.empty(0, dtype=np.int64)
            return WindowIndex(empty, empty, empty)
        index = validation_windows(split, horizon=horizon, channels=1, max_windows=count)
        if not len(index.item):
            tested = np.flatnonzero(split.test_origin >= 0)[:count]
            origin = split.test_origin[tested]
            index = WindowIndex(tested, origin, origin + horizon)
        mask = item_target_mask(self.cleaned, joint=self.joint)
        first = first_observed(mask, panel.offsets)
        has_history = index.origin > first[self._item_indices(index.item)]
        return WindowIndex(
            index.item[has_history], index.origin[has_history], index.target_end[has_history]
        )

    def _make_error_fn(self, index: WindowIndex) -> Callable[[Floats], float]:
        """The function from medians `[W, H, C]` to their mean absolute error in percent; errors are
        relative to the mean absolute value of the window's history."""
        panel, target = self.cleaned.panel, self.location.target
        values = np.where(self.cleaned.target_mask, panel.targets, np.nan)[:, target]
        rows = (panel.offsets[index.item] + index.origin)[:, None]  # [W, 1]
        actual = values[rows + np.arange(self.config.horizon)]  # [W, H]
        lags = np.arange(-self.config.input_length, 0)
        within_series = lags >= -index.origin[:, None]
        history = np.where(within_series, np.abs(values[np.maximum(rows + lags, 0)]), np.nan)
        scale = _finite_mean(history, axis=1)[:, None]  # [W, 1]
        scale = np.where(scale > 0, scale, np.nan)

        def error(medians: Floats) -> float:
            forecast = self.to_original_units(medians, index.item, index.origin)
            relative = np.abs(actual - forecast) / scale
            return float(100 * np.nan_to_num(_finite_mean(relative.reshape(-1), axis=0)))

        return error


def _finite_mean(values: Floats, axis: int) -> Floats:
    """The mean of the finite values; NaN without any."""
    known = np.isfinite(values)
    count = known.sum(axis)
    total = np.where(known, values, 0.0).sum(axis)
    mean: Floats = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return mean
