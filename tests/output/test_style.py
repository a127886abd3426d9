"""Number formats and text of plots and pages."""

from __future__ import annotations

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from rnnforecast.output.style import (
    as_png,
    drop_time_of_day,
    format_number,
    format_percent,
    format_rounded,
    format_ticks,
    isolated_values,
    plot_style,
    plot_text,
    shorten_text,
    widen_flat_ylim,
)

NAN = float("nan")


@pytest.mark.parametrize(
    ("value", "text"),
    [(12500.0, "12,500"), (0.25, "0.25"), (-0.0, "0"), (-3.5, "−3.5"), (1e-12, "0")],
)
def test_numbers_have_grouped_thousands_and_no_trailing_zeros(value: float, text: str) -> None:
    assert format_number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(1234.5, "1,234"), (12.345, "12.3"), (0.012345, "0.0123"), (0.0, "0"), (NAN, "0")],
)
def test_rounded_numbers_have_three_significant_digits(value: float, text: str) -> None:
    assert format_rounded(value) == text


@pytest.mark.parametrize(
    ("share", "decimals", "text"),
    [
        (0.0, 1, "0 %"),
        (0.0009, 1, "less than 0.1 %"),
        (0.001, 1, "0.1 %"),
        (0.0712, 1, "7.1 %"),
        (0.5, 1, "50 %"),
        (0.009, 0, "less than 1 %"),
        (0.0712, 0, "7 %"),
        (1.0, 0, "100 %"),
    ],
)
def test_a_positive_share_is_never_zero_percent(share: float, decimals: int, text: str) -> None:
    assert format_percent(share, decimals) == text


def test_long_text_is_shortened_in_the_middle_and_wide_letters_count_twice() -> None:
    assert shorten_text("short\nlabel", 20) == "short label"
    assert shorten_text("abcdefghij", 7) == "abc…hij"
    assert shorten_text("売上売上売上", 7) == "売…上"
    assert plot_text("costs $", 20) == r"costs \$"


def test_isolated_values_lie_between_two_missing_ones() -> None:
    values = np.array([1.0, NAN, 2.0, NAN, 3.0, 4.0, NAN, 5.0])
    assert isolated_values(values).tolist() == [True, False, True, *[False] * 4, True]


@pytest.mark.parametrize(("days", "unit"), [(59, "us"), (60, "D")])
def test_dates_replace_timestamps_from_sixty_days_on(days: int, unit: str) -> None:
    timestamps = np.datetime64("2024-01-01T07", "us") + np.array([0, days]) * np.timedelta64(1, "D")
    assert drop_time_of_day(timestamps).dtype == np.dtype(f"datetime64[{unit}]")
    assert drop_time_of_day(np.array([0, 100])).tolist() == [0, 100]


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
