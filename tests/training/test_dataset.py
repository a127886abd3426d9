"""Windows against a naive loop, without look-ahead, and their random draws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rnnforecast.data.cleaning.imputation import impute
from rnnforecast.training.dataset import Batch, PanelArrays, WindowDataset
from rnnforecast.types import Floats, Ints

CPU = torch.device("cpu")
NAMES = ("values", "value_mask", "input_mask", "elapsed", "targets", "weight")


@dataclass(frozen=True)
class Table:
    """A small panel: `values [N, C]` with NaN where nothing was observed, `offsets [S + 1]`."""

    values: Floats
    offsets: Ints

    @property
    def observed(self) -> NDArray[np.bool_]:
        return ~np.isnan(self.values)

    def windows(
        self, lookback: int, horizon: int, method: Any = "mask", *, joint: bool = False
    ) -> WindowDataset:
        filled = impute(self.values, self.observed, self.offsets, method)
        arrays = PanelArrays(filled, self.observed, self.offsets, include_elapsed=True)
        return WindowDataset(arrays, lookback=lookback, horizon=horizon, device=CPU, joint=joint)


def table(lengths: list[int], channels: int, *, seed: int = 0, hidden: float = 0.3) -> Table:
    rng = np.random.default_rng(seed)
    values = rng.normal(10, 3, (sum(lengths), channels))
    values[rng.random(values.shape) < hidden] = np.nan
    return Table(values, np.cumsum([0, *lengths]))


def gather(windows: WindowDataset, item: list[int], origin: list[int], limit: list[int]) -> Batch:
    return windows.gather(*(torch.tensor(part) for part in (item, origin, limit)))


def part_of(batch: Batch, name: str) -> torch.Tensor:
    found = getattr(batch if name in ("targets", "weight") else batch.history, name)
    assert isinstance(found, torch.Tensor)
    return found


def naive(
    found: Table, lookback: int, horizon: int, method: Any, window: tuple[int, int, int]
) -> list[list[float]]:
    """The parts of one window by `NAMES`, a step at a time."""
    item, origin, limit = window
    channels = found.values.shape[1]
    series, channel = divmod(item, channels)
    begin, end = found.offsets[series], found.offsets[series + 1]
    values = found.values[begin:end]
    # all that may be read is filled from the steps before the origin alone
    past = values[:origin]
    filled = impute(past, ~np.isnan(past), np.array([0, len(past)]), method)
    tables = (filled.inputs, filled.value_mask, filled.input_mask, filled.elapsed)
    read = [
        [
            float(table[step, channel]) if step >= 0 else 0.0
            for step in range(origin - lookback, origin)
        ]
        for table in tables
    ]
    future, weight = [], []
    for step in range(origin, origin + horizon):
        counted = step < limit and not np.isnan(values[step, channel])
        future.append(values[step, channel] if counted else 0.0)
        weight.append(float(counted))
    return [*read, future, weight]


@pytest.mark.parametrize("method", ["mask", "ffill", "linear", "seasonal", "mean"])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_window_of_a_panel_agrees_with_a_loop_that_saw_the_history_alone(
    channels: int, method: str
) -> None:
    found, lookback, horizon = table([7, 1, 12, 4], channels, seed=channels), 5, 3
    windows = found.windows(lookback, horizon, method)
    for item in range(4 * channels):
        length = int(np.diff(found.offsets)[item // channels])
        limits = (min(3, length), length)
        places = [(item, origin, limit) for origin in range(1, length + 1) for limit in limits]
        batch = gather(windows, *(list(part) for part in zip(*places, strict=True)))
        for row, place in enumerate(places):
            expected = naive(found, lookback, horizon, method, place)
            for name, numbers in zip(NAMES, expected, strict=True):
                got = part_of(batch, name)[row, :, 0].double().numpy()
                np.testing.assert_allclose(got, numbers, atol=1e-12, err_msg=f"{name} {place}")


def test_shapes_and_types_are_those_the_net_takes() -> None:
    batch = gather(table([9], 2).windows(4, 3), [0, 1], [5, 6], [9, 9])
    assert batch.history.values.shape == batch.history.value_mask.shape == (2, 4, 1)
    assert batch.targets.shape == batch.weight.shape == (2, 3, 1)
    assert batch.history.values.dtype == batch.targets.dtype == torch.float64
    assert batch.history.value_mask.dtype == torch.bool
    assert batch.weight.dtype == torch.float32


def test_a_line_across_a_gap_is_read_only_once_its_far_end_is_known() -> None:
    found = Table(np.array([[1.0], [np.nan], [np.nan], [7.0], [8.0]]), np.array([0, 5]))
    batch = gather(found.windows(4, 1, "linear"), [0, 0], [3, 4], [5, 5])
    expected = [[0, 1, 1, 1], [1, 3, 5, 7]]
    np.testing.assert_allclose(batch.history.values[..., 0].numpy(), expected, rtol=1e-12)


panels = st.builds(
    table,
    st.lists(st.integers(1, 9), min_size=1, max_size=4),
    st.integers(1, 2),
    seed=st.integers(0, 99),
    hidden=st.sampled_from([0.0, 0.4, 0.9]),
)


@settings(max_examples=80, deadline=None)
@given(
    found=panels,
    method=st.sampled_from(["mask", "ffill", "linear", "seasonal", "mean", "median"]),
    seed=st.integers(0, 99),
    data=st.data(),
)
def test_nothing_at_or_after_the_origin_and_no_other_item_can_change_the_history(
    found: Table, method: str, seed: int, data: st.DataObject
) -> None:
    channels = found.values.shape[1]
    item = data.draw(st.integers(0, (len(found.offsets) - 1) * channels - 1), label="item")
    series, channel = divmod(item, channels)
    begin, end = found.offsets[series], found.offsets[series + 1]
    origin = data.draw(st.integers(1, int(end - begin)), label="origin")

    rng = np.random.default_rng(seed)
    other = rng.choice([np.nan, -1e300, 1e300, 5.0], found.values.shape)
    own = slice(begin, begin + origin)
    other[own, channel] = found.values[own, channel]
    changed = Table(other, found.offsets)

    limit = origin  # and so nothing of the future is asked for
    first = gather(found.windows(6, 4, method), [item], [origin], [limit])
    second = gather(changed.windows(6, 4, method), [item], [origin], [limit])
    for name in NAMES:
        assert torch.equal(part_of(first, name), part_of(second, name)), name


@settings(max_examples=40, deadline=None)
@given(found=panels, seed=st.integers(0, 99), data=st.data())
def test_the_future_is_that_of_the_item_before_the_limit_and_nothing_else(
    found: Table, seed: int, data: st.DataObject
) -> None:
    channels = found.values.shape[1]
    item = data.draw(st.integers(0, (len(found.offsets) - 1) * channels - 1), label="item")
    series, channel = divmod(item, channels)
    begin, end = (int(place) for place in found.offsets[series : series + 2])
    limit = data.draw(st.integers(1, end - begin), label="target_end")
    origin = data.draw(st.integers(1, limit), label="origin")

    other = np.random.default_rng(seed).choice([np.nan, 1e300], found.values.shape)
    own = slice(begin, begin + limit)
    other[own, channel] = found.values[own, channel]

    first = gather(found.windows(3, 5), [item], [origin], [limit])
    second = gather(Table(other, found.offsets).windows(3, 5), [item], [origin], [limit])
    for name in NAMES:
        assert torch.equal(part_of(first, name), part_of(second, name)), name


@pytest.mark.parametrize("count", [0, 1, 5, 6])
def test_many_windows_cut_some_at_a_time_are_those_cut_at_once(count: int) -> None:
    table = Table(np.arange(40.0).reshape(20, 2), np.array([0, 8, 20]))
    windows = table.windows(3, 2)
    item, origin = np.arange(count) % 4, 3 + np.arange(count) % 3
    whole = windows.gather(
        *(torch.from_numpy(part) for part in (item, origin, origin + 1)), steps=4
    )
    found = list(windows.iter_batches(item, origin, origin + 1, steps=4, batch_size=2))
    assert len(found) == max(-(-count // 2), 1)
    assert torch.cat([items for _, items, _ in found]).tolist() == item.tolist()
    assert np.concatenate([item[place] for _, _, place in found]).tolist() == item.tolist()
    for of in (lambda b: b.history.values, lambda b: b.targets, lambda b: b.weight):
        assert torch.equal(torch.cat([of(batch) for batch, _, _ in found]), of(whole))
