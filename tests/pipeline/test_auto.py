"""Automatic values: each rule by itself, as numbers, at its default and at its very edges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from rnnforecast.data.cleaning_plan import CleanedData
from rnnforecast.pipeline import auto
from rnnforecast.pipeline.auto import (
    RULES,
    AutoChoice,
    AutoContext,
    resolve_auto,
    resolve_season,
)
from rnnforecast.spec.load import parse_spec
from rnnforecast.spec.spec import SECTIONS, Spec
from tests.data.panels import panel

RESOLVED_ELSEWHERE = {
    "window.season",
    "training.device",
    "training.precision",
    "ensemble.network_weight",
    "forecast.non_negative",
    "forecast.whole_numbers",
}
"""By `resolve_season`, by the device at hand, by validation windows and by the training part."""


def spec_of(*overrides: str) -> Spec:
    """A spec of seven steps ahead and a week as its season, unless set otherwise."""
    text = "data: {path: data.csv}\nwindow: {horizon: 7, season: 7}\n"
    return parse_spec(text, name="spec.yaml", overrides=overrides)


def data_of(
    *series: Sequence[float], observed: int | None = None, covariates: int = 0
) -> CleanedData:
    """Cleaned series of one target, all of their values observed or the first ones of all."""
    values = np.concatenate([np.asarray(each, dtype=float) for each in series])[:, None]
    lengths = np.array([len(each) for each in series])
    mask = ~np.isnan(values)
    if observed is not None:
        mask[observed:] = False
    panel = SimpleNamespace(lengths=lengths, offsets=np.concatenate([[0], np.cumsum(lengths)]))
    features = SimpleNamespace(tables=lambda: [np.ones((len(values), covariates))])
    return cast(
        "CleanedData",
        SimpleNamespace(panel=panel, values=values, target_mask=mask, features=features),
    )


def data_of_length(*lengths: int) -> CleanedData:
    return data_of(*(np.full(length, 5.0) for length in lengths))


def context_of(*overrides: str, data: CleanedData | None = None) -> AutoContext:
    spec = spec_of(*overrides)
    return AutoContext(spec, spec, data or data_of_length(500))


def value_of(key: str, *overrides: str, data: CleanedData | None = None) -> Any:
    """What the rule of one key gives, with all that is read by it set."""
    return RULES[key](context_of(*overrides, data=data))[0]


def test_every_automatic_key_of_windows_networks_and_training_has_a_rule() -> None:
    keys = {
        f"{section}.{name}"
        for section in ("window", "model", "training", "ensemble", "forecast")
        for name, field in SECTIONS[section].model_fields.items()
        if field.default == "auto"
    }
    assert keys - RESOLVED_ELSEWHERE == set(RULES)


def test_the_defaults_of_a_small_weekly_series() -> None:
    spec, choices = resolve_auto(spec_of(), data_of_length(500))
    found = {choice.key: choice.value for choice in choices}
    assert found == {
        "window.patch_length": 7,
        "window.lookback": 56,
        "model.normalize": "log_mean",
        "model.layers": 1,
        "model.hidden_size": 64,
        "model.decoder": "direct",
        "ensemble.members": 1,
        "training.max_steps": 120,
        "training.batch_size": 64,
        "training.learning_rate": 0.002,
        "training.window_weight": "equal",
    }
    for key, value in found.items():
        section, name = key.split(".")
        assert getattr(getattr(spec, section), name) == value
    assert (spec.model.residual, spec.model.smoothing_seasons) == (False, (7,))
    assert (spec.model.base_forecast, spec.ensemble.vary, spec.forecast.plots) == ("auto", {}, 12)


def test_keys_that_are_set_are_left_as_they_are_and_not_reported() -> None:
    sets = (
        "window.lookback=30", "window.patch_length=5", "model.normalize=last", "model.layers=4",
        "model.residual=true", "model.hidden_size=3", "model.decoder=forking",
        "model.smoothing_seasons=[3]", "model.base_forecast=none", "training.max_steps=9",
        "training.batch_size=2", "training.learning_rate=1", "training.window_weight=equal",
        "ensemble.members=2", "ensemble.vary={model.layers: [1, 2]}", "forecast.plots=0",
    )  # fmt: skip
    given = spec_of(*sets)
    assert resolve_auto(given, data_of_length(500)) == (given, [])


def test_a_rule_reads_what_earlier_rules_chose() -> None:
    spec, _ = resolve_auto(spec_of("window.season=1"), data_of([0.0, *range(1, 60)]))
    assert (spec.window.patch_length, spec.window.lookback) == (7, 21)
    assert (spec.model.normalize, spec.training.window_weight) == ("standard", "scale")


@pytest.mark.parametrize(
    ("season", "horizon", "lookback", "expected"),
    [
        (7, 3, "auto", 7),
        (2, 3, "auto", 2),
        (1, 3, "auto", 3),
        (7, 3, "7", 7),
        (7, 3, "6", 6),
        (1, 9, "8", 8),
    ],
)
def test_a_patch_is_a_season_or_a_horizon_and_no_longer_than_the_lookback(
    season: int, horizon: int, lookback: str, expected: int
) -> None:
    sets = (f"window.season={season}", f"window.horizon={horizon}", f"window.lookback={lookback}")
    assert value_of("window.patch_length", *sets) == expected


def lookback_of(season: int, *lengths: int, horizon: int = 7, patch_length: int = 1) -> int:
    sets = (
        f"window.season={season}",
        f"window.horizon={horizon}",
        f"window.patch_length={patch_length}",
    )
    return int(value_of("window.lookback", *sets, data=data_of_length(*lengths)))


USUAL_SEASONS = {
    2: 8, 4: 8, 5: 8, 7: 8, 12: 8, 13: 8, 21: 8, 22: 7, 24: 7, 30: 5, 48: 3, 52: 3, 84: 2, 85: 2,
    365: 2,
}  # fmt: skip


@pytest.mark.parametrize(("season", "seasons"), USUAL_SEASONS.items())
def test_a_usual_lookback_has_two_to_eight_seasons(season: int, seasons: int) -> None:
    assert lookback_of(season, 10 * season + 7) == seasons * season


@pytest.mark.parametrize(
    ("length", "expected"),
    [(2239, 56), (2240, 112), (3359, 112), (3360, 168), (99_999, 168)],
)
def test_long_series_are_read_up_to_three_times_as_far_back(length: int, expected: int) -> None:
    assert lookback_of(7, length) == expected
    assert lookback_of(7, 10, length, 10**5) == expected  # the median counts


@pytest.mark.parametrize(
    ("length", "expected"), [(41, 14), (44, 14), (45, 15), (167, 55), (168, 56), (171, 56)]
)
def test_without_a_season_a_third_of_the_length_is_read(length: int, expected: int) -> None:
    assert lookback_of(1, length) == expected


@pytest.mark.parametrize(
    ("season", "horizon", "length", "expected"),
    [
        (7, 56, 1000, 56),
        (7, 57, 1000, 57),  # at least a horizon
        (1024, 7, 9000, 2048),
        (1025, 7, 9000, 2048),  # the most
        (7, 2049, 9000, 2049),  # but for a longer horizon
        (7, 7, 63, 56),
        (7, 7, 62, 55),  # all but the horizon
        (7, 7, 7, 1),
    ],
)
def test_limits_of_a_lookback(season: int, horizon: int, length: int, expected: int) -> None:
    assert lookback_of(season, length, horizon=horizon) == expected


@pytest.mark.parametrize(("length", "expected"), [(58, 49), (59, 49), (60, 56), (11, 7), (9, 7)])
def test_a_lookback_is_a_whole_number_of_patches(length: int, expected: int) -> None:
    assert lookback_of(7, length, patch_length=7) == expected


def normalize_of(*series: Sequence[float], loss: str = "quantile", transform: str = "none") -> str:
    sets = (f"training.loss={loss}", f"clean.transform={transform}")
    return str(value_of("model.normalize", *sets, data=data_of(*series)))


@pytest.mark.parametrize(
    ("series", "expected"),
    [
        ([1e-300, 1e-300], "log_mean"),
        ([0.0, 2.0], "standard"),
        ([-1e-9, 2.0], "standard"),
        ([0.001, 1.999], "log_mean"),  # a thousandth of the mean
        ([0.000999, 1.999001], "standard"),
        ([np.nan, 2.0], "log_mean"),
        ([np.nan, np.nan], "standard"),
    ],
)
def test_logs_are_taken_of_values_above_zero(series: list[float], expected: str) -> None:
    assert normalize_of(series) == expected
    positive = "mean" if expected == "standard" else expected
    assert normalize_of(series, loss="log_normal") == positive
    assert normalize_of(series, loss="poisson") == "mean"


def test_one_series_in_twenty_may_come_close_to_zero() -> None:
    usual, low = [1.0, 1.0], [1e-6, 2.0]
    assert normalize_of(*[usual] * 21, low) == "log_mean"
    assert normalize_of(*[usual] * 19, low, low) == "standard"


@pytest.mark.parametrize("transform", ["difference", "seasonal_difference"])
def test_differences_are_standardized(transform: str) -> None:
    assert normalize_of([1.0, 2.0], transform=transform) == "standard"


@pytest.mark.parametrize(
    ("transform", "expected"),
    [("none", 0), ("log", 0), ("difference", 1), ("seasonal_difference", 7)],
)
def test_the_lag_of_differences(transform: str, expected: int) -> None:
    assert auto.difference_lag(spec_of(f"clean.transform={transform}")) == expected


@pytest.mark.parametrize(
    ("backbone", "layers", "residual"),
    [("gru", 1, False), ("lstm", 1, False), ("dilated", 3, True), ("transformer", 2, False)],
)
def test_layers_are_those_usual_for_the_backbone(
    backbone: str, layers: int, residual: bool
) -> None:
    set_ = f"model.backbone={backbone}"
    assert value_of("model.layers", set_) == layers
    assert value_of("model.residual", set_) is residual


@pytest.mark.parametrize(
    ("n_values", "hidden_size", "batch_size"),
    [(1, 32, 64), (399, 32, 64), (400, 64, 64), (4999, 64, 64), (5000, 128, 128)],
)
def test_few_values_get_a_smaller_network_and_smaller_batches(
    n_values: int, hidden_size: int, batch_size: int
) -> None:
    data = data_of(np.ones(6000), observed=n_values)
    assert value_of("model.hidden_size", data=data) == hidden_size
    resolved = ("window.lookback=14", "window.patch_length=7", "model.normalize=mean")
    assert value_of("training.batch_size", *resolved, data=data) == batch_size
    assert value_of("training.batch_size", *resolved, "training.preset=fast", data=data) == 64


@pytest.mark.parametrize(
    ("n_values", "balanced", "fast"),
    [
        (9_000, 400, 100),  # 450 to the nearest even hundred
        (9_001, 500, 125),
        (100_000, 1500, 375),
        (386_777, 2900, 725),
        (386_778, 3000, 750),
        (1_000_000, 3000, 750),
    ],
)
def test_steps_grow_with_the_root_of_the_number_of_values(
    n_values: int, balanced: int, fast: int
) -> None:
    data = data_of(np.ones(1_000_000), observed=n_values)
    resolved = ("window.lookback=14", "window.patch_length=7", "model.normalize=mean")
    for preset, expected in (("balanced", balanced), ("best", balanced), ("fast", fast)):
        sets = (*resolved, f"training.preset={preset}")
        assert value_of("training.max_steps", *sets, data=data) == expected


@pytest.mark.parametrize(
    ("n_values", "balanced", "fast"),
    [(1, 20, 20), (100, 40, 40), (1000, 220, 100), (1899, 399, 100), (4999, 400, 100)],
)
def test_few_values_have_few_steps_unless_there_are_covariates(
    n_values: int, balanced: int, fast: int
) -> None:
    resolved = ("window.lookback=14", "window.patch_length=7", "model.normalize=mean")
    for preset, expected, usual in (("balanced", balanced, 400), ("fast", fast, 100)):
        sets = (*resolved, f"training.preset={preset}")
        data = data_of(np.ones(6000), observed=n_values)
        assert value_of("training.max_steps", *sets, data=data) == expected
        data = data_of(np.ones(6000), observed=n_values, covariates=1)
        assert value_of("training.max_steps", *sets, data=data) == usual


@pytest.mark.parametrize(("n_values", "expected"), [(399, "theta"), (400, "auto")])
def test_few_values_have_theta_as_base_forecast_without_a_comparison(
    n_values: int, expected: str
) -> None:
    data = data_of(np.ones(6000), observed=n_values)
    assert value_of("model.base_forecast", "model.normalize=log_mean", data=data) == expected


@pytest.mark.parametrize(
    ("preset", "members", "learning_rate", "plots"),
    [("fast", 1, 0.005, 4), ("balanced", 1, 0.002, 12), ("best", 6, 0.002, 12)],
)
def test_presets_in_plain_keys(preset: str, members: int, learning_rate: float, plots: int) -> None:
    spec, _ = resolve_auto(spec_of(f"training.preset={preset}"), data_of_length(500))
    assert (spec.ensemble.members, spec.forecast.plots) == (members, plots)
    assert spec.training.learning_rate == learning_rate


def test_the_networks_of_the_preset_best_differ_in_lookback_and_normalization() -> None:
    spec, choices = resolve_auto(spec_of("training.preset=best"), data_of_length(500))
    vary = {"window.lookback": [56, 112, 168], "model.normalize": ["log_mean", "standard"]}
    assert spec.ensemble.vary == vary
    assert AutoChoice("ensemble.vary", vary, "networks that err differently") in choices


@pytest.mark.parametrize(
    ("sets", "expected"),
    [
        (("window.lookback=56",), ["model.normalize"]),
        (("model.normalize=standard",), ["window.lookback"]),
        (("training.loss=poisson",), ["window.lookback"]),
        (("ensemble.members=6",), []),
        (("window.lookback=56", "model.normalize=last"), []),
    ],
)
def test_keys_that_the_spec_sets_are_not_varied(sets: tuple[str, ...], expected: list[str]) -> None:
    spec, _ = resolve_auto(spec_of("training.preset=best", *sets), data_of_length(500))
    assert list(spec.ensemble.vary) == expected


@pytest.mark.parametrize("loss", ["quantile", "mae", "huber", "mse", "rmse"])
@pytest.mark.parametrize("normalize", ["standard", "robust", "last"])
def test_errors_count_in_units_of_the_series_where_windows_are_divided_by_a_spread(
    loss: str, normalize: str
) -> None:
    sets = (f"training.loss={loss}", f"model.normalize={normalize}", "model.decoder=direct")
    assert value_of("training.window_weight", *sets) == "scale"
    assert value_of("training.window_weight", *sets, "model.decoder=forking") == "equal"


@pytest.mark.parametrize(
    ("loss", "normalize"),
    [("quantile", name) for name in ("log_mean", "mean", "none", "exponential_smoothing")]
    + [(name, "standard") for name in ("smape", "mase", "normal", "student_t", "mixture")],
)
def test_errors_count_relative_to_the_level_elsewhere(loss: str, normalize: str) -> None:
    sets = (f"training.loss={loss}", f"model.normalize={normalize}", "model.decoder=direct")
    assert value_of("training.window_weight", *sets) == "equal"


@pytest.mark.parametrize(
    ("sets", "expected"),
    [
        (("model.normalize=log_mean",), "auto"),
        (("model.normalize=exponential_smoothing",), "linear"),
        (("model.normalize=standard", "clean.transform=difference"), "linear"),
    ],
)
def test_theta_is_left_to_the_validation_windows_where_it_can_be_used(
    sets: tuple[str, ...], expected: str
) -> None:
    assert value_of("model.base_forecast", *sets) == expected


def test_the_context_is_immutable_and_each_rule_gets_a_new_one() -> None:
    context = context_of()
    other = replace(context, spec=spec_of("window.season=2"))
    assert (context.season, other.season) == (7, 2)


def test_a_choice_names_the_columns_of_a_list() -> None:
    assert str(AutoChoice("a.b", ["x", "y"], "why")) == "a.b: x, y  (why)"


def test_all_seasons_are_named_and_those_that_cannot_be_seen() -> None:
    hours = np.arange(1680)
    values = np.sin(2 * np.pi * hours / 24) - (hours // 24 % 7 >= 5)
    noise = 0.1 * np.random.default_rng(0).normal(size=1680)
    spec, (choice,) = resolve_season(
        spec_of("window.season=auto"), panel(values + noise, frequency="h")
    )
    assert (spec.window.season, choice.value) == (24, 24)
    assert "168 steps (a week) as well" in choice.reason
    _, (choice,) = resolve_season(spec_of("window.season=auto"), panel(noise[:430]))
    assert "365 steps (a year) cannot be seen in 430 steps" in choice.reason
