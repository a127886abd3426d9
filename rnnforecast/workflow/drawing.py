"""Which windows a fit draws, and how much they count in its loss, as the spec says."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from rnnforecast.data.plan import Cleaned
from rnnforecast.data.scale import draw_weights, mean_sizes, relative
from rnnforecast.data.window import Origins
from rnnforecast.models.pairs import MEANS
from rnnforecast.spec.training import Training
from rnnforecast.training.batches import Batch, Sampler, Windows
from rnnforecast.training.inference import spreads
from rnnforecast.training.least_squares import STRETCHES
from rnnforecast.training.weighing import Weighing, step_weights
from rnnforecast.workflow.forecasting import Floats, Ints

RECENCY = {"recent": 2.0, "uniform": 1.0}
"""The power of `Sampler` by `training.sample_origins`."""

AT_ONCE = 2048
"""Windows gathered at once."""

LOOKED_AT = 16
"""Windows of an item that tell its usual spread."""


class Emphasis:
    """What a fit on the windows at `origins`, of the steps before `ends [S]`, dwells on."""

    def __init__(
        self, spec: Training, cleaned: Cleaned, ends: Ints, windows: Windows, origins: Origins
    ) -> None:
        self.spec, self.windows, self.origins = spec, windows, origins
        self.sizes = self._sizes(cleaned, ends)
        steps = step_weights(spec.horizon_weight, windows.horizon)
        items = None
        if spec.series_weight == "level":
            items = self.sizes if windows.joint else self.sizes.reshape(-1, 1)
        usual = self._usual_spreads() if spec.window_weight == "spread" else None
        power = 2 if spec.loss in MEANS else 1
        self.weighing = Weighing.of(steps, items, windows.device, usual, power=power)

    def _sizes(self, cleaned: Cleaned, ends: Ints) -> Floats:
        """Relative mean sizes `[S, C]`; ones where nothing asks for them."""
        panel = cleaned.panel
        if self.spec.series_weight != "level" and self.spec.sample_series != "scale":
            return np.ones((panel.size, panel.targets.shape[1]))
        found = mean_sizes(panel.targets, cleaned.counted, panel.offsets, ends)
        return relative(found, joint=self.windows.joint)

    def sampler(self, *, batch_size: int, seed: int) -> Sampler:
        """Draws the windows."""
        origins = self.origins
        sizes = self.sizes.mean(1) if self.windows.joint else self.sizes.reshape(-1)
        return Sampler(
            first=origins.first,
            last=origins.last,
            limit=origins.limit,
            weight=draw_weights(self.spec.sample_series, origins.weight, sizes),
            batch_size=batch_size,
            seed=seed,
            device=self.windows.device,
            recency=RECENCY[self.spec.sample_origins],
        )

    def evenly(self, most: int) -> Iterator[tuple[Batch, Tensor]]:
        """At most so many windows, evenly spaced over all there are, in batches; and of each the
        stretch of its item's time that it lies in, of `STRETCHES`."""
        first, limit = self.origins.first, self.origins.limit
        # only whole futures, where there are any
        last = np.minimum(self.origins.last, np.maximum(limit - self.windows.horizon, first))
        count = np.maximum(last - first + 1, 0)
        before = np.cumsum(count) - count
        total = int(count.sum())
        chosen = np.linspace(0, total - 1, min(most, total)).astype(np.int64)
        item = np.searchsorted(before + count, chosen, side="right")
        ahead = chosen - before[item]
        stretch = ahead * STRETCHES // count[item]
        columns = (item, first[item] + ahead, limit[item], stretch)
        parts = [torch.from_numpy(column).to(self.windows.device) for column in columns]
        for item_, origin, limit_, stretch_ in zip(
            *(torch.split(part, AT_ONCE) for part in parts), strict=True
        ):
            batch = self.windows.gather(item_, origin, limit_)
            yield self.weighing(batch, item_), stretch_

    def _usual_spreads(self) -> Floats:
        """`[items, C]` mean spread of windows spaced evenly over each item; 0 where it has none."""
        first, last = self.origins.first, self.origins.last
        item = np.flatnonzero(last >= first).repeat(LOOKED_AT)
        share = np.tile(np.linspace(0.0, 1.0, LOOKED_AT), len(item) // LOOKED_AT)
        origin = first[item] + np.rint(share * (last - first)[item]).astype(np.int64)
        found = spreads(self.windows, item, origin)  # [W, C]
        usual = np.zeros((len(first), found.shape[1]))
        np.add.at(usual, item, found / LOOKED_AT)
        return usual
