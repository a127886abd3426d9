"""Distributions: likelihoods, quantiles and samples against scipy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from torch import Tensor

from rnnforecast.models.heads.distribution import Distribution, shifted_softplus
from rnnforecast.models.heads.log_normal import LogNormal
from rnnforecast.models.heads.mixture import NormalMixture
from rnnforecast.models.heads.negative_binomial import NegativeBinomial
from rnnforecast.models.heads.normal import Normal
from rnnforecast.models.heads.poisson import Poisson
from rnnforecast.models.heads.student_t import StudentT
from rnnforecast.models.heads.tweedie import Tweedie, tweedie_deviance
from rnnforecast.types import Floats

LEVELS = (0.001, 0.025, 0.1, 0.5, 0.9, 0.975, 0.999)


def cell(*values: float) -> Tensor:
    """`[1, 1, C]`, float64."""
    return torch.tensor(values, dtype=torch.float64)[None, None]


def quantiles(found: Distribution, levels: tuple[float, ...] = LEVELS) -> Floats:
    """`[C, Q]`."""
    return found.quantile(torch.tensor(levels, dtype=torch.float64))[0, 0].numpy()


TWINS: dict[str, Callable[[], tuple[Distribution, list[object]]]] = {
    "normal": lambda: (
        Normal(cell(0.3, -2.0), cell(0.5, 3.0)),
        [stats.norm(0.3, 0.5), stats.norm(-2.0, 3.0)],
    ),
    "student_t": lambda: (
        StudentT(cell(0.3, -2.0, 1.0), cell(0.5, 3.0, 1.0), cell(2.1, 30.0, 400.0)),
        [stats.t(2.1, 0.3, 0.5), stats.t(30.0, -2.0, 3.0), stats.t(400.0, 1.0, 1.0)],
    ),
    "log_normal": lambda: (
        LogNormal(cell(1.3, 0.2), cell(0.5, 1.5)),
        [stats.lognorm(0.5, scale=1.3), stats.lognorm(1.5, scale=0.2)],
    ),
    "poisson": lambda: (
        Poisson(cell(0.01, 3.7, 250.0, 1e7)),
        [stats.poisson(mean) for mean in (0.01, 3.7, 250.0, 1e7)],
    ),
    "negative_binomial": lambda: (
        NegativeBinomial(cell(0.02, 3.7, 250.0, 1e6), cell(2.0, 0.25, 1.0, 1e-4)),
        [
            stats.nbinom(1 / a, 1 / (1 + a * m))
            for m, a in [(0.02, 2.0), (3.7, 0.25), (250.0, 1.0), (1e6, 1e-4)]
        ],
    ),
}
every_twin = pytest.mark.parametrize("name", TWINS)


@every_twin
def test_the_likelihood_is_that_of_scipy(name: str) -> None:
    found, twins = TWINS[name]()
    for level in (0.01, 0.3, 0.5, 0.8, 0.99):
        y = np.array([twin.ppf(level) for twin in twins])  # type: ignore[attr-defined]
        expected = [
            -(twin.logpmf if hasattr(twin.dist, "pmf") else twin.logpdf)(at)  # type: ignore[attr-defined]
            for twin, at in zip(twins, y, strict=True)
        ]
        loss = found.negative_log_likelihood(torch.from_numpy(y)[None, None])
        np.testing.assert_allclose(loss[0, 0], expected, rtol=1e-6, atol=1e-7)


@every_twin
def test_the_quantiles_are_those_of_scipy(name: str) -> None:
    found, twins = TWINS[name]()
    expected = [twin.ppf(LEVELS) for twin in twins]  # type: ignore[attr-defined]
    np.testing.assert_allclose(quantiles(found), expected, rtol=1e-8, atol=1e-12)


def test_the_density_of_a_mixture_is_the_weighted_sum_of_its_components() -> None:
    share, loc, scale = np.array([0.5, 0.3, 0.2]), np.array([0.0, -2.0, 9.0]), np.array([1, 0.5, 2])
    found = mixture(share, loc, scale)
    for y in (-2.0, 0.4, 30.0):
        expected = -np.log(np.sum(share * stats.norm.pdf(y, loc, scale)))
        assert found.negative_log_likelihood(cell(y)).item() == pytest.approx(expected, rel=1e-9)


def test_the_quantiles_of_a_mixture_undo_its_distribution_function() -> None:
    share, loc, scale = np.array([0.5, 0.3, 0.2]), np.array([0.0, -2.0, 9.0]), np.array([1, 0.5, 2])
    found = quantiles(mixture(share, loc, scale))[0]
    cdf = (share * stats.norm.cdf(found[:, None], loc, scale)).sum(-1)
    np.testing.assert_allclose(cdf, LEVELS, rtol=1e-9)


def mixture(share: Floats, loc: Floats, scale: Floats) -> NormalMixture:
    """One cell of components."""
    parts = (np.log(share), loc, scale)
    return NormalMixture(*(torch.from_numpy(part).double()[None, None, None] for part in parts))


def tweedie_cdf(y: Floats, mean: float, dispersion: float, power: float) -> Floats:
    """Probability of at most `y`, as the plain sum over all numbers of amounts."""
    rate = mean ** (2 - power) / (dispersion * (2 - power))
    n = np.arange(1, int(rate + 40 * np.sqrt(rate) + 60))
    shape, size = (2 - power) / (power - 1), dispersion * (power - 1) * mean ** (power - 1)
    each = stats.poisson.pmf(n, rate) * stats.gamma.cdf(y[:, None], n * shape, scale=size)
    cdf: Floats = np.exp(-rate) + each.sum(-1)
    return cdf


tweedies = pytest.mark.parametrize(
    ("mean", "dispersion", "power"),
    [
        (1.0, 0.25, 1.5),
        (0.02, 1.0, 1.5),
        (20.0, 5.0, 1.5),
        (1.0, 1e-3, 1.5),
        (3.0, 0.02, 1.05),
        (3.0, 1.0, 1.01),
        (1.0, 0.5, 1.9),
        (1.0, 0.04, 1.9),
    ],
)


@tweedies
def test_tweedie_quantiles_undo_the_distribution_function(
    mean: float, dispersion: float, power: float
) -> None:
    found = quantiles(Tweedie(cell(mean), cell(dispersion), power))[0]
    cdf = tweedie_cdf(found, mean, dispersion, power)
    zero = found == 0
    np.testing.assert_allclose(cdf[~zero], np.array(LEVELS)[~zero], rtol=1e-6)
    assert (np.array(LEVELS)[zero] <= cdf[zero]).all()


@tweedies
def test_a_tweedie_density_is_the_derivative_of_the_distribution_function(
    mean: float, dispersion: float, power: float
) -> None:
    distribution = Tweedie(cell(mean), cell(dispersion), power)
    for y in quantiles(distribution, (0.1, 0.6, 0.95))[0]:
        if y > 0:
            near = np.array([y * (1 - 1e-4), y * (1 + 1e-4)])
            derivative = np.diff(tweedie_cdf(near, mean, dispersion, power))[0] / np.diff(near)[0]
            assert distribution.negative_log_likelihood(
                cell(y)
            ).exp().reciprocal().item() == pytest.approx(derivative, rel=1e-5)


def test_a_tweedie_density_and_its_probability_of_zero_add_up_to_one() -> None:
    distribution = Tweedie(cell(1.3), cell(0.7), 1.4)

    def density(y: float) -> float:
        return float(np.exp(-distribution.negative_log_likelihood(cell(y)).item()))

    integral, _ = integrate.quad(density, 1e-12, 40.0, limit=400, epsabs=1e-8)
    assert integral + density(0.0) == pytest.approx(1.0, abs=1e-6)


def test_the_tweedie_deviance_is_that_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    mean = rng.gamma(2.0, 3.0, 200)
    y = np.where(rng.random(200) < 0.3, 0.0, rng.gamma(2.0, 3.0, 200))
    for power in (1.1, 1.5, 1.9):
        found = tweedie_deviance(torch.from_numpy(y), torch.from_numpy(mean), power).mean()
        expected = metrics.mean_tweedie_deviance(y, mean, power=power)
        assert found.item() == pytest.approx(expected, rel=1e-10)
        loss = Tweedie(torch.from_numpy(mean), torch.full((200,), 0.5).double(), power)
        best = Tweedie(torch.from_numpy(np.maximum(y, 1e-9)), loss.dispersion, power)
        lost = loss.negative_log_likelihood(torch.from_numpy(y)) - best.negative_log_likelihood(
            torch.from_numpy(y)
        )
        assert lost[y > 0].mean() == pytest.approx(
            metrics.mean_tweedie_deviance(y[y > 0], mean[y > 0], power=power), rel=1e-9
        )


SAMPLED: dict[str, Callable[[Tensor], Distribution]] = {
    "normal": lambda one: Normal(0.3 * one, 2.0 * one),
    "student_t": lambda one: StudentT(0.3 * one, 2.0 * one, 5.0 * one),
    "log_normal": lambda one: LogNormal(1.3 * one, 0.5 * one),
    "poisson": lambda one: Poisson(400.5 * one),
    "negative_binomial": lambda one: NegativeBinomial(400.5 * one, 0.5 * one),
    "tweedie": lambda one: Tweedie(2.0 * one, 1.5 * one, 1.5),
    "mixture": lambda one: NormalMixture(
        (one[..., None] * torch.tensor([0.6, 0.3, 0.1])).log(),
        one[..., None] * torch.tensor([0.0, -3.0, 5.0]),
        one[..., None] * torch.tensor([1.0, 0.5, 2.0]),
    ),
}
CDF_AT_JUMPS: dict[str, Callable[[Floats], Floats]] = {
    "poisson": stats.poisson(400.5).cdf,
    "negative_binomial": stats.nbinom(2, 1 / (1 + 0.5 * 400.5)).cdf,
    "tweedie": lambda y: tweedie_cdf(y, 2.0, 1.5, 1.5),
}
"""The probability of at most a quantile, where the distribution has jumps."""


@pytest.mark.parametrize("name", SAMPLED)
def test_samples_lie_below_each_quantile_with_its_probability(name: str) -> None:
    torch.manual_seed(0)
    count, levels = 40_000, (0.1, 0.3, 0.5, 0.7, 0.9)
    samples = SAMPLED[name](torch.ones(count, 1, 1, dtype=torch.float64)).sample().numpy().ravel()
    found = quantiles(SAMPLED[name](cell(1.0)), levels)[0]
    below = (samples[:, None] <= found).mean(0)
    expected = CDF_AT_JUMPS[name](found) if name in CDF_AT_JUMPS else np.array(levels)
    np.testing.assert_allclose(below, expected, atol=0.01)  # four standard errors


def test_samples_have_the_mean_and_the_variance_of_their_distribution() -> None:
    torch.manual_seed(1)
    one = torch.ones(200_000, 1, 1, dtype=torch.float64)
    cases: list[tuple[Distribution, float, float]] = [
        (Tweedie(2.0 * one, 1.5 * one, 1.5), 2.0, 1.5 * 2.0**1.5),
        (NegativeBinomial(3.0 * one, 0.5 * one), 3.0, 3.0 + 0.5 * 9.0),
        (Poisson(0.7 * one), 0.7, 0.7),
        (Poisson(1e12 * one), 1e12, 1e12),
    ]
    for distribution, mean, variance in cases:
        samples = distribution.sample()
        assert samples.mean().item() == pytest.approx(mean, rel=0.02)
        assert samples.var().item() == pytest.approx(variance, rel=0.04)


def test_counts_between_whole_numbers_have_a_likelihood_between_theirs() -> None:
    for distribution in (Poisson(cell(9.0)), NegativeBinomial(cell(9.0), cell(0.3))):
        low, between, high = (
            distribution.negative_log_likelihood(cell(y)).item() for y in (3.0, 3.5, 4.0)
        )
        assert low > between > high


def test_a_shifted_softplus_has_the_given_value_at_zero() -> None:
    assert shifted_softplus(torch.zeros(()), 0.5).item() == pytest.approx(0.5)
