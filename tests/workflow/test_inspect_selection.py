"""The window of `inspect`: as requested, by default, and refused with the alternatives."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from rnnforecast.data.cleaning_plan import CleanedData
from rnnforecast.errors import UsageError
from rnnforecast.workflow.inspect_selection import InspectRequest, WindowLocation, select_window

DAYS = np.datetime64("2024-01-01", "us") + np.arange(10) * np.timedelta64(1, "D")


def data_of(labels: list[str] | None, targets: tuple[str, ...] = ("y",)) -> CleanedData:
    """Ten days of each series; the first three values of the last target are missing."""
    names, n_series = labels or ["series"], len(labels or [""])
    mask = np.ones((10 * n_series, len(targets)), dtype=bool)
    mask[:3, -1] = False
    panel = SimpleNamespace(
        keys=np.empty((n_series, 0 if labels is None else 1)),
        labels=lambda: np.array(names),
        target_names=targets,
        n_series=n_series,
        lengths=np.full(n_series, 10),
        offsets=np.arange(n_series + 1) * 10,
        display_timezone="",
        window_timestamps=lambda first, count: np.tile(DAYS[:count], (n_series, 1)),
        to_display_timezone=lambda timestamps: timestamps,
    )
    return cast("CleanedData", SimpleNamespace(panel=panel, target_mask=mask))


def location(data: CleanedData, horizon: int = 4, **request: Any) -> tuple[int, int, int]:
    found = select_window(
        InspectRequest(**request), data, horizon=horizon, plotted_series=("gone", "b")
    )
    assert isinstance(found, WindowLocation)
    return found.series, found.target, found.origin


def test_the_default_is_the_first_plotted_series_one_horizon_before_its_end() -> None:
    assert location(data_of(["a", "b"])) == (1, 0, 6)
    assert location(data_of(["c", "d"])) == (0, 0, 6)


@pytest.mark.parametrize(("horizon", "origin"), [(6, 4), (7, 10), (8, 10)])
def test_without_history_one_horizon_earlier_the_origin_is_the_end(
    horizon: int, origin: int
) -> None:
    assert location(data_of(["a"]), horizon) == (0, 0, origin)


def test_each_part_can_be_named() -> None:
    data = data_of(["a", "b"], ("y", "z"))
    assert location(data, series="a", target="z", origin="2024-01-05") == (0, 1, 5)
    assert location(data, series="b", origin="2024-01-10") == (1, 0, 10)


@pytest.mark.parametrize("day", [4, 10])
def test_an_origin_lies_within_the_observed_values(day: int) -> None:
    data = data_of(["a"])
    assert location(data, origin=f"2024-01-{day:02}") == (0, 0, day)
    with pytest.raises(UsageError, match="runs from 2024-01-04 to 2024-01-10"):
        location(data, origin="2024-01-03" if day == 4 else "2024-01-11")


def test_a_single_series_has_no_name_and_its_targets_are_offered_instead() -> None:
    data = data_of(None, ("y", "z"))
    assert location(data) == (0, 0, 6)
    assert location(data, series="series") == (0, 0, 6)
    with pytest.raises(UsageError, match="one series, which has no name") as caught:
        location(data, series="z")
    assert "--target takes one of y, z" in str(caught.value)
    with pytest.raises(UsageError) as caught:
        location(data_of(None), series="z")
    assert "--target" not in str(caught.value)


@pytest.mark.parametrize(
    ("request_", "option", "cure"),
    [
        ({"series": "bb"}, "--series", "did you mean b"),
        ({"series": "xyz"}, "--series", "there are a, b"),
        ({"target": "sales"}, "--target", "there are y, z"),
        ({"origin": "spring"}, "--origin", "runs from"),
        ({"origin": "NaT"}, "--origin", "runs from"),
    ],
)
def test_what_does_not_exist_is_refused_with_the_alternatives(
    request_: dict[str, str], option: str, cure: str
) -> None:
    with pytest.raises(UsageError, match=option) as caught:
        location(data_of(["a", "b"], ("y", "z")), **request_)
    assert cure in str(caught.value)
