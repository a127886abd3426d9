"""The linear base forecast by ridge regression, against scikit-learn."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import reduce

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from torch import Tensor

from rnnforecast.models.base_forecast.base_forecast import initial_weights
from rnnforecast.training import ridge
from rnnforecast.training.dataset import Batch, WindowDataset
from rnnforecast.training.ridge import FOLD_COUNT, MAX_LOOKBACK, NormalEquations, fit_base_forecast
from tests.training.fits import CPU, net, panel_arrays, weights_of

L, H = 8, 4


def cut(values: np.ndarray, seen: np.ndarray | None = None) -> WindowDataset:
    observed = np.ones(len(values), bool) if seen is None else seen
    arrays = panel_arrays(values[:, None], observed[:, None], np.array([0, len(values)]))
    return WindowDataset(arrays, lookback=L, horizon=H, device=CPU)


def evenly(windows: WindowDataset, length: int) -> Iterator[tuple[Batch, Tensor]]:
    origin = torch.arange(L, length - H + 1)
    fold = (origin - L) * FOLD_COUNT // len(origin)
    for some, numbers in zip(origin.split(64), fold.split(64), strict=True):
        yield windows.gather(torch.zeros_like(some), some, some + H), numbers


def rows(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    both = np.lib.stride_tricks.sliding_window_view(values, L + H)
    return both[:, :L], both[:, L:]


def test_the_map_is_that_of_ridge_regression_around_a_simple_forecast() -> None:
    rng = np.random.default_rng(0)
    values = np.zeros(600)
    for step in range(4, 600):
        values[step] = 0.6 * values[step - 1] + 0.3 * values[step - 4] + rng.normal()
    model = net(base_forecast="linear", normalize="none", loss="mse")
    found = fit_base_forecast(model, evenly(cut(values), 600))
    assert found is not None
    assert 0 < found.penalty < math.inf
    x, y = rows(values)
    x = np.c_[x, np.ones(len(x))]
    start = np.c_[initial_weights(model.config)[found.prior].numpy(), np.zeros(H)]
    ridge = Ridge(alpha=found.penalty * (x**2).sum(0).mean(), fit_intercept=False)
    expected = ridge.fit(x, y - x @ start.T).coef_ + start
    assert model.base_forecast is not None
    np.testing.assert_allclose(
        model.base_forecast.linear.weight.detach(), expected[:, :-1], atol=1e-4
    )
    np.testing.assert_allclose(model.base_forecast.linear.bias.detach(), expected[:, -1], atol=1e-4)


@pytest.mark.parametrize("first", ["linear", "theta"])
def test_a_linear_law_is_found_from_any_initial_forecast(first: str) -> None:
    values = 10 + 3 * np.sin(np.arange(400) * 2 * np.pi / 7) + np.cos(np.arange(400) * 0.9)
    model = net(base_forecast=first, normalize="none", season=1).eval()
    windows = cut(values)
    fit_base_forecast(model, evenly(windows, 400))
    some = torch.arange(300, 340)
    batch = windows.gather(torch.zeros_like(some), some, some + H)
    z, level = model.forecast(batch.history, (0.1, 0.5, 0.9))
    # theta leaves over what no line can say: a smoothing that fits itself to each window
    worst = {"linear": 0.1, "theta": 1.0}[first]
    assert float((level.denormalize(z)[..., 1] - batch.targets).abs().max()) < worst


def test_noise_is_left_to_the_simple_forecast_of_the_mean() -> None:
    values = np.random.default_rng(1).normal(5, 1, 300)
    model = net(base_forecast="linear", normalize="standard", season=1)
    found = fit_base_forecast(model, evenly(cut(values), 300))
    assert found is not None
    assert found.prior == "seasonal mean"
    assert found.penalty >= 0.3


def test_where_nothing_varies_the_map_stays_as_it_was() -> None:
    model = net(base_forecast="linear", normalize="standard")
    before = weights_of(model)
    fit_base_forecast(model, evenly(cut(np.full(100, 3.0)), 100))
    assert all(torch.equal(before[name], value) for name, value in weights_of(model).items())


def test_missing_targets_do_not_change_the_fit() -> None:
    rng = np.random.default_rng(2)
    values, seen = rng.normal(0, 1, 300).cumsum(), rng.random(300) < 0.8
    one, other = net(base_forecast="linear"), net(base_forecast="linear")
    fit_base_forecast(one, evenly(cut(values, seen), 300))
    fit_base_forecast(other, evenly(cut(np.where(seen, values, 1e4), seen), 300))
    assert one.base_forecast is not None
    assert other.base_forecast is not None
    assert torch.equal(one.base_forecast.linear.weight, other.base_forecast.linear.weight)


def test_half_of_the_targets_give_nearly_the_weights_of_all() -> None:
    rng = np.random.default_rng(5)
    values = np.zeros(4000)
    for step in range(2, 4000):
        values[step] = 1.2 * values[step - 1] - 0.5 * values[step - 2] + rng.normal()
    whole, half = (net(base_forecast="linear", normalize="none", season=1) for _ in range(2))
    fit_base_forecast(whole, evenly(cut(values), 4000))

    def gappy() -> Iterator[tuple[Batch, Tensor]]:
        for batch, fold in evenly(cut(values), 4000):
            shown = torch.rand(batch.weight.shape, generator=generator) < 0.5
            yield (
                replace(batch, weight=batch.weight * shown, targets=batch.targets * shown),
                fold,
            )

    generator = torch.Generator().manual_seed(0)
    fit_base_forecast(half, gappy())
    assert whole.base_forecast is not None
    assert half.base_forecast is not None
    all_of_it = whole.base_forecast.linear.weight.detach()
    assert float(all_of_it[0, -1]) == pytest.approx(1.2, abs=0.06)
    torch.testing.assert_close(
        half.base_forecast.linear.weight.detach(), all_of_it, atol=0.15, rtol=0
    )


def test_errors_of_a_step_that_is_half_observed_count_for_all_windows() -> None:
    """Every window twice, the second time without the last step: the errors are those of both."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(20, 3, generator=generator, dtype=torch.float64)
    left = torch.randn(20, 2, 2, generator=generator, dtype=torch.float64)  # two priors, two steps
    coefficients = torch.randn(3, 2, 2, generator=generator, dtype=torch.float64)
    times = torch.tensor([2.0, 1.0], dtype=torch.float64)  # each step was observed
    equations = NormalEquations(
        gram=2 * x.T @ x,
        cross_products=torch.einsum("nl,nsh->lsh", x, left) * times,
        residual_squares=left.square().sum(0) * times,
        total_weight=torch.tensor(40.0, dtype=torch.float64),
        observed_weight=20 * times,
    )
    errors = left - torch.einsum("nl,lsh->nsh", x, coefficients)
    torch.testing.assert_close(
        equations.squared_errors(coefficients, torch.arange(2)), 2 * errors.square().sum((0, 2))
    )


def test_without_a_second_fold_the_prior_is_kept() -> None:
    """All windows are in one fold: none is left for the cross-validation."""
    model = net(base_forecast="linear", normalize="none")
    windows = cut(np.random.default_rng(0).normal(0, 1, 200))
    one = ((batch, torch.zeros_like(fold)) for batch, fold in evenly(windows, 200))
    found = fit_base_forecast(model, one)
    assert found is not None
    assert found.penalty == math.inf
    assert model.base_forecast is not None
    assert torch.equal(
        model.base_forecast.linear.weight, initial_weights(model.config)[found.prior]
    )
    assert not model.base_forecast.linear.bias.any()


def test_one_outlier_does_not_dominate() -> None:
    rng = np.random.default_rng(6)
    values = np.zeros(2000)
    for step in range(1, 2000):
        values[step] = 0.9 * values[step - 1] + rng.normal()
    found = []
    for spike in (0.0, 1e6):
        values[1500] += spike
        model = net(base_forecast="linear", normalize="standard", season=1)
        found.append(fit_base_forecast(model, evenly(cut(values), 2000)))
    assert found[0] is not None
    assert found[1] is not None
    assert found[1].penalty < math.inf


@pytest.mark.parametrize("loss", ["quantile", "mse"])
def test_windows_count_as_they_do_in_the_loss(loss: str) -> None:
    """A window of weight 3 is as good as three of weight 1."""
    values = np.random.default_rng(7).normal(0, 1, 120).cumsum()

    def some(weight: float, times: int) -> Iterator[tuple[Batch, Tensor]]:
        for batch, fold in evenly(cut(values), 120):
            heavy = (fold % 2 == 0).float()[:, None, None]
            yield replace(batch, weight=batch.weight * (1 + heavy * (weight - 1))), fold
            for _ in range(times - 1):
                yield replace(batch, weight=batch.weight * heavy), fold

    maps = []
    for weight, times in ((3.0, 1), (1.0, 3)):
        model = net(base_forecast="linear", normalize="none", loss=loss)
        fit_base_forecast(model, some(weight, times))
        assert model.base_forecast is not None
        maps.append(model.base_forecast.linear.weight.detach())
    torch.testing.assert_close(*maps, atol=1e-4, rtol=1e-3)


def test_few_outlying_windows_dominate_a_squared_loss_only() -> None:
    """Two laws, one of them in a tenth of the time and on a scale six times as large."""
    rng = np.random.default_rng(8)
    values, wild = np.zeros(1500), np.zeros(150)
    for step in range(1, 1500):
        values[step] = 0.9 * values[step - 1] + 0.05 * rng.normal()
    for step in range(1, 150):
        wild[step] = -0.9 * wild[step - 1] + 0.3 * rng.normal()
    values[600:750] = wild
    x, y = rows(values[750:])  # the calm part after it
    missed = {}
    for loss in ("quantile", "mse"):
        model = net(base_forecast="linear", normalize="none", loss=loss, season=1)
        fit_base_forecast(model, evenly(cut(values), 1500))
        assert model.base_forecast is not None
        with torch.no_grad():
            said = model.base_forecast.linear(torch.tensor(x, dtype=torch.float32)).numpy()
        missed[loss] = float(np.abs(said - y).mean())
    assert missed["quantile"] < 0.9 * missed["mse"]


def test_a_lookback_above_the_limit_is_not_fitted() -> None:
    model = net(base_forecast="linear", lookback=MAX_LOOKBACK + 4, patch_length=4)
    before = weights_of(model)
    assert fit_base_forecast(model, []) is None
    assert all(torch.equal(before[name], value) for name, value in weights_of(model).items())


@pytest.mark.parametrize(
    ("horizon", "expected"),
    [
        (1, [0]),
        (5, range(5)),
        (23, range(23)),
        (24, range(24)),
        (47, range(0, 47, 2)),
        (70, range(0, 70, 3)),
    ],
)
def test_at_most_24_evenly_spaced_steps_choose_the_penalty(
    horizon: int, expected: Sequence[int]
) -> None:
    assert ridge._tuning_steps(horizon).tolist() == list(expected)


@pytest.mark.parametrize("neighbors", [1, 3])
@pytest.mark.parametrize("horizon", [3, 47])
def test_each_fold_is_forecast_from_those_that_share_no_targets_with_it(
    horizon: int, neighbors: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All errors of the cross-validation against scikit-learn, fitted fold by fold."""
    rng = np.random.default_rng(horizon)
    x = np.concatenate([rng.normal(size=(10, 6, 3)), np.ones((10, 6, 1))], -1)
    y = x[..., :3] @ rng.normal(size=(3, horizon)) + rng.normal(size=(10, 6, horizon))
    priors = rng.normal(size=(2, horizon, 3))
    errors: list[np.ndarray] = []
    squared_errors = ridge.NormalEquations.squared_errors

    def record(self: ridge.NormalEquations, coefficients: Tensor, steps: Tensor) -> Tensor:
        result = squared_errors(self, coefficients, steps)
        errors.append(result.numpy())
        return result

    monkeypatch.setattr(ridge.NormalEquations, "squared_errors", record)
    folds = [
        ridge._normal_equations(
            [*map(torch.from_numpy, (x[k], y[k], np.ones((6, 1)), np.ones((6, horizon))))],
            torch.from_numpy(priors),
            squared_loss=True,
        )
        for k in range(10)
    ]
    total = reduce(ridge.NormalEquations.add, folds)
    prior, penalty = ridge._select_prior_and_penalty(folds, total, neighbors)

    steps = np.arange(horizon) if horizon == 3 else np.arange(0, horizon, 2)
    expected = np.zeros((10, len(ridge.RIDGE_PENALTIES), 2))
    for fold in range(10):
        others = [k for k in range(10) if abs(k - fold) > neighbors]
        train_x = x[others].reshape(-1, 4)
        for row, share in enumerate(ridge.RIDGE_PENALTIES):
            alpha = share * (train_x**2).sum(0).mean()
            for column, weights in enumerate(priors):
                residuals = y - x[..., :3] @ weights.T  # [10, 6, H]
                fitted = np.zeros((6, horizon))
                if np.isfinite(share):
                    model = Ridge(alpha=alpha, fit_intercept=False)
                    model.fit(train_x, residuals[others].reshape(-1, horizon))
                    fitted = model.predict(x[fold])
                missed = (residuals[fold] - fitted)[:, steps]
                expected[fold, row, column] = (missed**2).sum()
    np.testing.assert_allclose(np.reshape(errors, expected.shape), expected, rtol=1e-6)
    best = np.unravel_index(expected.sum(0).argmin(), expected.shape[1:])
    assert (ridge.RIDGE_PENALTIES.index(penalty), prior) == best
