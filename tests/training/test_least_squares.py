"""The map that least squares finds, against scikit-learn's ridge regression."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from torch import Tensor

from rnnforecast.models.first import starts
from rnnforecast.training.batches import Batch, Tables, Windows
from rnnforecast.training.least_squares import STRETCHES, fit_first
from tests.training.fits import CPU, net, weights_of

L, H = 8, 4


def cut(values: np.ndarray, seen: np.ndarray | None = None) -> Windows:
    column = values[:, None]
    there = np.ones_like(column, bool) if seen is None else seen[:, None]
    tables = Tables(
        inputs=column,
        visible=there,
        present=there,
        observed=there,
        offsets=np.array([0, len(values)]),
    )
    return Windows(tables, lookback=L, horizon=H, device=CPU)


def evenly(windows: Windows, length: int) -> Iterator[tuple[Batch, Tensor]]:
    origin = torch.arange(L, length - H + 1)
    stretch = (origin - L) * STRETCHES // len(origin)
    for some, numbers in zip(origin.split(64), stretch.split(64), strict=True):
        yield windows.gather(torch.zeros_like(some), some, some + H), numbers


def rows(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    both = np.lib.stride_tricks.sliding_window_view(values, L + H)
    return both[:, :L], both[:, L:]


def test_the_map_is_that_of_ridge_regression_around_a_simple_forecast() -> None:
    rng = np.random.default_rng(0)
    values = np.zeros(600)
    for step in range(4, 600):
        values[step] = 0.6 * values[step - 1] + 0.3 * values[step - 4] + rng.normal()
    model = net(first="linear", normalize="none")
    found = fit_first(model, evenly(cut(values), 600))
    assert 0 < found.strength < math.inf
    x, y = rows(values)
    x = np.c_[x, np.ones(len(x))]
    start = np.c_[starts(model.architecture)[found.towards].numpy(), np.zeros(H)]
    ridge = Ridge(alpha=found.strength * (x**2).sum(0).mean(), fit_intercept=False)
    expected = ridge.fit(x, y - x @ start.T).coef_ + start
    assert model.first is not None
    np.testing.assert_allclose(model.first.map.weight.detach(), expected[:, :-1], atol=1e-4)
    np.testing.assert_allclose(model.first.map.bias.detach(), expected[:, -1], atol=1e-4)


@pytest.mark.parametrize("first", ["linear", "theta"])
def test_what_a_line_can_say_is_found_out_whatever_it_starts_from(first: str) -> None:
    values = 10 + 3 * np.sin(np.arange(400) * 2 * np.pi / 7) + np.cos(np.arange(400) * 0.9)
    model = net(first=first, normalize="none", season=1).eval()
    windows = cut(values)
    fit_first(model, evenly(windows, 400))
    some = torch.arange(300, 340)
    batch = windows.gather(torch.zeros_like(some), some, some + H)
    z, level = model.forecast(batch.history, (0.1, 0.5, 0.9))
    # theta leaves over what no line can say: a smoothing that fits itself to each window
    worst = {"linear": 0.1, "theta": 1.0}[first]
    assert float((level.undo(z)[..., 1] - batch.future).abs().max()) < worst


def test_noise_is_left_to_the_simple_forecast_of_the_mean() -> None:
    values = np.random.default_rng(1).normal(5, 1, 300)
    model = net(first="linear", normalize="standard", season=1)
    found = fit_first(model, evenly(cut(values), 300))
    assert found.towards == "seasonal mean"
    assert found.strength >= 0.3


def test_where_nothing_varies_the_map_stays_as_it_was() -> None:
    model = net(first="linear", normalize="standard")
    before = weights_of(model)
    fit_first(model, evenly(cut(np.full(100, 3.0)), 100))
    assert all(torch.equal(before[name], value) for name, value in weights_of(model).items())


def test_what_was_not_observed_has_no_say() -> None:
    rng = np.random.default_rng(2)
    values, seen = rng.normal(0, 1, 300).cumsum(), rng.random(300) < 0.8
    one, other = net(first="linear"), net(first="linear")
    fit_first(one, evenly(cut(values, seen), 300))
    fit_first(other, evenly(cut(np.where(seen, values, 1e4), seen), 300))
    assert one.first is not None
    assert other.first is not None
    assert torch.equal(one.first.map.weight, other.first.map.weight)
