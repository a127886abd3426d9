"""Tests of exponential smoothing against statsmodels 0.15.

Reference: `ETSModel(y, error=..., trend=..., seasonal=..., damped_trend=...).fit()` with its
estimated parameters, log likelihood `llf` and `forecast(6)`; variances are those of 200,000 paths
by `simulate(6, anchor="end")`. Data: Hyndman and Athanasopoulos, Forecasting: principles and
practice (oil of Saudi Arabia, air passengers and visitor nights of Australia).
"""

from dataclasses import dataclass

import numpy as np
import pytest

from rnnforecast.statistical.ets_estimation import Models, Problem, improve, start_models
from rnnforecast.statistical.ets_filter import SeasonKind
from rnnforecast.statistical.exponential_smoothing import forecast_models
from rnnforecast.types import Floats

OIL = [446.6565, 454.4733, 455.663, 423.6322, 456.2713, 440.5881]
OIL += [425.3325, 485.1494, 506.0482, 526.792, 514.2689, 494.211]
AIR = [17.5534, 21.86, 23.8866, 26.9293, 26.8885, 28.8314, 30.0751, 30.9535]
AIR += [30.1857, 31.5797, 32.5776, 33.4774, 39.0216, 41.3864, 41.5966]
NIGHTS = [41.7275, 24.0418, 32.3281, 37.3287, 46.2132, 29.3463, 36.4829, 42.9777]
NIGHTS += [48.9015, 31.1802, 37.7179, 40.4202, 51.2069, 31.8872, 40.9783, 43.7725]
NIGHTS += [55.5586, 33.8509, 42.0764, 45.6423, 59.7668, 35.1919, 44.3197, 47.9137]


@dataclass(frozen=True)
class Reference:
    """A model of statsmodels: parameters, log likelihood, forecasts and their variances."""

    values: list[float]
    kind: SeasonKind
    trend: int
    relative: bool
    parameters: list[float]
    log_likelihood: float
    mean: list[float]
    variance: list[float]

    @property
    def problem(self) -> Problem:
        return Problem(np.array(self.values)[:, None], np.array([0]), self.kind, 4)

    def models(self) -> Models:
        models = start_models(
            self.problem,
            np.array([0]),
            np.array([self.trend]),
            np.array([self.relative]),
            np.array(self.parameters)[:, None],
        )
        models.parameters[:, 0] = self.parameters
        return models


def log_likelihood(problem: Problem, objective: Floats) -> Floats:
    length = len(problem.values)
    return -0.5 * (objective + length * (np.log(2 * np.pi) + 1))


# parameters: alpha, beta / alpha, phi, level, slope, gamma / (1 - alpha), seasonal states
REFERENCES = [
    Reference(
        OIL, "none", 0, False, [0.891998, 0, 1, 447.478393, 0], -55.71223,
        [496.4935] * 6, [629.804, 1129.704, 1631.568, 2132.227, 2645.873, 3149.513],
    ),
    Reference(
        OIL, "none", 0, True, [0.779289, 0, 1, 446.519115, 0], -56.09317,
        [498.9461] * 6, [782.137, 1257.52, 1738.581, 2216.916, 2682.402, 3175.493],
    ),
    Reference(
        AIR, "none", 1, False, [0.0001, 0, 1, 18.739156, 1.464295], -29.2319,
        [42.1679, 43.6322, 45.0965, 46.5608, 48.0251, 49.4894],
        [2.895, 2.882, 2.887, 2.878, 2.883, 2.881],
    ),
    Reference(
        AIR, "none", 2, True, [0.0001, 0, 0.952823, 17.136737, 2.157349], -29.2279,
        [40.5988, 41.5475, 42.4514, 43.3127, 44.1333, 44.9153],
        [5.347, 5.646, 5.89, 6.12, 6.359, 6.566],
    ),
    Reference(
        NIGHTS, "additive", 1, False,
        [0.344772, 0.0001, 1, 41.079317, 0.648401, 0.99990,
         0, -18.513359, -11.361353, -7.113298],
        -43.72456, [61.4042, 37.3981, 46.7516, 50.5073, 63.9978, 39.9917],
        [2.244, 2.509, 2.776, 3.032, 5.307, 5.557],
    ),
    Reference(
        NIGHTS, "multiplicative", 2, True,
        [0.0001, 0, 0.944726, 39.7023, 1.496915, 0.0001,
         1, 0.601239, 0.747055, 0.815754],
        -37.33142, [59.1121, 35.7457, 44.6559, 49.0109, 60.3683, 36.4592],
        [2.86, 1.049, 1.633, 1.971, 2.987, 1.093],
    ),
    Reference(
        NIGHTS, "additive", 0, True,
        [0.58489, 0, 1, 41.651534, 0, 0.99990,
         0, -17.728584, -10.695964, -6.59422],
        -46.4799, [59.2553, 35.6598, 44.6243, 47.9137, 59.2553, 35.6598],
        [6.426, 4.524, 6.655, 8.426, 16.404, 11.77],
    ),
]  # fmt: skip


@pytest.mark.parametrize("reference", REFERENCES)
def test_likelihood_and_forecasts_at_given_parameters_are_those_of_statsmodels(
    reference: Reference,
) -> None:
    problem, models = reference.problem, reference.models()
    objective = problem.objective(models, problem.filtered(models))
    found = log_likelihood(problem, objective)
    np.testing.assert_allclose(found, reference.log_likelihood, atol=2e-3)
    mean, variance = forecast_models(problem, models, np.array([len(reference.values)]), 6)
    np.testing.assert_allclose(mean[0], reference.mean, rtol=1e-4)
    np.testing.assert_allclose(variance[0], reference.variance, rtol=0.02)


@pytest.mark.parametrize("reference", REFERENCES[:4])
def test_estimates_of_models_without_season_are_as_likely_as_those_of_statsmodels(
    reference: Reference,
) -> None:
    problem, models = reference.problem, reference.models()
    models.parameters[:5, 0] = [0.5, 0.05 * (reference.trend > 0), 1, reference.values[0], 0]
    models.parameters[2] = 0.9 if reference.trend == 2 else 1.0
    fitted = improve(problem, models, rounds=10)
    # Here beta is at most alpha / 10, and the least alpha 1e-4.
    assert log_likelihood(problem, fitted.objective)[0] > reference.log_likelihood - 0.02


@pytest.mark.parametrize("reference", REFERENCES[4:])
def test_estimates_with_given_seasonal_states_are_nearly_as_likely(
    reference: Reference,
) -> None:
    problem, models = reference.problem, reference.models()
    models.parameters[0], models.parameters[5] = 0.5, 0.1
    fitted = improve(problem, models, rounds=10)
    assert log_likelihood(problem, fitted.objective)[0] > reference.log_likelihood - 0.1


@pytest.mark.parametrize("reference", REFERENCES)
def test_derivatives_are_those_of_finite_differences(reference: Reference) -> None:
    problem, models = reference.problem, reference.models()
    middle = {0: 0.4, 2: 0.9, 5: 0.3} if reference.kind != "none" else {0: 0.4, 2: 0.9}
    for row, value in middle.items():
        models.parameters[row] = value
    models.parameters[1] = 0.3
    filtered = problem.filtered(models, derivatives=True)
    length = len(reference.values)
    for row in range(len(filtered.descent)):
        step = 1e-6 * max(abs(models.parameters[row, 0]), 0.1)
        values = []
        for sign in (-1, 1):
            moved = models.parameters.copy()
            moved[row] += sign * step
            other = Models(**{**vars(models), "parameters": moved})
            values.append(problem.objective(other, problem.filtered(other))[0])
        slope = (values[1] - values[0]) / (2 * step)
        analytic = -2 * length * filtered.descent[row, 0] / filtered.squares[0]
        np.testing.assert_allclose(analytic, slope, rtol=1e-4, atol=1e-5)
