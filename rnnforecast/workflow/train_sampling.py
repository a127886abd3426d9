"""Which windows a fit draws, and how much they count in its loss, as the spec says."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rnnforecast.data.cleaning_plan import Cleaned
from rnnforecast.data.windows.origins import Origins
from rnnforecast.data.windows.series_scale import draw_weights, mean_sizes, relative
from rnnforecast.inference.quantiles import spreads
from rnnforecast.models.config import Architecture
from rnnforecast.spec.training import Training
from rnnforecast.training.dataset import Batch, Sampler, Windows
from rnnforecast.training.loss_weights import MOST, Spread, Weighing, step_weights
from rnnforecast.training.ridge import STRETCHES
from rnnforecast.types import Floats, Ints

RECENCY = {"recent": 2.0, "uniform": 1.0}
"""The power of `Sampler` by `training.sample_origins`."""

LOOKED_AT = 16
"""Windows of an item that tell its usual spread."""


class Emphasis:
    """What a fit on the windows at `origins`, of the steps before `ends [S]`, dwells on."""

    def __init__(
        self,
        spec: Training,
        config: Architecture,
        cleaned: Cleaned,
        ends: Ints,
        windows: Windows,
        origins: Origins,
    ) -> None:
        """`architecture` is that of the net."""
        self.spec, self.windows, self.origins = spec, windows, origins
        self.sizes = self._sizes(cleaned, ends)
        steps = step_weights(spec.horizon_weight, windows.horizon)
        items = None
        if spec.series_weight == "level":
            items = self.sizes if windows.joint else self.sizes.reshape(-1, 1)
        spread = self._spread(config) if spec.window_weight == "spread" else None
        self.weighing = Weighing.of(steps, items, windows.device, spread)

    def _sizes(self, cleaned: Cleaned, ends: Ints) -> Floats:
        """Relative mean sizes `[S, C]`; ones where nothing asks for them."""
        panel = cleaned.panel
        if self.spec.series_weight != "level" and self.spec.sample_series != "scale":
            return np.ones((panel.size, panel.targets.shape[1]))
        found = mean_sizes(panel.targets, cleaned.counted, panel.offsets, ends)
        return relative(found, joint=self.windows.joint)

    def weights(self) -> Floats:
        """`[items]` how often each item is drawn, relative to the others."""
        sizes = self.sizes.mean(1) if self.windows.joint else self.sizes.reshape(-1)
        return draw_weights(self.spec.sample_series, self.origins.weight, sizes)

    def sampler(self, *, batch_size: int, seed: int) -> Sampler:
        """Draws the windows."""
        origins = self.origins
        return Sampler(
            first_origin=origins.first,
            last_origin=origins.last,
            target_end=origins.limit,
            item_weight=self.weights(),
            batch_size=batch_size,
            seed=seed,
            device=self.windows.device,
            recency=RECENCY[self.spec.sample_origins],
        )

    def evenly(self, max_windows: int) -> Iterator[tuple[Batch, Ints]]:
        """About so many windows at most, of each item in proportion to how often it is drawn and
        evenly spaced over it, in batches; and of each window the stretch of its item's time that it
        lies in, of `STRETCHES`."""
        first, limit, count = self.origins.first, self.origins.limit, self._whole()
        share = np.where(count > 0, self.weights(), 0.0)
        share = share / share.sum()
        wanted = np.diff(np.floor(np.cumsum([0.0, *share]) * max_windows + 0.5).astype(np.int64))
        each = np.minimum(wanted, count)
        item = np.arange(len(each)).repeat(each)
        number = np.arange(len(item)) - (np.cumsum(each) - each)[item]
        ahead = (2 * number + 1) * count[item] // (2 * each[item])
        stretch = ahead * STRETCHES // count[item]
        cut = self.windows.several(item, first[item] + ahead, limit[item])
        for batch, items, place in cut:
            yield self.weighing(batch, items), stretch[place]

    @property
    def neighbours(self) -> int:
        """How many stretches on either side of one share targets with it, in the usual item."""
        count = self._whole()
        length = float(np.median(count[count > 0])) / STRETCHES
        return int(np.clip(np.ceil(self.windows.horizon / length), 1, STRETCHES // 2 - 1))

    def _whole(self) -> Ints:
        """`[items]` how many windows each item has; whole futures only, where there are any."""
        first, limit = self.origins.first, self.origins.limit
        last = np.minimum(self.origins.last, np.maximum(limit - self.windows.horizon, first))
        return np.maximum(last - first + 1, 0)

    def _spread(self, config: Architecture) -> Spread:
        """The usual spread of each item is the mean of windows spaced evenly over it, each taken as
        at most `MOST` times their median: one wild value must not make all others small."""
        first, last = self.origins.first, self.origins.last
        some = np.flatnonzero(last >= first)
        share = np.linspace(0.0, 1.0, LOOKED_AT)
        origin = first[some, None] + np.rint(share * (last - first)[some, None]).astype(np.int64)
        item = some.repeat(LOOKED_AT)
        found = spreads(config, self.windows, item, origin.reshape(-1))  # [W, C]
        usual = np.zeros((len(first), found.shape[1]))
        found = found.reshape(len(some), LOOKED_AT, -1)
        most = MOST * np.median(found, axis=1, keepdims=True)
        usual[some] = np.minimum(found, most).mean(axis=1)
        return Spread.of(config, usual, self.windows.device)
