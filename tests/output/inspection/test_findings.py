"""Findings of an inspection, from numbers chosen by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rnnforecast.output.inspection.findings import (
    correlations,
    describe_attention,
    describe_gates,
    describe_gradient,
    describe_importance,
    describe_occlusion,
    describe_units,
    format_lag_range,
    half_gradient_lookback,
    patch_means,
)
from rnnforecast.output.inspection.results import (
    InputImportance,
    InspectedWindow,
    Inspection,
    LayerActivations,
    Occlusion,
    PermutationImportance,
)

NAN = float("nan")


def inspected(
    gradient: list[float], ranges: tuple[tuple[int, int], ...] = ((-1, 0),)
) -> Inspection:
    """A window of years, one step ahead; occluding the first range changes the forecast most."""
    years = np.arange(2012, 2012 + len(gradient) + 1)
    window = InspectedWindow("a", "y", years, np.ones(len(years)), np.ones(1), patch_length=1)
    occlusion = Occlusion(ranges, np.arange(len(ranges), 0, -1.0)[:, None])
    return Inspection(window, (), np.array([gradient]), None, None, (), None, occlusion)


def with_hidden(hidden: list[list[float]], **gates: float) -> Inspection:
    """A layer with hidden states [G, K] and constant gates, over years of a rising series."""
    states = np.array(hidden)
    inspection = inspected([1.0] * len(states))
    window = replace(inspection.window, values=np.arange(len(states) + 1.0))
    activations = {name: np.full(states.shape, share) for name, share in gates.items()}
    return replace(
        inspection, window=window, layers=(LayerActivations("layer 1", states, activations),)
    )


@pytest.mark.parametrize(
    ("gradient", "text"),
    [
        ([0.1, 0.1, 0.8], "within the last of 3 steps"),
        ([0.2, 0.4, 0.4], "the last 2 of 3 steps"),
        ([0.0, 0.0, 0.0], "does not depend on the past"),
        ([0.049, 0.0, 1.0], "nearly vanishes at the oldest patch (4.9 % of the newest)"),
        ([0.05, 0.0, 1.0], "reaches the oldest patch (5.0 % of the newest)"),
        ([5.0, 0.0, 1.0], "reaches the oldest patch (500 % of the newest)"),
        ([5.1, 0.0, 1.0], "explodes: at the oldest patch it is 5.1 times"),
    ],
)
def test_the_reach_of_the_gradient(gradient: list[float], text: str) -> None:
    assert text in describe_gradient(inspected(gradient))


def test_the_gradient_without_the_linear_map_decides_what_vanishes() -> None:
    inspection = replace(
        inspected([1.0, 1.0, 1.0]), recurrent_gradient_norm=np.array([[0.01, 0.5, 1.0]])
    )
    assert "without the linear map nearly vanishes" in describe_gradient(inspection)


def test_half_of_the_gradient_is_counted_from_the_origin() -> None:
    assert half_gradient_lookback(np.array([[1.0, -2.0, 3.0]])) == 1
    assert half_gradient_lookback(np.array([[1.0, 2.0, 2.0], [0.0, 0.0, 0.5]])) == 2
    assert half_gradient_lookback(np.zeros((1, 3))) == 0


@pytest.mark.parametrize(
    ("steps", "text"), [((-1, 0), "without 2014:"), ((-3, -1), "without 2012 to 2013:")]
)
def test_an_occluded_range_is_named_by_its_timestamps(steps: tuple[int, int], text: str) -> None:
    assert text in describe_occlusion(inspected([0.1, 0.1, 0.8], (steps, (-2, -1))))


def test_units_that_follow_the_series_and_inactive_ones_are_counted() -> None:
    rising, falling = np.arange(8.0), -np.arange(8.0)
    noise, constant = np.array([0.0, 7, 0, 7, 7, 0, 7, 0]), np.full(8, 3.0)
    states = np.stack([rising, falling, noise, constant], axis=1).tolist()
    text = describe_units(with_hidden(states))
    assert text == "2 of the 4 units are correlated with the series, 1 hardly change"
    assert "over 7 patches" in describe_units(with_hidden(states[:7]))


def test_all_units_are_inactive_where_none_changes() -> None:
    assert describe_units(with_hidden([[1.0, 2.0]] * 2)).startswith("2 of the 2 units hardly")


@pytest.mark.parametrize(
    ("gates", "text"),
    [
        ({"input": 0.3, "forget": 0.8}, "keeps 80 % of its state from one step to the next"),
        ({"keep": 0.8}, "half-life is 3.11 steps"),  # log(0.5) / log(0.8)
        ({"keep": 0.5}, "keeps 50 % of its state from one step to the next"),
        ({"reading": 0.25}, "gate reading is 25 % open"),
    ],
)
def test_the_half_life_comes_from_the_gate_that_retains_the_state(
    gates: dict[str, float], text: str
) -> None:
    sentence = describe_gates(with_hidden([[0.0], [1.0]], **gates))
    assert text in sentence
    assert ("half-life" in sentence) == (0.5 < gates.get("forget", gates.get("keep", 0)) < 1)


@pytest.mark.parametrize(
    ("weights", "text"),
    [([0.37, 0.37, 0.26], "nearly uniform"), ([0.2, 0.3, 0.5], "highest at 2014: 50 %, uniform")],
)
def test_attention_has_a_peak_only_where_it_is_clear(weights: list[float], text: str) -> None:
    inspection = with_hidden([[0.0]] * 3)
    sentence = describe_attention(replace(inspection, horizon_attention=np.array([weights])))
    assert "the horizon" in sentence
    assert text in sentence
    last = np.array([[1.0, 0, 0], [0.5, 0.5, 0], weights])
    sentence = describe_attention(replace(inspection, self_attention=(last,)))
    assert "the last patch" in sentence
    assert text in sentence


@pytest.mark.parametrize(
    ("lags", "covariate", "text"),
    [
        ((0.3, 0.1), (0.2, 0.05), "depends most on the last value: shuffled between windows, it"),
        ((0.3, 0.1), (0.2, 0.05), "from 1 % to 1.3 %; then on price (to 1.2 %)"),
        ((0.3, 0.1), (0.2, 0.2), "from 1 % to 1.3 %; not measurably on price"),
        ((0.1, 0.1), (0.3, 0.1), "depends most on price: shuffled between windows, it raises"),
        ((0.2, 0.1), (0.2, 0.1), "No shuffled input"),
    ],
)
def test_the_most_important_input_has_to_be_significant(
    lags: tuple[float, float], covariate: tuple[float, float], text: str
) -> None:
    inputs = (InputImportance("past", *lags, (-1, 0)), InputImportance("price", *covariate))
    importance = PermutationImportance(1.0, inputs, windows=9, repeats=3)
    assert text in describe_importance(replace(inspected([1.0]), importance=importance))


def test_means_of_patches_leave_out_what_is_missing_and_the_start_of_a_short_series() -> None:
    window = InspectedWindow(
        "a", "y", np.arange(6), np.array([1.0, NAN, 3.0, NAN, NAN, 9.0]), np.ones(1), patch_length=2
    )
    layer = LayerActivations("layer", np.zeros((3, 1)))
    inspection = replace(inspected([1.0]), window=window, layers=(layer,))
    np.testing.assert_array_equal(patch_means(inspection), [1.0, 3.0, NAN])


def test_correlations_are_those_of_numpy_where_the_reference_is_known() -> None:
    rng = np.random.default_rng(0)
    columns, reference = rng.normal(size=(9, 2)), rng.normal(size=9)
    reference[4] = NAN
    known = np.isfinite(reference)
    expected = [np.corrcoef(columns[known, k], reference[known])[0, 1] for k in range(2)]
    np.testing.assert_allclose(correlations(columns, reference), expected)
    assert correlations(np.ones((9, 1)), reference).tolist() == [0.0]
    assert correlations(columns[:2], reference[:2]).tolist() == [0.0, 0.0]


def test_lags_count_back_from_the_last_known_step() -> None:
    assert format_lag_range((-1, 0)) == "1 step back"
    assert format_lag_range((-13, 0)) == "1–13 steps back"
    assert format_lag_range((-1300, -26)) == "27–1,300 steps back"


def test_ranges_of_values_are_named_and_only_a_few_inputs_are() -> None:
    important = [InputImportance(f"in{k}", 1.0 - k / 10, 0.01) for k in range(4)]
    useless = [InputImportance(f"no{k}", 0.0, 0.1) for k in range(5)]
    past = InputImportance("past", 2.0, 0.1, (-12, -6))
    importance = PermutationImportance(8.0, (past, *important, *useless), windows=9, repeats=3)
    text = describe_importance(replace(inspected([1.0]), importance=importance))
    assert text.startswith("The forecast depends most on the values 7–12 steps back: shuffled")
    assert "they raise the error from 8 % to 10 %; then on in0 (to 9 %) and in1 (to 8.9 %)" in text
    assert text.endswith("; not measurably on no0, no1, no2 and 2 more")
