"""Which windows a fit draws, and how much they count in its loss, as the spec says."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rnnforecast.data.cleaning_plan import CleanedData
from rnnforecast.data.windows.origins import OriginRanges
from rnnforecast.data.windows.series_scale import (
    mean_absolute_values,
    relative_sizes,
    sampling_weights,
)
from rnnforecast.inference.quantiles import window_scales
from rnnforecast.models.config import ForecasterConfig
from rnnforecast.spec.training import TrainingSpec
from rnnforecast.training.dataset import Batch, WindowDataset
from rnnforecast.training.loss_weights import (
    MAX_RELATIVE_SCALE,
    LossWeights,
    WindowScaleWeights,
    compute_horizon_weights,
)
from rnnforecast.training.ridge import FOLD_COUNT
from rnnforecast.training.sampler import WindowSampler
from rnnforecast.types import Floats, Ints

RECENCY_POWER = {"recent": 2.0, "uniform": 1.0}
"""The power of `Sampler` by `training.sample_origins`."""

WINDOWS_PER_ITEM = 16
"""Windows of an item that tell its usual spread."""


class SamplingPlan:
    """What a fit on the windows at `origins`, of the steps before `ends [S]`, dwells on."""

    def __init__(
        self,
        spec: TrainingSpec,
        config: ForecasterConfig,
        cleaned: CleanedData,
        ends: Ints,
        windows: WindowDataset,
        origins: OriginRanges,
    ) -> None:
        """`architecture` is that of the net."""
        self.spec, self.windows, self.origins = spec, windows, origins
        self.relative_sizes = self._relative_sizes(cleaned, ends)
        steps = compute_horizon_weights(spec.horizon_weight, windows.horizon)
        items = None
        if spec.series_weight == "scale":
            items = self.relative_sizes if windows.joint else self.relative_sizes.reshape(-1, 1)
        spread = self._scale_weights(config) if spec.window_weight == "scale" else None
        self.loss_weights = LossWeights.from_numpy(steps, items, windows.device, spread)

    def _relative_sizes(self, cleaned: CleanedData, ends: Ints) -> Floats:
        """Relative mean sizes `[S, C]`; ones where nothing asks for them."""
        panel = cleaned.panel
        if self.spec.series_weight != "scale" and self.spec.sample_series != "scale":
            return np.ones((panel.n_series, panel.targets.shape[1]))
        found = mean_absolute_values(panel.targets, cleaned.target_mask, panel.offsets, ends)
        return relative_sizes(found, joint=self.windows.joint)

    def sampling_weights(self) -> Floats:
        """`[items]` how often each item is drawn, relative to the others."""
        sizes = (
            self.relative_sizes.mean(1) if self.windows.joint else self.relative_sizes.reshape(-1)
        )
        return sampling_weights(self.spec.sample_series, self.origins.sampling_weight, sizes)

    def make_sampler(self, *, batch_size: int, seed: int) -> WindowSampler:
        """Draws the windows."""
        origins = self.origins
        return WindowSampler(
            first_origin=origins.first,
            last_origin=origins.last,
            target_end=origins.target_end,
            item_weight=self.sampling_weights(),
            batch_size=batch_size,
            seed=seed,
            device=self.windows.device,
            recency=RECENCY_POWER[self.spec.sample_origins],
        )

    def evenly_spaced_batches(self, max_windows: int) -> Iterator[tuple[Batch, Ints]]:
        """About so many windows at most, of each item in proportion to how often it is drawn and
        evenly spaced over it, in batches; and of each window the stretch of its item's time that it
        lies in, of `STRETCHES`."""
        first, limit, count = self.origins.first, self.origins.target_end, self._window_counts()
        share = np.where(count > 0, self.sampling_weights(), 0.0)
        share = share / share.sum()
        wanted = np.diff(np.floor(np.cumsum([0.0, *share]) * max_windows + 0.5).astype(np.int64))
        each = np.minimum(wanted, count)
        item = np.arange(len(each)).repeat(each)
        number = np.arange(len(item)) - (np.cumsum(each) - each)[item]
        ahead = (2 * number + 1) * count[item] // (2 * each[item])
        stretch = ahead * FOLD_COUNT // count[item]
        cut = self.windows.iter_batches(item, first[item] + ahead, limit[item])
        for batch, items, place in cut:
            yield self.loss_weights(batch, items), stretch[place]

    @property
    def neighbor_folds(self) -> int:
        """How many stretches on either side of one share targets with it, in the usual item."""
        count = self._window_counts()
        length = float(np.median(count[count > 0])) / FOLD_COUNT
        return int(np.clip(np.ceil(self.windows.horizon / length), 1, FOLD_COUNT // 2 - 1))

    def _window_counts(self) -> Ints:
        """`[items]` how many windows each item has; whole futures only, where there are any."""
        first, limit = self.origins.first, self.origins.target_end
        last = np.minimum(self.origins.last, np.maximum(limit - self.windows.horizon, first))
        return np.maximum(last - first + 1, 0)

    def _scale_weights(self, config: ForecasterConfig) -> WindowScaleWeights:
        """The usual spread of each item is the mean of windows spaced evenly over it, each taken as
        at most `MOST` times their median: one wild value must not make all others small."""
        first, last = self.origins.first, self.origins.last
        some = np.flatnonzero(last >= first)
        share = np.linspace(0.0, 1.0, WINDOWS_PER_ITEM)
        origin = first[some, None] + np.rint(share * (last - first)[some, None]).astype(np.int64)
        item = some.repeat(WINDOWS_PER_ITEM)
        found = window_scales(config, self.windows, item, origin.reshape(-1))  # [W, C]
        usual = np.zeros((len(first), found.shape[1]))
        found = found.reshape(len(some), WINDOWS_PER_ITEM, -1)
        most = MAX_RELATIVE_SCALE * np.median(found, axis=1, keepdims=True)
        usual[some] = np.minimum(found, most).mean(axis=1)
        return WindowScaleWeights.from_numpy(config, usual, self.windows.device)
