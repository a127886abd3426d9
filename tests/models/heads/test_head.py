"""Heads: quantiles that cannot cross, and losses that agree with a hand calculation.

That every head keeps to what all have in common is tested in `test_every_head`.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor

from rnnforecast.evaluation import metrics
from rnnforecast.models.heads.head import build_head, weighted_mean
from rnnforecast.models.heads.quantile import INITIAL_GAP, QuantileHead
from rnnforecast.models.scaling.window_scaler import ScaleStats, WindowScaler

LEVELS = (0.025, 0.1, 0.5, 0.9, 0.975)


def plain(windows: int = 1, channels: int = 1) -> WindowScaler:
    """A frame in which the net's values are the original ones."""
    one = torch.ones(windows, 1, channels)
    return WindowScaler(ScaleStats(torch.zeros_like(one), one), torch.ones(()))


PLAIN = plain()


def cell(*values: float) -> Tensor:
    """One step of one target, `[1, 1, 1, P]`."""
    return torch.tensor(values)[None, None, None]


def raw_for(head: QuantileHead, quantiles: np.ndarray) -> Tensor:
    """The raw numbers that give these increasing `quantiles [..., Q]`."""
    gaps = np.diff(quantiles, axis=-1)
    hidden = np.log(np.expm1(gaps)) - INITIAL_GAP  # softplus undone
    middle = quantiles[..., head.location_index : head.location_index + 1]
    parts = [hidden[..., : head.location_index], middle, hidden[..., head.location_index :]]
    return torch.from_numpy(np.concatenate(parts, -1).astype(np.float32))


levels_with_median = st.lists(
    st.floats(0.01, 0.99).filter(lambda x: x != 0.5), max_size=6, unique=True
).map(lambda found: tuple(sorted([*found, 0.5])))


@settings(max_examples=60, deadline=None)
@given(levels=levels_with_median, data=st.data())
def test_quantiles_never_cross_whatever_the_net_says(
    levels: tuple[float, ...], data: st.DataObject
) -> None:
    number = st.floats(-(2.0**100), 2.0**100, width=32)
    raw = data.draw(st.lists(number, min_size=len(levels), max_size=len(levels)))
    found = QuantileHead(levels).quantiles(cell(*raw), PLAIN, levels)[0, 0, 0]
    assert found.isfinite().all()
    assert (found.diff() >= 0).all()
    assert found[levels.index(0.5)] == torch.tensor(raw)[levels.index(0.5)]


def test_quantiles_are_the_median_and_the_sums_of_the_gaps_on_both_sides() -> None:
    def gap(x: float) -> float:
        return math.log1p(math.exp(x + INITIAL_GAP))

    found = QuantileHead(LEVELS).quantiles(cell(0.3, -1.0, 7.0, 2.0, 0.5), PLAIN, LEVELS)
    expected = [
        7 - gap(-1.0) - gap(0.3),
        7 - gap(-1.0),
        7,
        7 + gap(2.0),
        7 + gap(2.0) + gap(0.5),
    ]
    np.testing.assert_allclose(found.flatten().numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize("levels", [(0.1, 0.9), (0.5, 0.1), (0.5, 0.5), ()])
def test_levels_unsorted_doubled_or_without_a_median_are_refused(levels: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"sorted, different and hold 0\.5"):
        QuantileHead(levels)


def test_the_pinball_loss_is_that_of_a_calculation_by_hand() -> None:
    head = QuantileHead((0.1, 0.5, 0.9))
    raw = raw_for(head, np.array([[[[2.0, 3.0, 5.0]]]]))
    # target 4: 0.1 * (4 - 2), 0.5 * (4 - 3), 0.1 * (5 - 4); doubled, and their mean
    loss = head.loss(raw, torch.tensor([[[4.0]]]), torch.ones(1, 1, 1), PLAIN)
    assert loss.item() == pytest.approx(2 * (0.2 + 0.5 + 0.1) / 3, rel=1e-6)


def test_the_median_alone_has_the_absolute_error_as_its_loss() -> None:
    raw, target, weight = cell(3.0), torch.tensor([[[5.5]]]), torch.ones(1, 1, 1)
    assert QuantileHead((0.5,)).loss(raw, target, weight, PLAIN).item() == 2.5
    assert build_head("mae", ()).loss(raw, target, weight, PLAIN).item() == 2.5


def test_the_pinball_loss_agrees_with_scikit_learn() -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(3)
    head = QuantileHead(LEVELS)
    quantiles = np.sort(rng.normal(0, 2, (4, 3, 2, len(LEVELS))), -1)
    target = rng.normal(0, 2, (4, 3, 2))
    loss = head.loss(
        raw_for(head, quantiles), torch.from_numpy(target), torch.ones(4, 3, 2), plain(4, 2)
    )
    expected = np.mean(
        [
            2 * sklearn.mean_pinball_loss(target.ravel(), quantiles[..., q].ravel(), alpha=level)
            for q, level in enumerate(LEVELS)
        ]
    )
    assert loss.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ("mae", (0.5 + 3.0) / 2),
        ("mse", (0.25 + 9.0) / 2),
        ("rmse", math.sqrt((0.25 + 9.0) / 2)),
        ("huber", (0.5 * 0.25 + (3.0 - 0.5)) / 2),  # Huber 1964 with delta 1
        ("smape", (2 * 0.5 / 2.5 + 2 * 3.0 / 3.0) / 2),
    ],
)
def test_point_losses_are_those_of_a_calculation_by_hand(loss: str, expected: float) -> None:
    raw, target = torch.tensor([[[[1.0]], [[2.0]]]]), torch.tensor([[[1.5], [-1.0]]])
    assert build_head(loss, ()).loss(
        raw, target, torch.ones(1, 2, 1), PLAIN
    ).item() == pytest.approx(expected)


def test_an_unknown_loss_is_refused_and_told_the_choices() -> None:
    with pytest.raises(ValueError, match=r"mape.*huber.*quantile"):
        build_head("mape", LEVELS)


def test_the_root_mean_square_is_of_each_window_and_has_no_slope_at_zero() -> None:
    raw = torch.tensor([[3.0, 4.0, 9.0], [0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])[..., None, None]
    raw.requires_grad_()
    weight = torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])[..., None]
    loss = build_head("rmse", ()).loss(raw, torch.zeros(3, 3, 1), weight, plain(3))
    assert loss.item() == pytest.approx((math.sqrt(12.5) + 0) / 2)
    (gradient,) = torch.autograd.grad(loss, raw)
    assert gradient.isfinite().all()
    assert (gradient[1:] == 0).all()


def scaled(windows: int, channels: int, seed: int = 0) -> WindowScaler:
    """A frame of levels that differ, some of them without a seasonal change to divide by."""
    rng = np.random.default_rng(seed)
    center, scale, naive = rng.uniform(1, 9, (3, windows, 1, channels))
    level = ScaleStats(torch.from_numpy(center), torch.from_numpy(scale))
    return WindowScaler(level, torch.tensor(0.3), torch.from_numpy(naive))


def test_smape_and_mase_are_those_of_the_measures() -> None:
    rng = np.random.default_rng(2)
    frame, raw = scaled(5, 2), torch.from_numpy(rng.normal(0, 3, (5, 4, 2, 1))).float()
    future = rng.normal(3, 5, (5, 4, 2))
    future[0, :2] = np.nan
    weight = torch.from_numpy(~np.isnan(future)).float()
    point = frame.denormalize(raw[..., 0]).numpy()
    assert frame.mase_scale is not None
    expected = {
        "smape": metrics.smape_by_series(future, point) / 100,
        "mase": metrics.mase_by_series(future, point, frame.mase_scale[:, 0].numpy()),
    }
    known = torch.from_numpy(future).nan_to_num(7.0)
    for loss, series in expected.items():
        for window in range(5):
            part = slice(window, window + 1)
            found = build_head(loss, ()).loss(
                raw[part], known[part], weight[part], frame.select_windows(part)
            )
            assert found.item() == pytest.approx(series[window].mean(), rel=1e-5)


def test_smape_of_two_zeros_is_zero_and_has_a_finite_slope() -> None:
    raw = torch.zeros(1, 1, 1, 1, requires_grad=True)
    loss = build_head("smape", ()).loss(raw, torch.zeros(1, 1, 1), torch.ones(1, 1, 1), PLAIN)
    assert loss.item() == 0
    assert torch.autograd.grad(loss, raw)[0].isfinite().all()


@pytest.mark.parametrize("naive", [None, torch.zeros(1, 1, 1)])
def test_mase_without_a_seasonal_change_divides_by_the_scale(naive: Tensor | None) -> None:
    frame = WindowScaler(
        ScaleStats(torch.zeros(1, 1, 1), torch.full((1, 1, 1), 4.0)), torch.ones(()), naive
    )
    loss = build_head("mase", ()).loss(
        cell(1.0), torch.full((1, 1, 1), 6.0), torch.ones(1, 1, 1), frame
    )
    assert loss.item() == pytest.approx(0.5)


def test_between_trained_levels_quantiles_lie_on_a_line_and_outside_on_an_exponential_tail() -> (
    None
):
    head = QuantileHead((0.1, 0.2, 0.5, 0.8, 0.9))
    # quantiles of the Laplace distribution, whose tails are exponential from the median on
    laplace = np.array([math.log(0.2), math.log(0.4), 0.0, -math.log(0.4), -math.log(0.2)])
    raw = raw_for(head, laplace[None, None, None])
    asked = (0.001, 0.1, 0.15, 0.5, 0.6, 0.9, 0.99)
    found = head.quantiles(raw, PLAIN, asked)[0, 0, 0].numpy()
    expected = [
        math.log(0.002),
        *(laplace[0], (laplace[0] + laplace[1]) / 2),
        0.0,
        laplace[3] / 3,
        laplace[4],
        -math.log(0.02),
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    own = head.quantiles(raw, PLAIN, tuple(head.levels.tolist()))[0, 0, 0]
    assert found[1] == own[0]
    assert found[5] == own[4]


def test_draws_of_a_quantile_head_lie_below_its_quantiles_as_often_as_they_say() -> None:
    torch.manual_seed(0)
    head = QuantileHead(LEVELS)
    raw = torch.tensor([0.3, -1.0, 7.0, 2.0, 0.5]).expand(20_000, 1, 1, -1)
    drawn = head.sample(raw, plain(20_000))
    below = (drawn.unsqueeze(-1) <= head.trained_quantiles(raw)).float().mean((0, 1, 2))
    np.testing.assert_allclose(below, LEVELS, atol=0.015)


def test_the_median_alone_has_no_other_quantile() -> None:
    found = QuantileHead((0.5,)).quantiles(cell(3.0), PLAIN, (0.1, 0.5, 0.9))
    assert found.flatten().tolist() == [3.0, 3.0, 3.0]


def test_the_mean_is_over_what_is_observed() -> None:
    losses, weight = torch.tensor([1.0, 2.0, 30.0]), torch.tensor([1.0, 1.0, 0.0])
    assert weighted_mean(losses, weight).item() == 1.5


def test_weights_below_one_make_a_mean_too() -> None:
    losses, weight = torch.tensor([1.0, 2.0, 30.0]), torch.tensor([0.1, 0.3, 0.0])
    assert weighted_mean(losses, weight).item() == pytest.approx(0.7 / 0.4)


def test_a_point_stands_for_every_quantile_and_draw() -> None:
    raw = torch.ones(2, 3, 1, 1)
    assert torch.equal(build_head("mse", ()).quantiles(raw, plain(2), LEVELS), raw)
    assert torch.equal(build_head("mse", ()).sample(raw, plain(2)), raw[..., 0])


def test_the_likelihood_is_taken_on_the_scale_of_the_family() -> None:
    frame = WindowScaler(
        ScaleStats(*torch.tensor([[4.0], [8.0]]).double().view(2, 1, 1, 1)), torch.tensor(0.5)
    )
    y, one = torch.full((1, 1, 1), 6.0).double(), torch.ones(1, 1, 1)
    z = (6.0 - 4.0) / 8.0 / 0.5
    scale, median = 0.5 + 1e-3, 4.0 + 0.1 * 0.5 * 8.0  # of a location of 0.1
    expected = {
        "normal": -stats.norm(0.1, scale).logpdf(z),
        "log_normal": -stats.lognorm(0.5 * scale, scale=median / 8.0).logpdf(6.0 / 8.0),
        "poisson": -stats.poisson(median).logpmf(6),
    }
    for loss, number in expected.items():
        head = build_head(loss, ())
        raw = cell(0.1, *[0.0] * (head.n_params - 1))
        assert head.loss(raw, y, one, frame).item() == pytest.approx(number, rel=1e-5)


def test_a_frame_goes_to_original_units_and_back() -> None:
    frame = scaled(3, 2)
    z = torch.randn(3, 4, 2, 5)
    torch.testing.assert_close(frame.normalize_future(frame.denormalize(z)), z)
    torch.testing.assert_close(frame.normalize_future(frame.denormalize(z[..., 0])), z[..., 0])
    based = torch.randn(3, 4, 2, dtype=torch.float64)
    log = ScaleStats(
        frame.stats.center, frame.stats.scale, is_log=True, future_seasonal_factors=based.exp()
    )
    for level in (log, ScaleStats(frame.stats.center, frame.stats.scale, difference_base=based)):
        frame = WindowScaler(level, torch.tensor(0.3))
        torch.testing.assert_close(frame.normalize_future(frame.denormalize(z)), z)


def test_parts_of_a_frame_are_the_frames_of_the_parts() -> None:
    frame, z = scaled(3, 2), torch.randn(3, 4, 2)
    whole = frame.denormalize(z)
    assert torch.equal(frame.select_windows(slice(1, 3)).denormalize(z[1:]), whole[1:])
    assert torch.equal(frame.select_steps(slice(2, 4)).denormalize(z[:, 2:]), whole[:, 2:])
    twice = frame.repeat_windows(2)
    assert torch.equal(twice.denormalize(z.repeat_interleave(2, 0)), whole.repeat_interleave(2, 0))
    assert twice.mase_scale is not None
    assert twice.mase_scale.shape == (6, 1, 2)
