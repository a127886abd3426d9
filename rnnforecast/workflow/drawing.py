"""Which windows a fit draws, and how much they count in its loss, as the spec says."""

from __future__ import annotations

import numpy as np

from rnnforecast.data.plan import Cleaned
from rnnforecast.data.scale import draw_weights, mean_sizes, relative
from rnnforecast.data.window import Origins
from rnnforecast.spec.training import Training
from rnnforecast.training.batches import Sampler, Windows
from rnnforecast.training.weighing import Weighing, step_weights
from rnnforecast.workflow.forecasting import Floats, Ints

RECENCY = {"recent": 2.0, "uniform": 1.0}
"""The power of `Sampler` by `training.sample_origins`."""


class Emphasis:
    """What a fit on the steps before `ends [S]` dwells on."""

    def __init__(self, spec: Training, cleaned: Cleaned, ends: Ints, windows: Windows) -> None:
        self.spec, self.windows = spec, windows
        self.sizes = self._sizes(cleaned, ends)
        steps = step_weights(spec.horizon_weight, windows.horizon)
        items = None
        if spec.series_weight == "level":
            items = self.sizes if windows.joint else self.sizes.reshape(-1, 1)
        self.weighing = Weighing.of(steps, items, windows.device)

    def _sizes(self, cleaned: Cleaned, ends: Ints) -> Floats:
        """Relative mean sizes `[S, C]`; ones where nothing asks for them."""
        panel = cleaned.panel
        if self.spec.series_weight != "level" and self.spec.sample_series != "scale":
            return np.ones((panel.size, panel.targets.shape[1]))
        found = mean_sizes(panel.targets, cleaned.counted, panel.offsets, ends)
        return relative(found, joint=self.windows.joint)

    def sampler(self, origins: Origins, *, batch_size: int, seed: int) -> Sampler:
        """Draws windows at `origins`."""
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
