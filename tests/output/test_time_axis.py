"""Positions and ticks on time axes."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from rnnforecast.data.time.frequency import parse_frequency
from rnnforecast.output.time_axis import TimeAxis


def test_edges_lie_between_the_steps_and_half_a_step_outside() -> None:
    days = np.array(["2024-01-01", "2024-01-02", "2024-01-04"], dtype="datetime64[us]")
    first = np.datetime64("2024-01-01").astype(int)
    np.testing.assert_allclose(TimeAxis(days).edges - first, [-0.5, 0.5, 2, 4])
    assert TimeAxis(days, has_closed_steps=True).edges.tolist() == [-0.5, 0.5, 1.5, 2.5]
    assert TimeAxis(days[:1], has_closed_steps=True).edges.tolist() == [-0.5, 0.5]


def test_ticks_where_nights_are_closed_stand_at_the_steps_of_their_dates() -> None:
    frequency = parse_frequency("h:Mon-Fri:09-17")
    start = np.array(["2025-03-03T09:00"], dtype="datetime64[us]")
    ordinal = frequency.ordinals(start)
    times = frequency.timestamps(ordinal + np.arange(900), frequency.phase(start, ordinal))
    axes = Figure().subplots()
    axes.plot(np.arange(900), np.zeros(900))
    TimeAxis(times, has_closed_steps=True).format(axes)
    ticks = axes.get_xticks().astype(int)
    labels = [label.get_text() for label in axes.get_xticklabels()]
    for place, month in (("Apr", 4), ("May", 5)):
        at = times[ticks[labels.index(place)]].astype(object)
        assert (at.month, at.hour) == (month, 9)  # the first open hour of the month
        assert at.day == 1
