"""Number formats and text of plots and pages."""

from __future__ import annotations

import pytest

from rnnforecast.output.plot_style import (
    plot_text,
)
from rnnforecast.output.style import format_number, format_percent, format_rounded, shorten_text

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
