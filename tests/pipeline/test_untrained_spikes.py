"""Spikes in data that are forecast without a training."""

from __future__ import annotations

import numpy as np
import pytest

from rnnforecast.pipeline.untrained_spikes import Spikes
from rnnforecast.types import Floats
from tests.data.panels import panel


def found(values: Floats) -> dict[int, bool]:
    """Whether the spikes of a series have passed, by their steps; beside two usual series."""
    spikes = Spikes.find(panel(usual(50), values, usual(60)), 0)
    return dict(zip((spikes.row - 50).tolist(), spikes.has_passed.tolist(), strict=True))


def usual(steps: int = 60) -> Floats:
    return 100 + 20 * np.sin(np.arange(steps) * np.pi / 6)


def changed(values: dict[int, float]) -> Floats:
    series = usual()
    series[list(values)] = list(values.values())
    return series


def test_a_series_that_goes_on_as_before_has_a_passed_spike() -> None:
    assert found(usual()) == {}
    assert found(changed({57: 1100.0})) == {}, "less than ten times the largest usual value"
    assert found(changed({57: 1300.0})) == {57: True}
    assert found(changed({30: -9999.0, 32: 5000.0})) == {30: True, 32: True}
    assert found(changed({57: 1300.0, 56: np.nan, 58: np.nan})) == {57: True}


@pytest.mark.parametrize("steps", [[0], [59], [58, 59], [30, 45], [20, 21, 23]])
def test_what_may_be_a_new_level_or_come_again_has_not_passed(steps: list[int]) -> None:
    assert found(changed(dict.fromkeys(steps, 2000.0))) == dict.fromkeys(steps, False)


def test_a_new_level_that_is_lower_than_its_first_value_has_not_passed() -> None:
    assert found(changed({56: 2000.0, 57: 1000.0})) == {56: False}


def test_rare_and_few_values_have_no_spikes() -> None:
    rare = np.where(np.arange(60) % 4 == 0, 1.0, 0.0)
    rare[20] = 50
    assert found(rare) == {}
    assert found(np.array([1.0, 50.0, 1.0])) == {}
    assert found(np.full(40, np.nan)) == {}
