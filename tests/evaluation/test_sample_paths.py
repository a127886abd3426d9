"""Sample paths: their quantiles, and the correlation of their errors."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import nbinom, norm, poisson, truncnorm

from rnnforecast.evaluation.sample_paths import (
    build_sample_paths,
    draw_correlated_normals,
    estimate_correlation,
    extend_correlation,
    normal_scores,
)

LEVELS = (0.025, 0.1, 0.5, 0.9, 0.975)


def normal_quantiles(mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    return np.asarray(mean[..., None] + deviation[..., None] * norm.ppf(LEVELS))


def autoregressive(horizon: int, step: float) -> np.ndarray:
    steps = np.arange(horizon)
    return np.asarray(step ** np.abs(np.subtract.outer(steps, steps)))


def test_the_normal_score_of_a_normal_value_is_its_z_score() -> None:
    random = np.random.default_rng(0)
    mean, deviation = random.normal(size=(6, 4)), random.uniform(0.5, 2, (6, 4))
    score = random.uniform(-3, 3, (6, 4))
    actual = mean + score * deviation
    actual[2, 1] = np.nan
    found, variances = normal_scores(actual, normal_quantiles(mean, deviation), LEVELS)
    assert np.isnan(found[2, 1])
    known = ~np.isnan(actual)
    np.testing.assert_allclose(found[known], score[known], rtol=1e-9)
    assert (variances[known] == 0).all()


def test_the_correlation_of_many_errors_is_recovered() -> None:
    truth = autoregressive(5, 0.8)
    normal = np.random.default_rng(0).multivariate_normal(np.zeros(5), truth, 20_000)
    np.testing.assert_allclose(estimate_correlation(normal), truth, atol=0.03)


@pytest.mark.parametrize("windows", [1, 2, 5, 40])
def test_few_errors_give_a_valid_correlation(windows: int) -> None:
    errors = np.random.default_rng(windows).normal(size=(windows, 12))
    errors[0, 3] = np.nan
    found = estimate_correlation(errors)
    np.testing.assert_allclose(np.diag(found), 1.0)
    np.testing.assert_allclose(found, found.T)
    assert np.linalg.eigvalsh(found).min() > 0


def test_the_correlation_of_few_errors_agrees_with_a_calculation_by_hand() -> None:
    nan = np.nan
    scores = np.array([[1.0, 0.5, -0.2, nan], [-1.0, nan, 0.3, 0.7], [0.2, 0.9, 0.1, nan]])
    weight = 3 / (3 + 2 * 4)
    raw, scores = scores, scores - weight * np.nanmean(scores)
    deviation = np.sqrt(np.nanmean(scores**2, axis=0))
    products = scores[:, :, None] * scores[:, None]  # [W, H, H]
    with np.errstate(invalid="ignore"):
        sums, counts = np.nansum(products, 0), np.maximum((~np.isnan(products)).sum(0), 1)
    sample = sums / counts / np.outer(deviation, deviation)
    sample = np.clip(sample, -1, 1)
    step = sample[[0, 1, 2], [1, 2, 3]].mean()
    assert 0 < step < 0.99
    expected = weight * sample + (1 - weight) * autoregressive(4, step)
    assert np.linalg.eigvalsh(expected).min() > 0
    np.testing.assert_allclose(estimate_correlation(raw), expected, rtol=1e-9)


def test_paths_have_the_quantiles_of_the_forecast() -> None:
    random = np.random.default_rng(1)
    quantiles = np.sort(random.gamma(2.0, 10.0, (3, 6, 5)), axis=-1)
    found = build_sample_paths(
        draw_correlated_normals(autoregressive(6, 0.7), 20_000, seed=0), quantiles, LEVELS
    )
    assert found.shape == (3, 20_000, 6)
    got = np.moveaxis(np.quantile(found, LEVELS, axis=1), 0, -1)
    spread = (quantiles[..., -1] - quantiles[..., 0])[..., None]
    np.testing.assert_allclose((got - quantiles) / spread, 0.0, atol=0.05)


def test_totals_of_paths_have_the_variance_of_correlated_steps() -> None:
    correlated = autoregressive(7, 0.6)
    mean, deviation = np.full((1, 7), 100.0), np.linspace(1, 3, 7)[None]
    found = build_sample_paths(
        draw_correlated_normals(correlated, 40_000, seed=2),
        normal_quantiles(mean, deviation),
        LEVELS,
    )
    expected = np.sqrt(deviation[0] @ correlated @ deviation[0])
    totals = found.sum(-1)[0]
    assert totals.mean() == pytest.approx(700.0, abs=1e-6)
    assert totals.std() == pytest.approx(expected, rel=0.02)


def test_paths_of_a_series_do_not_depend_on_other_series() -> None:
    quantiles = np.sort(np.random.default_rng(3).normal(size=(4, 6, 5)), axis=-1)
    normal = draw_correlated_normals(autoregressive(6, 0.5), 10, seed=0)
    alone = build_sample_paths(normal, quantiles[2:3], LEVELS)
    np.testing.assert_array_equal(build_sample_paths(normal, quantiles, LEVELS)[2:3], alone)


@pytest.mark.parametrize("steps", [1, 4, 9])
def test_a_correlation_is_cut_or_extended_by_its_lags(steps: int) -> None:
    found = extend_correlation(autoregressive(6, 0.6), steps)
    assert found.shape == (steps, steps)
    np.testing.assert_allclose(
        found[:4, :4], autoregressive(6, 0.6)[:steps, :steps][:4, :4], atol=0.02
    )
    assert np.linalg.eigvalsh(found).min() > 0


def test_a_single_quantile_gives_paths_without_spread() -> None:
    found = build_sample_paths(
        draw_correlated_normals(np.eye(3), 4, seed=0), np.full((2, 3, 1), 5.0), (0.5,)
    )
    assert (found == 5).all()
    assert np.isfinite(
        estimate_correlation(*normal_scores(np.ones((5, 3)), np.zeros((5, 3, 1)), (0.5,)))
    ).all()


def test_a_value_at_tied_quantiles_has_the_mean_score_of_all_of_them() -> None:
    quantiles = np.array([0.0, 0.0, 0.0, 1.0, 4.0])
    values = np.array([[0.0, 0.5, 4.0, 0.0]])
    found, variances = normal_scores(values, np.tile(quantiles, (1, 4, 1)), LEVELS)
    ends = norm.ppf(LEVELS)
    tie = truncnorm(ends[0], ends[2])
    assert found[0].tolist() == pytest.approx(
        [tie.mean(), ends[2] + 0.5 * (ends[3] - ends[2]), ends[4], tie.mean()], abs=1e-9
    )
    assert variances[0].tolist() == pytest.approx([tie.var(), 0, 0, tie.var()], abs=1e-9)
    found, variances = normal_scores(values, np.tile(quantiles, (1, 4, 1)), LEVELS, lower=0.0)
    below = truncnorm(-np.inf, ends[2])
    assert found[0, 0] == pytest.approx(below.mean())
    assert variances[0, 0] == pytest.approx(below.var())


def test_a_value_beyond_quantiles_that_are_all_tied_is_beyond_their_levels() -> None:
    found, variances = normal_scores(np.array([[0.0, 1.0, -1.0]]), np.zeros((1, 3, 5)), LEVELS)
    top = truncnorm(norm.ppf(LEVELS[-1]), np.inf)
    assert found[0].tolist() == pytest.approx([0.0, top.mean(), -top.mean()], abs=1e-6)
    assert variances[0, 1] == pytest.approx(top.var(), abs=1e-6)


def test_a_whole_number_has_the_scores_of_all_values_that_are_rounded_to_it() -> None:
    quantiles = np.array([[norm(10, 2).ppf(LEVELS)]])
    found, variances = normal_scores(np.array([[11.0]]), quantiles, LEVELS, step=1.0)
    cell = truncnorm(0.25, 0.75)
    assert found[0, 0] == pytest.approx(cell.mean())
    assert variances[0, 0] == pytest.approx(cell.var())


MORE_LEVELS = (0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.975, 0.99)


@pytest.mark.parametrize("rate", [0.02, 0.05, 0.3, 1.0, 5.0])
@pytest.mark.parametrize("family", ["poisson", "negative_binomial"])
def test_totals_of_independent_counts_are_as_wide_as_they_are(rate: float, family: str) -> None:
    horizon, random = 28, np.random.default_rng(0)
    # a third of the mean to three times it, as in a table of many items
    rates = rate * np.geomspace(1 / 3, 3, 400)[:, None]
    law = poisson(rates) if family == "poisson" else nbinom(0.5, 0.5 / (0.5 + rates))
    quantiles = np.stack([np.broadcast_to(law.ppf(u), (400, horizon)) for u in MORE_LEVELS], -1)
    counts = law.rvs((400, horizon), random_state=random).astype(np.float64)
    correlation = estimate_correlation(
        *normal_scores(counts, quantiles, MORE_LEVELS, lower=0.0, step=1.0)
    )
    assert abs(correlation[np.triu_indices(horizon, 1)].mean()) < 0.05
    normals = draw_correlated_normals(correlation, 1000, seed=1)
    paths = np.round(np.maximum(build_sample_paths(normals, quantiles, MORE_LEVELS), 0))
    totals, actual = paths.sum(-1), law.rvs((400, horizon), random_state=random).sum(-1)
    low, high = np.quantile(totals, [0.025, 0.975], axis=1)
    assert ((low <= actual) & (actual <= high)).mean() > 0.9
    # the standard deviation of a sum of independent counts, over all items
    expected = np.sqrt(horizon * law.var()).mean()
    assert totals.std(axis=1).mean() == pytest.approx(expected, rel=0.25)
    assert totals.mean() == pytest.approx(horizon * rates.mean(), rel=0.15)


def test_correlated_counts_have_the_correlation_of_what_drives_them() -> None:
    horizon, random = 14, np.random.default_rng(1)
    truth = 0.3 + 0.7 * np.eye(horizon)
    normal = random.multivariate_normal(np.zeros(horizon), truth, 4000)
    law = poisson(0.4)
    counts = law.ppf(norm.cdf(normal))
    quantiles = np.tile(law.ppf(MORE_LEVELS), (4000, horizon, 1))
    found = estimate_correlation(
        *normal_scores(counts, quantiles, MORE_LEVELS, lower=0.0, step=1.0)
    )
    off = np.triu_indices(horizon, 1)
    assert found[off].mean() == pytest.approx(0.3, abs=0.08)
