"""Transforms against scikit-learn and scipy, their inverses, and the bounds of forecasts."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats
from sklearn.preprocessing import PowerTransformer

from rnnforecast.data.cleaning import transforms
from rnnforecast.data.cleaning.transforms import (
    METHODS,
    Bounds,
    Transform,
    back_transformed_mean,
    fit_bounds,
    fit_target_transform,
)
from rnnforecast.errors import DataError
from rnnforecast.types import Floats

NAN = np.nan
LARGEST = np.finfo(np.float64).max


def fitted(values: Floats, method: str) -> Transform:
    column = values[:, None]
    return fit_target_transform(column, ~np.isnan(column), [method], names=["y"])


@pytest.mark.parametrize("method", ["box_cox", "yeo_johnson"])
def test_power_transforms_are_those_of_scikit_learn(method: str) -> None:
    random = np.random.default_rng(0)
    values = random.gamma(2.0, 3.0, size=(500, 1))
    if method == "yeo_johnson":
        values -= 4.0
    theirs = PowerTransformer(method=method.replace("_", "-"), standardize=False).fit(values)
    ours = fit_target_transform(values, np.ones_like(values, dtype=bool), [method], names=["y"])
    np.testing.assert_allclose(ours.powers, theirs.lambdas_, rtol=1e-6)
    scaled = theirs.transform(values)
    np.testing.assert_allclose(ours.apply(values), scaled, rtol=1e-6, atol=1e-6)
    same = Transform((method,), (float(theirs.lambdas_[0]),))
    np.testing.assert_allclose(same.apply(values), scaled, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(same.inverse(scaled), theirs.inverse_transform(scaled), rtol=1e-9)


@pytest.mark.parametrize("power", [0.0, 1e-9, 0.3, 1.0, 2.0])
def test_each_formula_is_that_of_scipy(power: float) -> None:
    z = np.linspace(-0.49, 5.0, 40)[:, None]
    y = np.linspace(-6.0, 6.0, 40)[:, None]
    plus = np.abs(y) + 0.01
    box_cox, yeo_johnson = (Transform((m,), (power,)) for m in ("box_cox", "yeo_johnson"))
    np.testing.assert_allclose(box_cox.apply(plus), special.boxcox(plus, power), rtol=1e-12)
    np.testing.assert_allclose(box_cox.inverse(z), special.inv_boxcox(z, power), rtol=1e-12)
    np.testing.assert_allclose(yeo_johnson.apply(y), stats.yeojohnson(y, power), rtol=1e-9)
    log, log1p = (Transform((m,), (1.0,)) for m in ("log", "log1p"))
    np.testing.assert_array_equal(log.apply(plus), np.log(plus))
    np.testing.assert_array_equal(log1p.apply(plus), np.log1p(plus))


def test_a_lognormal_target_gets_a_power_near_0_and_a_normal_one_near_1() -> None:
    normal = np.random.default_rng(1).normal(size=5000)
    assert fitted(np.exp(normal), "box_cox").powers[0] == pytest.approx(0.0, abs=0.05)
    assert fitted(normal, "yeo_johnson").powers[0] == pytest.approx(1.0, abs=0.05)


def test_powers_are_fitted_to_the_training_mask_only() -> None:
    random = np.random.default_rng(2)
    values = random.gamma(2.0, size=(300, 2))
    train_mask = np.zeros_like(values, dtype=bool)
    train_mask[:200] = True
    other = values.copy()
    other[200:] = [-7.0, NAN]
    methods: list[str] = ["box_cox", "yeo_johnson"]
    one, two = (
        fit_target_transform(v, train_mask, methods, names=["a", "b"]) for v in (values, other)
    )
    assert one == two


def test_a_sample_of_many_values_has_the_power_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transforms, "MAX_FIT_VALUES", 5000)
    values = np.random.default_rng(3).gamma(2.0, size=15_000)
    theirs = PowerTransformer(method="box-cox", standardize=False).fit(values[:, None])
    assert fitted(values, "box_cox").powers[0] == pytest.approx(theirs.lambdas_[0], abs=1e-3)


def test_powers_stay_between_0_and_2_so_that_every_forecast_is_finite() -> None:
    random = np.random.default_rng(4)
    heavy = 1.0 / random.gamma(1.0, size=2000)  # likeliest power well below 0
    left = random.beta(8.0, 1.0, size=2000)  # well above 2
    assert fitted(heavy, "box_cox").powers == (0.0,)
    assert fitted(heavy, "yeo_johnson").powers == (0.0,)
    assert fitted(left, "box_cox").powers == (2.0,)
    assert fitted(-heavy, "yeo_johnson").powers == (2.0,)
    for method in METHODS:
        for power in (0.0, 0.5, 2.0):
            inverse = Transform((method,), (power,)).inverse(np.array([[-1e300], [1e300]]))
            assert np.isfinite(inverse).all()


@pytest.mark.parametrize(
    "values",
    [
        np.full(50, 3.0),
        np.empty(0),
        1e9 + np.random.default_rng(5).random(200),
        1e300 * np.random.default_rng(6).random(200),
        np.r_[np.ones(999), 2.0],
    ],
    ids=["constant", "none", "far from 0", "huge", "nearly constant"],
)
def test_odd_targets_get_a_power_too(values: Floats) -> None:
    for method in ("box_cox", "yeo_johnson"):
        transform = fitted(values, method)
        assert 0.0 <= transform.powers[0] <= 2.0
        back = transform.inverse(transform.apply(values[:, None]))
        np.testing.assert_allclose(back, values[:, None], rtol=1e-9)


def test_all_targets_outside_the_domain_are_named_at_once() -> None:
    values = np.array([[3.0, 0.0, 0.0, -1.0], [1.0, 1.0, 4.0, 2.0], [2.0, -2.5, NAN, 5.0]])
    methods: list[str] = ["log", "log", "box_cox", "log1p"]
    with pytest.raises(DataError) as caught:
        fit_target_transform(values, ~np.isnan(values), methods, names=["a", "b", "c", "d"])
    text = [str(problem) for problem in caught.value.problems]
    assert len(text) == 3
    assert "'b'" in text[0]
    assert "greater than 0, but 2 of 3 are not; the smallest is -2.5" in text[0]
    assert "'c'" in text[1]
    assert "box_cox" in text[1]
    assert "greater than -1, but 1 of 3 are not; the smallest is -1" in text[2]
    assert all("yeo_johnson" in line for line in text)


def test_new_values_outside_the_domain_are_missing_and_counted() -> None:
    transform = Transform(("log", "log1p", "yeo_johnson", "none"), (1.0, 1.0, 0.5, 1.0))
    values = np.array([[0.0, -1.0, -5.0, -5.0], [-3.0, -0.5, 0.0, NAN], [2.0, NAN, 1.0, 1.0]])
    scaled = transform.apply(values)
    expected = [[True, True, False, False], [True, False, False, True], [False, True, False, False]]
    assert np.isnan(scaled).tolist() == expected
    assert transform.count_outside_domain(values).tolist() == [2, 1, 0, 0]
    huge = np.array([[1e300]])
    assert Transform(("box_cox",), (2.0,)).count_outside_domain(huge).tolist() == [1]


def test_numbers_beyond_the_end_of_a_scale_give_the_value_at_its_end() -> None:
    z = np.array([[-2.0], [-2.1], [-1e308], [1e308]])
    inverse = Transform(("box_cox",), (0.5,)).inverse(z)[:, 0]
    assert inverse[:3].tolist() == [0.0, 0.0, 0.0]
    below, beyond = Transform(("yeo_johnson",), (-0.5,)), Transform(("yeo_johnson",), (2.5,))
    assert below.inverse(np.array([[2.0], [3.0]]))[:, 0] == pytest.approx([LARGEST] * 2)
    assert beyond.inverse(np.array([[-2.0], [-3.0]]))[:, 0] == pytest.approx([-LARGEST] * 2)
    assert Transform(("log",), (1.0,)).inverse(np.array([[800.0]])) == pytest.approx(LARGEST)


def test_the_inverse_takes_any_axis_of_targets() -> None:
    transform = Transform(("log", "none"), (1.0, 1.0))
    z = np.random.default_rng(7).normal(size=(3, 4, 2, 5))  # [B, H, C, Q]
    inverse = transform.inverse(z, axis=-2)
    np.testing.assert_array_equal(inverse[:, :, 0], np.exp(z[:, :, 0]))
    np.testing.assert_array_equal(inverse[:, :, 1], z[:, :, 1])
    np.testing.assert_array_equal(transform.inverse(z[..., 0]), inverse[..., 0])


def test_transform_and_bounds_are_stored_without_loss() -> None:
    transform = Transform(("none", "box_cox", "yeo_johnson"), (1.0, 0.1 + 0.2, 1.0 / 3.0))
    assert Transform.from_json(json.loads(json.dumps(transform.to_json()))) == transform
    rules = Bounds((True, False), (False, True))
    assert Bounds.from_json(json.loads(json.dumps(rules.to_json()))) == rules
    with pytest.raises(ValueError, match="cube"):
        Transform.from_json({"methods": ["cube"], "powers": [1.0]})


positive = st.floats(1e-3, 1e6)
powers = st.one_of(st.sampled_from([0.0, 1.0, 2.0]), st.floats(0.0, 2.0))


@settings(max_examples=100)
@given(st.lists(positive, min_size=1, max_size=20), powers, st.sampled_from(METHODS), st.booleans())
def test_the_inverse_restores_the_values(
    flat: list[float], power: float, method: str, below: bool
) -> None:
    values = np.array(flat)[:, None]
    if below and method in ("none", "yeo_johnson"):
        values = -values
    transform = Transform((method,), (power,))
    np.testing.assert_allclose(transform.inverse(transform.apply(values)), values, rtol=1e-9)


@settings(max_examples=100)
@given(st.lists(st.floats(-60, 60), min_size=2, max_size=20), powers, st.sampled_from(METHODS))
def test_the_inverse_is_finite_and_monotonic(flat: list[float], power: float, method: str) -> None:
    inverse = Transform((method,), (power,)).inverse(np.sort(flat)[:, None])[:, 0]
    assert np.isfinite(inverse).all()
    assert (np.diff(inverse) >= -1e-12 * np.abs(inverse[1:])).all()


def test_the_mean_of_a_lognormal_is_not_the_median() -> None:
    levels = (np.arange(1, 2001) - 0.5) / 2000
    center, sigma = np.array([[1.0, 2.0], [0.0, -1.0]]), 0.7
    spread = np.broadcast_to(sigma * stats.norm.ppf(levels), (2, 2, 2000))
    transform = Transform(("log", "none"), (1.0, 1.0))
    mean = back_transformed_mean(transform, center, spread)
    np.testing.assert_allclose(mean[:, 0], np.exp(center[:, 0] + sigma**2 / 2), rtol=1e-3)
    np.testing.assert_allclose(mean[:, 1], center[:, 1], atol=1e-12)
    shifted = back_transformed_mean(Transform(("log1p",) * 2, (1.0, 1.0)), center, spread)
    np.testing.assert_allclose(shifted, np.exp(center + sigma**2 / 2) - 1, rtol=2e-3)


def test_the_mean_behind_a_square_root_has_the_variance_added() -> None:
    # y = (1 + z / 2)^2 at power 1/2, so E y = (1 + mu / 2)^2 + sigma^2 / 4 for a normal z
    draws = np.random.default_rng(8).normal(size=200_000)
    draws = np.concatenate([draws, -draws])[None, :]
    mean = back_transformed_mean(Transform(("box_cox",), (0.5,)), np.array([8.0]), draws)
    np.testing.assert_allclose(mean, 25.0 + 0.25, rtol=1e-4)


def test_bounds_are_the_rules_that_all_observed_values_obey() -> None:
    values = np.array([[0.0, 1.0, -1.0, 0.5, NAN], [3.0, 1.5, 4.0, -2.0, NAN], [NAN, 2, 2, 7, NAN]])
    observed = ~np.isnan(values)
    observed[1, 3] = False
    rules = fit_bounds(values, observed)
    assert rules.non_negative == (True, True, False, True, False)
    assert rules.integer_valued == (True, False, True, False, False)


def test_forecasts_are_clipped_and_rounded_to_the_bounds() -> None:
    rules = Bounds((True, False, True, False), (True, True, False, False))
    values = np.array([[-3.2, -3.2, -3.2, -3.2], [0.5, 2.5, 0.25, 0.25], [1.5, -0.2, 1.5, 1.5]])
    expected = [[0.0, -3.0, 0.0, -3.2], [0.0, 2.0, 0.25, 0.25], [2.0, 0.0, 1.5, 1.5]]
    held = rules.apply(values)
    np.testing.assert_array_equal(held, expected)
    assert not np.signbit(held[held == 0]).any()
    quantiles = np.stack([values, values + 1], axis=-1)  # [3, C, Q]
    np.testing.assert_array_equal(rules.apply(quantiles, axis=-2)[..., 0], expected)
    assert values[0, 0] == -3.2


@given(st.lists(st.floats(-50, 50), min_size=2, max_size=9), st.booleans(), st.booleans())
def test_bounds_keep_quantiles_in_order(flat: list[float], positive: bool, whole: bool) -> None:
    held = Bounds((positive,), (whole,)).apply(np.sort(flat)[None, :], axis=0)[0]
    assert all(a <= b for a, b in pairwise(held))
