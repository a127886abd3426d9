"""Axes and bins of the plots of the data report."""

from __future__ import annotations

from inspect import unwrap

import numpy as np
import pytest
from matplotlib.figure import Figure

from rnnforecast.data.profiling.coverage import Coverage
from rnnforecast.output.data_report import plots


def test_labels_are_in_the_middle_of_the_rows_of_the_coverage_map() -> None:
    shares = np.full((3, 4), 0.25)
    days = np.arange("2024-01-01", "2024-01-06", dtype="datetime64[D]")
    coverage = Coverage(shares, shares, shares, np.ones(3, int), ("a", "b", "c"), days)
    axes = Figure().subplots()
    plots._plot_coverage_map(axes, coverage, show_labels=True)
    assert axes.get_ylim() == (3, 0)
    assert axes.get_yticks().tolist() == [0.5, 1.5, 2.5]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b", "c"]


@pytest.mark.parametrize("decades", [5, 6])
def test_a_logarithmic_histogram_has_at_most_six_ticks(decades: int) -> None:
    figure = Figure()
    values = np.geomspace(1, 10**decades, 50)
    unwrap(plots.plot_series_histogram)(figure, values, axis_label="mean")
    axes = figure.axes[0]
    assert axes.get_xscale() == "log"
    low, high = axes.get_xlim()
    assert 3 <= sum(low <= tick <= high for tick in axes.get_xticks()) <= 6


def test_fractions_are_counted_in_24_bins_as_numpy_makes_them() -> None:
    values = np.array([-1.5, 0.25, 3, 10.5])
    edges, is_log = plots._histogram_edges(values)
    np.testing.assert_allclose(edges, np.histogram_bin_edges(values, bins=24))
    assert not is_log
