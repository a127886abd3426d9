"""Tests of complex exponential smoothing against statsforecast 2.1.1.

Reference: `cesmodel(y, m, kind, a0, a1, b, None, nmse=3)` with fixed parameters, then
`forecast_ces(model, 6)["mean"]`. It starts the runs backward and forward in a slightly different
way, which the forecasts hardly show.
"""

from __future__ import annotations

import numpy as np
import pytest

from rnnforecast.statistical.complex_smoothing import ComplexModel, Kind
from tests.statistical.test_ets_reference import AIR, NIGHTS, OIL

OIL_MEAN = [520.71178, 527.59415, 535.94367, 543.9907, 552.29547, 560.68385]
AIR_MEAN = [45.16237, 47.45414, 50.59532, 53.45602, 56.79913, 60.13887]
SIMPLE_MEAN = [62.40915, 38.17956, 48.07649, 52.84932, 64.9244, 39.55425]
PARTIAL_MEAN = [55.50769, 34.37391, 41.52196, 44.43161, 53.13045, 32.05544]
REFERENCES: list[tuple[list[float], Kind, tuple[float, float, float], list[float], float]] = [
    (OIL, "none", (1.3, 1.02, 0), OIL_MEAN, 5e-4),
    (AIR, "none", (1.6, 1.1, 0), AIR_MEAN, 5e-4),
    (NIGHTS, "simple", (1.2, 1.05, 0), SIMPLE_MEAN, 0.02),
    (NIGHTS, "partial", (1.4, 0.98, 0.1), PARTIAL_MEAN, 5e-4),
]


def model_of(values: list[float], kind: Kind) -> ComplexModel:
    season = 1 if kind == "none" else 4
    return ComplexModel(np.array(values)[:, None], np.array([0]), kind, season)


@pytest.mark.parametrize(("values", "kind", "parameters", "expected", "tolerance"), REFERENCES)
def test_forecasts_at_given_parameters_are_those_of_statsforecast(
    values: list[float],
    kind: Kind,
    parameters: tuple[float, float, float],
    expected: list[float],
    tolerance: float,
) -> None:
    model, given = model_of(values, kind), np.array(parameters)[:, None, None]
    _, states = model.squares(given)
    mean, _ = model.forecast(given, np.ones(1), states, 6)
    np.testing.assert_allclose(mean[0], expected, rtol=tolerance)


@pytest.mark.parametrize(("values", "kind", "parameters"), [r[:3] for r in REFERENCES])
def test_variances_are_those_of_simulated_errors(
    values: list[float], kind: Kind, parameters: tuple[float, float, float]
) -> None:
    """A unit error at each step before moves the forecast by its weight."""
    model, given = model_of(values, kind), np.array(parameters)[:, None, None]
    _, states = model.squares(given)
    a0, a1, b = parameters
    mean, variance = model.forecast(given, np.ones(1), states, 9)
    rng = np.random.default_rng(0)
    errors = rng.normal(size=(9, 20_000))
    lev, pot, sea = (
        np.repeat(x[..., 0], 20_000, -1) for x in (states.level, states.potential, states.season)
    )
    paths = []
    for step, error in enumerate(errors):
        place = step % model.season
        at = (place,) if kind == "simple" else ()
        now, before = lev[at], pot[at]
        paths.append(now + error + (sea[place] if kind == "partial" else 0))
        new = now - (1 - a1) * before + (a0 - a1) * error
        new_potential = now + (1 - a0) * before + (a0 + a1) * error
        if kind == "simple":
            lev[place], pot[place] = new, new_potential
        else:
            lev, pot = new, new_potential
        if kind == "partial":
            sea[place] += b * error
    np.testing.assert_allclose(np.mean(paths, axis=1), mean[0], atol=0.1)
    np.testing.assert_allclose(np.var(paths, axis=1), variance[0], rtol=0.04)


def test_the_search_is_near_the_optimum_of_statsforecast() -> None:
    # sum of squared errors at the estimates of `cesmodel(..., None, None, None, None, nmse=3)`
    assert model_of(OIL, "none").fit()[1] < 1.01 * 7512.4
    assert model_of(NIGHTS, "partial").fit()[1] < 1.06 * 69.32
