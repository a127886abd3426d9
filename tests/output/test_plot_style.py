"""The style of all plots."""

from __future__ import annotations

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from rnnforecast.output.plot_style import (
    as_png,
    format_ticks,
    isolated_values,
    plot_style,
    widen_flat_ylim,
)

NAN = float("nan")


def test_isolated_values_lie_between_two_missing_ones() -> None:
    values = np.array([1.0, NAN, 2.0, NAN, 3.0, 4.0, NAN, 5.0])
    assert isolated_values(values).tolist() == [True, False, True, *[False] * 4, True]


def test_a_constant_line_is_centered_and_others_keep_their_limits() -> None:
    axes = Figure().subplots()
    axes.plot([0, 1], [50.0, 50.0])
    widen_flat_ylim(axes)
    assert axes.get_ylim() == pytest.approx((45, 55))
    axes.plot([0, 1], [50.0, 60.0])
    axes.autoscale()
    before = axes.get_ylim()
    widen_flat_ylim(axes)
    assert axes.get_ylim() == before


@pytest.mark.parametrize(
    ("largest", "label"),
    [(999_000.0, "999,000"), (1.25e6, "1.25M"), (9e8, "900M"), (1e9, "1")],
)
def test_ticks_are_in_millions_and_those_of_huge_values_keep_powers_of_ten(
    largest: float, label: str
) -> None:
    axes = Figure().subplots()
    axes.set_ylim(0, largest)
    axes.set_yticks([largest])
    format_ticks(axes.yaxis, np.array([largest]))
    axes.figure.canvas.draw()
    assert axes.get_yticklabels()[0].get_text() == label


def test_the_style_replaces_the_settings_of_the_user_and_gives_them_back() -> None:
    with matplotlib.rc_context({"axes.grid": True, "font.size": 20}):
        with plot_style():
            assert (matplotlib.rcParams["axes.grid"], matplotlib.rcParams["font.size"]) == (
                False,
                9.5,
            )
        assert matplotlib.rcParams["font.size"] == 20


def test_a_drawing_function_returns_its_figure_as_png() -> None:
    @as_png(50)
    def draw(figure: Figure, width: float) -> None:
        figure.set_size_inches(width, 1.0)

    png = draw(2.0)
    assert png.startswith(b"\x89PNG")
    assert int.from_bytes(png[16:20], "big") == 100  # pixels: 2 inches at 50 dpi
    assert draw(2.0) == png
