"""What the pictures of `inspect` say in words."""

from __future__ import annotations

import numpy as np
import pytest

from rnnforecast.output.inspection.findings import of_hiding, of_reach
from rnnforecast.output.inspection.results import Hiding, Inspected, Scene


def inspected(slope: list[float], stretches: tuple[tuple[int, int], ...]) -> Inspected:
    """A window of years, one step ahead; the first stretch moves the forecast most."""
    years = np.arange(2012, 2012 + len(slope) + 1)
    scene = Scene("a", "y", years, np.ones(len(years)), np.ones(1), segment=1)
    hiding = Hiding(stretches, np.arange(len(stretches), 0, -1.0)[:, None])
    return Inspected(scene, (), np.array([slope]), None, None, (), None, hiding)


@pytest.mark.parametrize(
    ("slope", "says"),
    [([0.1, 0.1, 0.8], "within the last of 3 steps"), ([0.2, 0.4, 0.4], "the last 2 of 3 steps")],
)
def test_how_far_back_is_told(slope: list[float], says: str) -> None:
    assert says in of_reach(inspected(slope, ()))


@pytest.mark.parametrize(
    ("stretch", "says"), [((-1, 0), "without 2014:"), ((-3, -1), "without 2012 to 2013:")]
)
def test_a_stretch_is_named_by_its_stamps(stretch: tuple[int, int], says: str) -> None:
    assert says in of_hiding(inspected([0.1, 0.1, 0.8], (stretch, (-2, -1))))
