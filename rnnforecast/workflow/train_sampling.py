"""The training windows of a fit: sampling frequencies and loss weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from rnnforecast.data.windows.origins import OriginRanges
from rnnforecast.data.windows.series_scale import (
    relative_sizes,
    sampling_weights,
)
from rnnforecast.inference.quantiles import window_scales
from rnnforecast.models.config import ForecasterConfig
from rnnforecast.spec.training import TrainingSpec
from rnnforecast.training.dataset import Batch, WindowDataset
from rnnforecast.training.distributed import SINGLE_PROCESS, DistributedContext
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
"""The `recency` of the sampler, by `training.sample_origins`."""

WINDOWS_PER_ITEM = 16
"""Evenly spaced windows from which the usual scale of an item is computed."""


class SamplingPlan:
    """Sampling and loss weights of a fit on the windows at `origins`.

    An item is a series, or one target of it where targets are forecast one by one.
    """

    def __init__(
        self,
        spec: TrainingSpec,
        config: ForecasterConfig,
        windows: WindowDataset,
        origins: OriginRanges,
        sizes: Floats | None = None,
    ) -> None:
        """`sizes [S, C]` are the mean absolute values of series; None if `needs_sizes` is False."""
        self.spec, self.windows, self.origins = spec, windows, origins
        self.relative_sizes = self._relative_sizes(sizes)
        steps = compute_horizon_weights(spec.horizon_weight, windows.horizon)
        items = None
        if spec.series_weight == "scale":
            items = self.relative_sizes if windows.joint else self.relative_sizes.reshape(-1, 1)
        scales = self._scale_weights(config) if spec.window_weight == "scale" else None
        self.loss_weights = LossWeights.from_numpy(steps, items, windows.device, scales)

    @staticmethod
    def needs_sizes(spec: TrainingSpec) -> bool:
        """Whether the sizes of series count."""
        return "scale" in (spec.series_weight, spec.sample_series)

    def _relative_sizes(self, sizes: Floats | None) -> Floats:
        """Relative mean absolute values of series, `[S, C]`; ones if they are not used."""
        if sizes is None or not self.needs_sizes(self.spec):
            return np.ones((len(self.windows.series_starts), self.windows.n_targets))
        return relative_sizes(sizes, joint=self.windows.joint)

    def sampling_weights(self) -> Floats:
        """Relative sampling frequency of each item, `[items]`."""
        sizes = (
            self.relative_sizes.mean(1) if self.windows.joint else self.relative_sizes.reshape(-1)
        )
        return sampling_weights(self.spec.sample_series, self.origins.root_length, sizes)

    def make_sampler(self, *, batch_size: int, seed: int) -> WindowSampler:
        """The sampler of random windows."""
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

    def make_batch_fn(
        self, *, batch_size: int, seed: int, distributed: DistributedContext = SINGLE_PROCESS
    ) -> Callable[[int], Batch]:
        """The function from the number of a batch to this process's share of its windows."""
        sampler = self.make_sampler(batch_size=batch_size, seed=seed)

        def get_batch(number: int) -> Batch:
            item, origin, limit = distributed.shard(sampler.sample(number))
            return self.loss_weights(self.windows.gather(item, origin, limit), item)

        return get_batch

    def evenly_spaced_batches(self, max_windows: int) -> Iterator[tuple[Batch, Ints]]:
        """Batches of about `max_windows` windows in all, and the fold `[B]` of each window.

        Each item has windows in proportion to its sampling frequency, evenly spaced over its
        origins, which are divided into `FOLD_COUNT` folds of equal length.
        """
        first, limit, available = self.origins.first, self.origins.target_end, self._window_counts()
        share = np.where(available > 0, self.sampling_weights(), 0.0)
        share = share / share.sum()
        wanted = np.diff(np.floor(np.cumsum([0.0, *share]) * max_windows + 0.5).astype(np.int64))
        count = np.minimum(wanted, available)  # [items]
        item = np.arange(len(count)).repeat(count)  # [W]
        rank = np.arange(len(item)) - (np.cumsum(count) - count)[item]
        ahead = (2 * rank + 1) * available[item] // (2 * count[item])
        fold = ahead * FOLD_COUNT // available[item]
        batches = self.windows.iter_batches(item, first[item] + ahead, limit[item])
        for batch, items, index in batches:
            yield self.loss_weights(batch, items), fold[index]

    @property
    def neighbor_folds(self) -> int:
        """Folds on either side of a fold that share targets with it, in the median item."""
        count = self._window_counts()
        length = float(np.median(count[count > 0])) / FOLD_COUNT
        return int(np.clip(np.ceil(self.windows.horizon / length), 1, FOLD_COUNT // 2 - 1))

    def _window_counts(self) -> Ints:
        """Windows of each item, `[items]`: those with a full horizon, or else the first one."""
        first, limit = self.origins.first, self.origins.target_end
        last = np.minimum(self.origins.last, np.maximum(limit - self.windows.horizon, first))
        return np.maximum(last - first + 1, 0)

    def _scale_weights(self, config: ForecasterConfig) -> WindowScaleWeights:
        """Weights by the scale of a window, relative to the mean scale of its item.

        The mean is that of evenly spaced windows; each counts at most `MAX_RELATIVE_SCALE` times
        their median, so that one outlier does not lower the weights of all others.
        """
        first, last = self.origins.first, self.origins.last
        known = np.flatnonzero(last >= first)
        share = np.linspace(0.0, 1.0, WINDOWS_PER_ITEM)
        origin = first[known, None] + np.rint(share * (last - first)[known, None]).astype(np.int64)
        item = known.repeat(WINDOWS_PER_ITEM)
        scales = window_scales(config, self.windows, item, origin.reshape(-1))  # [W, C]
        usual = np.zeros((len(first), scales.shape[1]))
        scales = scales.reshape(len(known), WINDOWS_PER_ITEM, -1)
        most = MAX_RELATIVE_SCALE * np.median(scales, axis=1, keepdims=True)
        usual[known] = np.minimum(scales, most).mean(axis=1)
        return WindowScaleWeights.from_numpy(config, usual, self.windows.device)
