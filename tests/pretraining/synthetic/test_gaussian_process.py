"""Gaussian processes by spectral sampling: their covariance is that of the kernel."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from rnnforecast.pretraining.synthetic.gaussian_process import (
    autoregressive_noise,
    colored_noise,
    sample_processes,
    smooth_processes,
    standardize,
)
from rnnforecast.pretraining.synthetic.random import Random
from rnnforecast.types import Floats

COUNT, STEPS = 1500, 64


def correlation(x: Tensor, lag: int) -> float:
    """Over all series and pairs of steps that are `lag` apart."""
    first, second = x[:, : x.shape[1] - lag], x[:, lag:]
    return float((first * second).mean() / x.square().mean())


@pytest.mark.parametrize("phi", [-0.5, 0.0, 0.6, 0.9])
def test_autoregressive_noise_has_the_correlations_of_its_coefficient(phi: float) -> None:
    x = autoregressive_noise(Random(0), torch.full((COUNT, 1), phi), STEPS)
    found = [correlation(x, lag) for lag in (1, 2, 5)]
    np.testing.assert_allclose(found, [phi, phi**2, phi**5], atol=0.03)
    assert float(x.square().mean()) == pytest.approx(1, rel=0.1)


def test_smooth_processes_have_the_correlations_of_a_radial_basis_kernel() -> None:
    """Rasmussen & Williams 2006, equation 4.9: exp(-lag² / 2l²), before they are standardized."""
    scale = 0.02
    x = smooth_processes(Random(0), COUNT, 200, scale, scale * 1.0001)
    lags = np.array([1, 2, 4, 6])
    expected = np.exp(-(lags**2) / (2 * (scale * 200) ** 2))
    np.testing.assert_allclose([correlation(x, int(lag)) for lag in lags], expected, atol=0.06)


def power(x: Tensor) -> Floats:
    """Mean periodogram, without frequency 0."""
    return np.asarray(torch.fft.rfft(x).abs().square().mean(0)[1:-1])


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0])
def test_the_spectrum_of_colored_noise_falls_with_its_exponent(exponent: float) -> None:
    x = colored_noise(Random(0), torch.full((COUNT, 1), exponent), 256)
    slope = np.polyfit(np.log(np.arange(1, 128)), np.log(power(x)), 1)[0]
    assert slope == pytest.approx(-exponent, abs=0.25)


def test_sampled_processes_are_standardized_and_differ_in_smoothness() -> None:
    x = sample_processes(Random(3), 200, 512)
    assert x.isfinite().all()
    torch.testing.assert_close(x.mean(1), torch.zeros(200), atol=1e-4, rtol=0)
    torch.testing.assert_close(x.std(1), torch.ones(200), atol=1e-3, rtol=0)
    rough = x.diff(dim=1).square().mean(1)
    assert (rough < 0.1).float().mean() > 0.05
    assert (rough > 1).float().mean() > 0.1


def test_constant_rows_are_standardized_to_zeros() -> None:
    assert (standardize(torch.full((2, 10), 3.0)) == 0).all()
