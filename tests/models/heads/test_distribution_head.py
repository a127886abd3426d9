"""Distribution heads: domain of the likelihood, positive means, quantiles that never decrease."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from rnnforecast.models.heads.distribution_head import (
    LINEAR_MEAN_THRESHOLD,
    DistributionHead,
    positive_mean,
)
from rnnforecast.models.heads.head import build_head
from rnnforecast.models.scaling.window_scaler import ScaleStats, WindowScaler
from rnnforecast.registry import LOSSES
from tests.models.heads.cells import cell
from tests.models.heads.test_distribution import quantiles


def test_the_likelihood_is_that_of_the_value_in_the_domain_of_the_head() -> None:
    scaler = WindowScaler(
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
        assert head.loss(raw, y, one, scaler).item() == pytest.approx(number, rel=1e-5)


def test_a_positive_mean_is_the_location_itself_well_above_zero_and_never_zero() -> None:
    location = torch.tensor(
        [-1e6, -3.0, 0.0, LINEAR_MEAN_THRESHOLD, 0.5, 40.0], dtype=torch.float64
    )
    location.requires_grad_()
    mean = positive_mean(location)
    assert (mean > 0).all()
    assert (mean.diff() > 0).all()
    assert torch.equal(mean[-2:], location[-2:])
    slope = torch.autograd.grad(mean.log().sum(), location)[0]
    assert (slope > 0).all()
    assert slope[3].item() == pytest.approx(1 / LINEAR_MEAN_THRESHOLD)


DISTRIBUTIONS = [loss for loss in LOSSES.names() if "point" not in LOSSES.traits(loss)]
DISTRIBUTIONS.remove("quantile")


@settings(max_examples=40, deadline=None)
@given(
    loss=st.sampled_from(DISTRIBUTIONS),
    raw=st.lists(st.floats(-30, 30), min_size=9, max_size=9),
    relative_scale=st.floats(0.01, 1),
)
def test_quantiles_of_every_distribution_never_decrease(
    loss: str, raw: list[float], relative_scale: float
) -> None:
    head = build_head(loss, ())
    assert isinstance(head, DistributionHead)
    parameters = torch.tensor(raw[: head.n_params], dtype=torch.float64)[None, None, None]
    location = (
        parameters[..., 0] if head.domain == "normalized" else positive_mean(parameters[..., 0])
    )
    distribution = head.build_distribution(
        location, parameters[..., 1:], torch.tensor(relative_scale)
    )
    found = quantiles(distribution)[0]
    assert np.isfinite(found).all()
    assert (np.diff(found) >= -1e-9 * np.abs(found[1:])).all()


@pytest.mark.parametrize("loss", ["normal", "log_normal"])
def test_exported_quantiles_are_those_of_the_head(loss: str) -> None:
    levels = (0.025, 0.3, 0.5, 0.9)
    scaler = WindowScaler(
        ScaleStats(*torch.tensor([[4.0], [8.0]]).double().view(2, 1, 1, 1)), torch.tensor(0.5)
    )
    head, raw = build_head(loss, ()), cell(0.3, -1.2)
    exported = head.export_quantiles(raw, scaler, torch.from_numpy(stats.norm.ppf(levels)))
    torch.testing.assert_close(exported, head.quantiles(raw, scaler, levels))
    scale = np.log1p(np.exp(-1.2 + np.log(np.expm1(0.5)))) + 1e-3
    if loss == "normal":
        expected = stats.norm(0.3, scale).ppf(levels)
    else:
        ratios = stats.lognorm(0.5 * scale, scale=(4.0 + 0.3 * 0.5 * 8.0) / 8.0).ppf(levels)
        expected = (8.0 * ratios - 4.0) / 8.0 / 0.5
    np.testing.assert_allclose(exported[0, 0, 0], expected, rtol=1e-5)
