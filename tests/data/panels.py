"""Small panels for tests, without a table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.time.frequency import parse_frequency


def panel(
    *series: Sequence[float] | npt.NDArray[np.float64],
    start: Sequence[str] | str = "2024-01-01",
    frequency: str = "D",
) -> Panel:
    """Series s0, s1, … of one target, NaN where missing, each from its `start` on."""
    starts = [start] * len(series) if isinstance(start, str) else list(start)
    calendar = parse_frequency(frequency)
    first = np.array(starts, dtype="datetime64[us]")
    ordinals = calendar.ordinals(first)
    targets = np.concatenate([np.asarray(one, dtype=np.float64) for one in series])[:, None]
    return Panel(
        keys=pd.DataFrame({"id": [f"s{s}" for s in range(len(series))]}),
        offsets=np.r_[0, np.cumsum([len(one) for one in series])],
        start=ordinals,
        phase=calendar.phase(first, ordinals),
        frequency=calendar,
        utc_offset="",
        target_names=("y",),
        targets=targets,
        observed_mask=~np.isnan(targets),
    )
