"""Properties of every head, for each loss and window scaler."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from rnnforecast.models.heads.head import build_head, weighted_mean
from rnnforecast.models.scaling.window_scaler import ScaleStats, WindowScaler
from rnnforecast.registry import LOSSES

TRAINED = (0.1, 0.5, 0.9)
REQUESTED = (0.01, 0.1, 0.3, 0.5, 0.8, 0.995)
B, H, C = 3, 4, 2

every_loss = pytest.mark.parametrize("loss", LOSSES.names())


def filled(number: float, steps: int = 1) -> Tensor:
    return torch.full((B, steps, C), number, dtype=torch.float64)


SCALE_STATS: dict[str, ScaleStats] = {
    "log_mean": ScaleStats(filled(0.0), filled(20.0), is_log=True),
    "mean": ScaleStats(filled(20.0), filled(20.0)),
    "standard": ScaleStats(filled(20.0), filled(3.0)),
    "none": ScaleStats(filled(0.0), filled(1.0)),
    "differences": ScaleStats(filled(0.0), filled(2.0), difference_base=filled(20.0, H)),
    "seasons": ScaleStats(
        filled(0.0), filled(15.0), is_log=True, future_seasonal_factors=filled(1.3, H)
    ),
}


def scaler_of(method: str) -> WindowScaler:
    return WindowScaler(SCALE_STATS[method], torch.tensor(0.3), filled(2.5))


def random_raw(width: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(B, H, C, width, generator=generator).requires_grad_()


def random_weight() -> Tensor:
    generator = torch.Generator().manual_seed(1)
    weight = torch.rand(B, H, C, generator=generator)
    return weight * (weight < 0.5)


@every_loss
def test_unobserved_values_do_not_change_the_loss(loss: str) -> None:
    head, weight = build_head(loss, TRAINED), random_weight()
    raw, future = random_raw(head.n_params), filled(23.0, H)
    for method in SCALE_STATS:
        expected = head.loss(raw, future, weight, scaler_of(method))
        for filler in (0.0, -1e30, 1e300):
            other = torch.where(weight > 0, future, filler)
            found = head.loss(raw, other, weight, scaler_of(method))
            assert torch.equal(found, expected), (method, filler)
        (gradient,) = torch.autograd.grad(found, raw)
        assert gradient.isfinite().all(), method
        assert (gradient[weight == 0] == 0).all(), method
        assert (gradient[weight > 0] != 0).any(), method


@every_loss
def test_the_loss_is_the_weighted_mean_of_the_losses_of_the_steps(loss: str) -> None:
    if loss == "rmse":
        pytest.skip("its steps are not independent")
    head, scaler, weight = build_head(loss, TRAINED), scaler_of("mean"), random_weight()
    raw, future = random_raw(head.n_params), 20.0 + torch.randn(B, H, C).double()
    total = 0.0
    for cell in (weight > 0).nonzero().tolist():
        alone = torch.zeros(B, H, C)
        alone[tuple(cell)] = 0.01
        total += head.loss(raw, future, alone, scaler).item() * weight[tuple(cell)].item()
    found = head.loss(raw, future, weight, scaler).item()
    assert found == pytest.approx(total / weight.sum().item(), rel=1e-5)


@every_loss
def test_a_batch_without_an_observed_step_has_no_loss_and_no_gradient(loss: str) -> None:
    head = build_head(loss, TRAINED)
    raw = random_raw(head.n_params)
    found = head.loss(raw, filled(-1e30, H), torch.zeros(B, H, C), scaler_of("log_mean"))
    (gradient,) = torch.autograd.grad(found, raw)
    assert found.item() == 0
    assert (gradient == 0).all()


@every_loss
@pytest.mark.parametrize("extreme", [-1e4, 0.0, 30.0])
def test_loss_and_gradient_stay_finite_for_extreme_outputs(loss: str, extreme: float) -> None:
    head = build_head(loss, TRAINED)
    for method, location in product(SCALE_STATS, (extreme, -extreme, 0.0)):
        scaler = scaler_of(method)
        raw = torch.full((B, H, C, head.n_params), extreme)
        raw[..., head.location_index] = location
        raw.requires_grad_()
        at_location = scaler.denormalize(raw[..., head.location_index].detach())
        for future in (at_location, filled(0.0, H), filled(-5.0, H), filled(1e6, H)):
            found = head.loss(raw, future, torch.ones(B, H, C), scaler)
            (gradient,) = torch.autograd.grad(found, raw)
            assert found.isfinite(), method
            assert gradient.isfinite().all(), method
        assert head.quantiles(raw, scaler, REQUESTED).isfinite().all(), method
        assert head.sample(raw, scaler).isfinite().all(), method


@settings(max_examples=100, deadline=None)
@given(
    loss=st.sampled_from([loss for loss in LOSSES.names() if build_head(loss, TRAINED).can_sample]),
    method=st.sampled_from(list(SCALE_STATS)),
    raw=st.lists(st.floats(-20, 20, width=32), min_size=9, max_size=9),
    requested=st.lists(st.floats(0.001, 0.999), min_size=2, max_size=6, unique=True).map(sorted),
)
def test_quantiles_never_decrease(
    loss: str, method: str, raw: list[float], requested: list[float]
) -> None:
    head = build_head(loss, TRAINED)
    found = head.quantiles(
        torch.tensor(raw[: head.n_params]).expand(B, H, C, -1), scaler_of(method), requested
    )
    assert found.shape == (B, H, C, len(requested))
    assert found.dtype == torch.float32
    assert (found.diff() >= 0).all()


@every_loss
def test_the_traits_of_a_loss_are_those_of_its_head(loss: str) -> None:
    traits, head, scaler = LOSSES.traits(loss), build_head(loss, TRAINED), scaler_of("mean")
    raw = torch.zeros(B, H, C, head.n_params)
    assert ("point" in traits) != head.can_sample
    normal_quantiles = torch.special.ndtri(torch.tensor(TRAINED, dtype=torch.float64))
    if "exportable" not in traits:
        with pytest.raises(NotImplementedError):
            head.export_quantiles(raw, scaler, normal_quantiles)
        return
    exported = head.export_quantiles(raw, scaler, normal_quantiles)
    torch.testing.assert_close(exported, head.quantiles(raw, scaler, TRAINED))


@pytest.mark.parametrize("loss", LOSSES.having("on_normalized_values"))
def test_on_normalized_values_a_change_of_the_scale_changes_nothing(loss: str) -> None:
    head, weight = build_head(loss, TRAINED), random_weight()
    raw, z = random_raw(head.n_params), torch.randn(B, H, C, dtype=torch.float64)
    losses = []
    for scale in (1.0, 7.0):
        scaler = WindowScaler(ScaleStats(filled(20.0), filled(scale)), torch.tensor(0.3))
        future = 20 + scale * 0.3 * z
        losses.append(head.loss(raw, future, weight, scaler).item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


@pytest.mark.parametrize("loss", LOSSES.having("squared_error"))
def test_twice_the_error_is_four_times_a_squared_error(loss: str) -> None:
    head, scaler = build_head(loss, TRAINED), scaler_of("none")
    one = torch.ones(B, H, C)
    single, double = (head.loss(0.3 * k * one[..., None], 0 * one, one, scaler) for k in (1, 2))
    assert double.item() == pytest.approx(4 * single.item())


@pytest.mark.parametrize("loss", LOSSES.having("mean"))
def test_of_two_values_a_mean_is_the_best_constant_forecast(loss: str) -> None:
    head, scaler, weight = build_head(loss, TRAINED), scaler_of("none"), torch.ones(B, H, C)
    future = filled(0.0, H)
    future[:, 0] = 1.2  # one of four: the mean is 0.3, the median 0
    losses = [
        head.loss(torch.full((B, H, C, 1), y / 0.3), future, weight, scaler).item()
        for y in (0.2, 0.3, 0.4)
    ]
    assert losses[1] < min(losses[0], losses[2])


@every_loss
def test_samples_are_normalized_values_around_the_median(loss: str) -> None:
    torch.manual_seed(0)
    head = build_head(loss, TRAINED)
    raw = torch.zeros(400 * B, H, C, head.n_params)
    for method in SCALE_STATS:
        scaler = scaler_of(method).repeat_windows(400)
        samples = head.sample(raw, scaler)
        assert samples.shape == (400 * B, H, C)
        assert samples.dtype == torch.float32
        median = head.quantiles(raw, scaler, (0.5,))[..., 0]
        # counts often equal their median: at least half are at most there, and at least half above
        slack = 0.02
        assert (samples <= median + 1e-6).float().mean() >= 0.5 - slack, method
        assert (samples >= median - 1e-6).float().mean() >= 0.5 - slack, method


@pytest.mark.parametrize("loss", ["quantile", "normal", "student_t", "log_normal", "mixture"])
@pytest.mark.parametrize("method", ["log_mean", "mean", "standard"])
def test_the_median_is_the_location_where_the_distribution_is_symmetric(
    loss: str, method: str
) -> None:
    head = build_head(loss, TRAINED)
    raw = torch.zeros(B, H, C, head.n_params)
    raw[..., head.location_index] = 0.4
    median = head.quantiles(raw, scaler_of(method), (0.5,))
    torch.testing.assert_close(median, torch.full_like(median, 0.4))


Sample = Callable[[np.random.Generator, int], np.ndarray]

KNOWN: dict[str, Sample] = {
    "normal": lambda rng, n: rng.normal(26.0, 4.0, n),
    "student_t": lambda rng, n: 26.0 + 4.0 * rng.standard_t(4.0, n),
    "log_normal": lambda rng, n: rng.lognormal(3.0, 0.4, n),
    "negative_binomial": lambda rng, n: rng.poisson(rng.gamma(4.0, 6.0, n)),
    "poisson": lambda rng, n: rng.poisson(13.0, n),
    "tweedie": lambda rng, n: np.array(
        [rng.gamma(1.0 * k, 12.0) if k else 0.0 for k in rng.poisson(2.0, n)]
    ),
    "mixture": lambda rng, n: np.where(
        rng.random(n) < 0.4, rng.normal(10.0, 1.0, n), rng.normal(30.0, 3.0, n)
    ),
}


@pytest.mark.parametrize("loss", KNOWN)
def test_training_finds_the_quantiles_of_the_distribution_of_the_data(loss: str) -> None:
    torch.manual_seed(0)
    sample = KNOWN[loss](np.random.default_rng(0), 3000).astype(np.float64)
    head = build_head(loss, TRAINED)
    scale_stats = ScaleStats(*torch.full((2, 1, 1, 1), 20.0, dtype=torch.float64))
    future = torch.from_numpy(sample).view(1, -1, 1)
    scaler = WindowScaler(scale_stats, scale_stats.normalize_future(future).abs().mean())
    raw = torch.zeros(1, 1, 1, head.n_params, requires_grad=True)
    optimizer = torch.optim.Adam([raw], lr=0.1)
    for _ in range(250):
        found = head.loss(
            raw.expand(-1, len(sample), -1, -1), future, torch.ones_like(future), scaler
        )
        (raw.grad,) = torch.autograd.grad(found, raw)
        optimizer.step()
    requested = (0.05, 0.25, 0.45, 0.55, 0.75, 0.95)
    quantiles = scaler.denormalize(head.quantiles(raw, scaler, requested))[0, 0, 0].detach().numpy()
    # counts have jumps of up to 1 / 9
    below, at_most = ((sample[:, None] < quantiles - 1e-3), (sample[:, None] <= quantiles + 1e-3))
    assert (below.mean(0) <= np.array(requested) + 0.03).all()
    assert (at_most.mean(0) >= np.array(requested) - 0.03).all()


def test_an_unknown_loss_is_refused_with_the_choices() -> None:
    with pytest.raises(ValueError, match=r"mape.*huber.*quantile"):
        build_head("mape", TRAINED)


def test_the_weighted_mean_ignores_unobserved_values() -> None:
    losses, weight = torch.tensor([1.0, 2.0, 30.0]), torch.tensor([1.0, 1.0, 0.0])
    assert weighted_mean(losses, weight).item() == 1.5


def test_weights_below_one_make_a_mean_too() -> None:
    losses, weight = torch.tensor([1.0, 2.0, 30.0]), torch.tensor([0.1, 0.3, 0.0])
    assert weighted_mean(losses, weight).item() == pytest.approx(0.7 / 0.4)
