"""Axes of the plots of activations."""

from __future__ import annotations

from inspect import unwrap

from matplotlib.figure import Figure

from rnnforecast.output.inspection.network_plots import plot_gates
from tests.output.inspection.test_findings import with_hidden


def test_the_axis_of_a_gate_goes_from_zero_to_one_and_says_so() -> None:
    inspection = with_hidden([[0.0, 1.0], [1.0, 0.0], [0.5, 0.5]], update=0.25)
    figure = Figure()
    unwrap(plot_gates)(figure, inspection, "Gates")
    axes = figure.axes[1]
    assert [float(label.get_text()) for label in axes.get_yticklabels()] == [0, 0.5, 1]
    assert axes.get_yticks().tolist() == [0, 0.5, 1]
    low, high = axes.get_ylim()
    assert -0.1 < low < 0
    assert 1 < high < 1.1
