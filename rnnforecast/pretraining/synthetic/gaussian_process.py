"""Gaussian processes by spectral sampling: white noise shaped by the spectrum of a kernel.

A stationary kernel is the Fourier transform of a spectrum S(f) >= 0 (Bochner's theorem), so

    x = F^-1[sqrt(S) * F[white noise]]

is a Gaussian process with that kernel. Random features (Rahimi & Recht 2007, "Random Features for
Large-Scale Kernel Machines") draw frequencies from S; here all of a grid are taken, by two fast
Fourier transforms of twice the steps, since the grid makes the process periodic.

The spectrum of a sum of kernels is the sum of their spectra. The product of two independent
processes has the product of their kernels as covariance, though it is not Gaussian. Random sums and
products of kernels are as in KernelSynth (Ansari et al. 2024, "Chronos", arXiv:2403.07815).
"""

from __future__ import annotations

import torch
from torch import Tensor

from rnnforecast.pretraining.synthetic.random import Random


def sample_processes(random: Random, count: int, steps: int) -> Tensor:
    """Standardized processes `[count, steps]` of random kernels: alone, their product with another
    one, or with the exponential of another one, which changes their amplitude."""
    first = standardize(_from_spectrum(random, _random_spectrum(random, count, steps), steps))
    second = standardize(_from_spectrum(random, _random_spectrum(random, count, steps), steps))
    kind = random.choice((0.6, 0.2, 0.2), count, 1)
    scaled = second * random.uniform(0.2, 1.0, count, 1)
    product = torch.where(kind == 1, first * second, first * torch.exp(scaled))
    return standardize(torch.where(kind == 0, first, product))


def smooth_processes(
    random: Random, count: int, steps: int, shortest: float, longest: float
) -> Tensor:
    """Standardized processes `[count, steps]` of a radial basis kernel, `exp(-lag^2 / 2 l^2)`.

    Length scales l are between the fractions `shortest` and `longest` of the steps.

    The spectrum is `exp(-2 (pi f l)^2)`: Rasmussen & Williams 2006, "Gaussian Processes for Machine
    Learning", section 4.2.1.
    """
    frequency = _frequencies(steps, random)
    scale = random.log_uniform(shortest, longest, count, 1) * steps
    spectrum = torch.exp(-2 * (torch.pi * frequency * scale).square())
    return standardize(_from_spectrum(random, spectrum, steps))


def colored_noise(random: Random, exponent: Tensor, steps: int) -> Tensor:
    """Standardized noise `[B, steps]` with spectrum `f^-exponent`, `exponent [B, 1]`."""
    frequency = _frequencies(steps, random).clamp_min(0.5 / steps)
    return standardize(_from_spectrum(random, frequency.pow(-exponent), steps))


def autoregressive_noise(random: Random, phi: Tensor, steps: int) -> Tensor:
    """Processes `[B, steps]` of variance 1 with autocorrelation `phi^lag`, `phi [B, 1]`:
    `x_t = phi x_(t-1) + sqrt(1 - phi^2) e_t`, stationary."""
    angle = 2 * torch.pi * _frequencies(steps, random)
    spectrum = (1 - phi.square()) / (1 - 2 * phi * torch.cos(angle) + phi.square())
    return _from_spectrum(random, spectrum, steps)


def _frequencies(steps: int, random: Random) -> Tensor:
    """Cycles a step `[1, steps + 1]`: twice the steps, as the Fourier series is periodic."""
    frequencies: Tensor = torch.fft.rfftfreq(2 * steps, device=random.device)[None]
    return frequencies


def _random_spectrum(random: Random, count: int, steps: int) -> Tensor:
    """Weighted sums `[count, F]` of two spectra each: of a radial basis kernel, a Matern kernel
    (Rasmussen & Williams 2006, equation 4.15), a periodic kernel (narrow lines at the harmonics of
    a period) or white noise."""
    frequency = _frequencies(steps, random)
    spectrum = torch.zeros(count, frequency.shape[1], device=random.device)
    for _ in range(2):
        weight = random.log_uniform(0.02, 1.0, count, 1)
        kind = random.choice((0.3, 0.3, 0.3, 0.1), count, 1)
        scale = random.log_uniform(0.003, 0.6, count, 1) * steps
        smooth = torch.exp(-2 * (torch.pi * frequency * scale).square())
        power = (1 + (2 * torch.pi * frequency * scale).square()).pow(
            -random.uniform(0.6, 3, count, 1)
        )
        period = random.log_uniform(3, max(steps / 3, 4), count, 1)
        harmonic = frequency * period
        nearest = harmonic.round()
        width = random.log_uniform(0.003, 0.1, count, 1)
        comb = torch.exp(-((harmonic - nearest) / width).square()) * (nearest >= 1)
        comb = comb * torch.exp(-nearest * random.uniform(0.1, 2.0, count, 1))
        white = torch.ones_like(frequency).expand(count, -1)
        shape = torch.stack([smooth, power, comb, white])[kind[:, 0], torch.arange(count)]
        spectrum = spectrum + weight * shape / shape.sum(1, keepdim=True).clamp_min(1e-9)
    return spectrum


def _from_spectrum(random: Random, spectrum: Tensor, steps: int) -> Tensor:
    """Gaussian processes `[B, steps]` with a power spectrum `[B, F]`, whose mean is about their
    variance."""
    size = 2 * steps
    noise = torch.fft.rfft(random.normal(spectrum.shape[0], size))
    processes: Tensor = torch.fft.irfft(noise * spectrum.sqrt(), size)[:, :steps]
    return processes


def standardize(x: Tensor) -> Tensor:
    """Rows with mean 0 and standard deviation 1."""
    return (x - x.mean(1, keepdim=True)) / x.std(1, keepdim=True).clamp_min(1e-6)
