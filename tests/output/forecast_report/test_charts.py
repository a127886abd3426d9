"""Geometry of charts: ticks, lines with gaps, labels inside the image."""

from __future__ import annotations

import numpy as np
import pytest

from rnnforecast.output.forecast_report.charts import (
    ChartBuilder,
    Tick,
    line_path,
    nice_ticks,
    short_number,
    step_ticks,
    value_range,
)
from rnnforecast.output.forecast_report.pictures import coverage_by_step, pit_chart

NAN = float("nan")


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]), (-30, 70, [-20, 0, 20, 40, 60]), (3, 3, [3])],
)
def test_ticks_are_round_numbers(low: float, high: float, ticks: list[float]) -> None:
    assert nice_ticks(low, high) == pytest.approx(ticks)


def test_lines_are_broken_where_values_are_missing_and_show_single_ones() -> None:
    path = line_path(np.arange(5.0), np.array([1.0, 2.0, NAN, 3.0, NAN]))
    assert path == "M0.0 1.0L1.0 2.0M3.0 3.0h1.5"


def test_ranges_have_a_margin_and_do_not_go_below_zero_for_positive_values() -> None:
    assert value_range(np.array([1.0, 101.0])) == pytest.approx((0, 105))
    assert value_range(np.array([5.0, 5.0])) == pytest.approx((4.5, 5.5))
    assert value_range(np.array([NAN])) == (0, 1)


def test_numbers_of_ticks_are_short() -> None:
    assert [short_number(each) for each in (12_500, 1.5e6, 2e9, 1e15, -0.25)] == [
        "12,500", "1.5M", "2B", "1e+15", "−0.25",
    ]  # fmt: skip


@pytest.mark.parametrize("n_steps", [1, 5, 12, 48, 720])
def test_steps_have_ticks_at_both_ends(n_steps: int) -> None:
    ticks = [label for _, label in step_ticks(n_steps)]
    assert (ticks[0], ticks[-1]) == ("1", str(n_steps))
    assert len(ticks) <= 9


def test_a_long_label_at_the_edge_stays_inside_the_image() -> None:
    chart = ChartBuilder((0.0, 1.0), (0.0, 1.0)).build("t", "d", x_ticks=[], y_ticks=[])
    assert chart.anchor(Tick(chart.right, "2024-01-01 00:00")) == "end"
    assert chart.anchor(Tick(10.0, "2024-01-01 00:00")) == "start"
    assert chart.anchor(Tick(175.0, "2024-01-01 00:00")) == "middle"


def test_coverage_is_described_for_those_who_do_not_see_it() -> None:
    chart = coverage_by_step({0.95: np.array([0.9, 1.0]), 0.8: np.array([0.8, 0.7])})
    assert "95 %: 95 %" in chart.description
    assert "80 %: 75 %" in chart.description


def test_bars_of_the_pit_histogram_are_as_wide_as_their_levels() -> None:
    chart = pit_chart(np.array([0.0, 0.1, 1.0]), np.array([1.0, 1.0]))
    narrow, wide = chart.shapes[0].path.split("Z")[:2]
    spans = [float(bar.split("H")[1].split("V")[0]) - float(bar[1:].split(" ")[0])
             for bar in (narrow, wide)]  # fmt: skip
    assert spans[1] + 1 == pytest.approx(9 * (spans[0] + 1), rel=0.02)
