"""Windows agree with a naive loop, know nothing of the future, and are drawn as promised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rnnforecast.data.cleaning.imputation import fill_missing
from rnnforecast.training.dataset import (
    SAMPLING_BLOCK_STEPS,
    Batch,
    PanelArrays,
    WindowDataset,
    WindowSampler,
)
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
        filled = fill_missing(self.values, self.observed, self.offsets, method)
        tables = PanelArrays(
            inputs=filled.inputs,
            value_mask=filled.value_mask,
            input_mask=filled.input_mask,
            target_mask=self.observed,
            offsets=self.offsets,
            causal_inputs=filled.causal_inputs,
            known_from=filled.known_from,
            elapsed=filled.elapsed,
        )
        return WindowDataset(tables, lookback=lookback, horizon=horizon, device=CPU, joint=joint)


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
    filled = fill_missing(past, ~np.isnan(past), np.array([0, len(past)]), method)
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


@pytest.mark.parametrize("method", ["mask", "ffill", "linear", "zero", "mean"])
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
    method=st.sampled_from(["mask", "ffill", "linear", "zero", "mean", "median"]),
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


def sampler(**changes: Any) -> WindowSampler:
    given: dict[str, Any] = {
        "first_origin": np.array([2, 3, 5, 4]),
        "last_origin": np.array([9, 3, 4, 40]),
        "target_end": np.array([12, 5, 5, 43]),
        "item_weight": np.array([1.0, 2.0, 50.0, 3.0]),
        "batch_size": 8,
        "seed": 1,
        "device": CPU,
    }
    return WindowSampler(**{**given, **changes})


def drawn(found: WindowSampler, steps: int) -> tuple[Ints, Ints, Ints]:
    """Items, origins and limits of the first `steps` steps, in one row each."""
    parts = zip(*(found.sample(step) for step in range(steps)), strict=True)
    item, origin, limit = (torch.cat(part).numpy() for part in parts)
    return item, origin, limit


@settings(max_examples=30, deadline=None)
@given(
    ranges=st.lists(st.tuples(st.integers(0, 30), st.integers(-5, 60)), min_size=1, max_size=5),
    seed=st.integers(0, 10_000),
    recency=st.sampled_from([1.0, 2.0, 3.0]),
)
def test_origins_stay_between_first_and_last_and_items_without_windows_are_never_drawn(
    ranges: list[tuple[int, int]], seed: int, recency: float
) -> None:
    first = np.array([begin for begin, _ in ranges])
    last = np.array([begin + width for begin, width in ranges])
    limit = last + 3
    given_ = {
        "first_origin": first,
        "last_origin": last,
        "target_end": limit,
        "item_weight": np.ones(len(first)),
    }
    if (last < first).all():
        with pytest.raises(ValueError, match="no item has an origin"):
            sampler(**given_)
        return
    item, origin, limits = drawn(sampler(**given_, seed=seed, recency=recency), 4)
    assert (first[item] <= origin).all()
    assert (origin <= last[item]).all()
    assert (limits == limit[item]).all()


def test_both_the_first_and_the_last_origin_are_drawn() -> None:
    item, origin, _ = drawn(sampler(), 400)
    for number, (first, last) in enumerate([(2, 9), (3, 3)]):
        assert set(origin[item == number]) == set(range(first, last + 1))


def test_items_are_drawn_in_proportion_to_their_weights() -> None:
    item, _, _ = drawn(sampler(batch_size=256), 100)
    share = np.bincount(item, minlength=4) / len(item)
    # item 2 has the largest weight and no window
    np.testing.assert_allclose(share, [1 / 6, 2 / 6, 0, 3 / 6], atol=0.015)


@pytest.mark.parametrize("step", [0, 5, SAMPLING_BLOCK_STEPS - 1, SAMPLING_BLOCK_STEPS, 200])
def test_what_a_step_draws_does_not_depend_on_earlier_draws(step: int) -> None:
    used, fresh = sampler(), sampler()
    for earlier in (3, 500, 70, 1):
        used.sample(earlier)
    torch.manual_seed(77)
    torch.rand(5)
    for left, right in zip(used.sample(step), fresh.sample(step), strict=True):
        assert torch.equal(left, right)


def test_steps_and_seeds_draw_different_windows() -> None:
    found = sampler()
    draws = [
        tuple(found.sample(step)[1].tolist()) for step in (0, 1, SAMPLING_BLOCK_STEPS, 10 * 64 + 1)
    ]
    draws.append(tuple(sampler(seed=2).sample(0)[1].tolist()))
    assert len(set(draws)) == len(draws)


@pytest.mark.parametrize(("recency", "expected"), [(1.0, 1 / 2), (2.0, 1 / 3), (3.0, 1 / 4)])
def test_recent_origins_come_more_often(recency: float, expected: float) -> None:
    one = {
        "first_origin": np.array([0]),
        "last_origin": np.array([99_999]),
        "target_end": np.array([100_000]),
        "item_weight": np.ones(1),
    }
    _, origin, _ = drawn(sampler(**one, recency=recency, batch_size=256), 64)
    age = (99_999 - origin) / 100_000
    assert age.mean() == pytest.approx(expected, abs=0.01)  # the mean of u ** recency


@pytest.mark.parametrize("weight", [np.zeros(4), np.array([0.0, 0, 9, 0])])
def test_without_any_window_there_is_nothing_to_draw(weight: Floats) -> None:
    with pytest.raises(ValueError, match="no item has an origin to train on"):
        sampler(item_weight=weight)


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
