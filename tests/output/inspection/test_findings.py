"""What the pictures of `inspect` say in words."""

from __future__ import annotations

import numpy as np
import pytest

from rnnforecast.output.inspection.findings import describe_gradient, describe_occlusion
from rnnforecast.output.inspection.results import InspectedWindow, Inspection, Occlusion


def inspected(slope: list[float], stretches: tuple[tuple[int, int], ...]) -> Inspection:
    """A window of years, one step ahead; the first stretch moves the forecast most."""
    years = np.arange(2012, 2012 + len(slope) + 1)
    scene = InspectedWindow("a", "y", years, np.ones(len(years)), np.ones(1), patch_length=1)
    hiding = Occlusion(stretches, np.arange(len(stretches), 0, -1.0)[:, None])
    return Inspection(scene, (), np.array([slope]), None, None, (), None, hiding)


@pytest.mark.parametrize(
    ("slope", "says"),
    [([0.1, 0.1, 0.8], "within the last of 3 steps"), ([0.2, 0.4, 0.4], "the last 2 of 3 steps")],
)
def test_how_far_back_is_told(slope: list[float], says: str) -> None:
    assert says in describe_gradient(inspected(slope, ()))


@pytest.mark.parametrize(
    ("stretch", "says"), [((-1, 0), "without 2014:"), ((-3, -1), "without 2012 to 2013:")]
)
def test_a_stretch_is_named_by_its_stamps(stretch: tuple[int, int], says: str) -> None:
    assert says in describe_occlusion(inspected([0.1, 0.1, 0.8], (stretch, (-2, -1))))
