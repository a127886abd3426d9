"""What is given to the plots of forecasts: titles, periods in words, marked steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rnnforecast.data.features.covariates import Covariate, CovariatePlan
from rnnforecast.data.panel.panel import Panel
from rnnforecast.evaluation.evaluated_windows import WindowForecast
from rnnforecast.pipeline import series_plots
from tests.data.panels import panel

HORIZON = 6
Plot = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def plot(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Plot:
    """Plots the first series of a panel; returns what `plot_forecast` is given, a call each."""

    def run(given: Panel, *covariates: Covariate, held_out: bool = False) -> list[dict[str, Any]]:
        calls: list[dict[str, Any]] = []
        monkeypatch.setattr(
            series_plots, "plot_forecast", lambda stem, **rest: calls.append({"stem": stem, **rest})
        )
        n_targets = len(given.target_names)
        shape = (given.n_series, HORIZON, n_targets)
        forecasts = WindowForecast(np.ones(shape), np.ones((*shape, 3)))
        features = SimpleNamespace(covariates=CovariatePlan(covariates))
        fake: Any = SimpleNamespace(
            season=1, quantiles=(0.1, 0.5, 0.9), n_plots=12,
            plan=SimpleNamespace(features=features),
        )  # fmt: skip
        origins = given.lengths - (HORIZON if held_out else 0)
        count = series_plots.plot_series_forecasts(
            tmp_path, fake, given, np.array([0]), origins[:1], forecasts.select([0]),
            actual=np.ones((1, HORIZON, n_targets)) if held_out else None,
        )  # fmt: skip
        assert count == len(calls)
        return calls

    return run


def with_covariates(one: Panel, **columns: list[float]) -> Panel:
    """The panel of one series with covariates, of which the rows after the series are known."""
    values = np.array(list(columns.values()), dtype=np.float64).T
    return replace(
        one, covariates=values, covariate_names=tuple(columns),
        future_steps=np.array([len(values) - len(one.targets)]),
    )  # fmt: skip


def named(*names: str, role: Any = "future", kind: Any = "number") -> list[Covariate]:
    return [Covariate((name,), role, kind) for name in names]


@pytest.mark.parametrize(
    ("frequency", "start", "words"),
    [
        ("MS", "2024-01-01", "Jan 2024 to Dec 2024, 6 months ahead"),
        ("W-MON", "2024-01-01", "1 Jan 2024 to 18 Mar 2024, 6 weeks ahead"),
        # twelve open days end on a Saturday; six more are a week
        ("C:Mon-Sat", "2024-01-01", "1 Jan 2024 to 13 Jan 2024, 6 open days (7 days) ahead"),
        ("30min", "2024-01-01", "1 Jan 2024 00:00 to 1 Jan 2024 05:30, 3 hours ahead"),
    ],
)
def test_period_and_horizon_are_in_words(
    plot: Plot, frequency: str, start: str, words: str
) -> None:
    (call,) = plot(panel(np.arange(12.0), frequency=frequency, start=start))
    assert call["subtitle"] == words
    assert call["has_closed_steps"] == frequency.startswith("C:")


def test_the_held_out_horizon_is_part_of_the_period(plot: Plot) -> None:
    (call,) = plot(panel(np.arange(12.0), frequency="MS"), held_out=True)
    assert call["subtitle"] == "Jan 2024 to Dec 2024, the last 6 months held out"
    assert len(call["history"]) == 6
    (call,) = plot(panel(np.arange(12.0), frequency="4h"), held_out=True)
    assert call["subtitle"].endswith(", the last day held out")


def test_titles_have_series_and_target(plot: Plot) -> None:
    (call,) = plot(replace(panel([1.0, 2.0]), target_names=("Revenue (k€)",)))
    assert call["title"] == "s0 · Revenue (k€)"
    one = panel([1.0, 2.0])
    two = replace(
        one, keys=pd.DataFrame(index=[0]), target_names=("a", "b"),
        targets=np.ones((2, 2)), observed_mask=np.ones((2, 2), dtype=np.bool_),
    )  # fmt: skip
    assert [call["title"] for call in plot(two)] == ["a", "b"]


def test_steps_of_the_only_binary_covariate_known_ahead_are_marked(plot: Plot) -> None:
    one = with_covariates(
        panel([1, 2, 3, 4]),
        price=[1.0, 2, 3, 4, 5, 6, 7, 8, 9, 10],
        promo=[0, 1, 0, 0, 1, 1, 0, np.nan, 0, 1],
    )
    marked = plot(one, *named("price", "promo"))[0]["marked"]
    assert marked.name == "promo"
    assert marked.in_history.tolist() == [False, True, False, False]
    assert marked.in_horizon.tolist() == [True, True, False, False, False, True]


def test_covariates_unknown_ahead_or_several_binary_ones_are_not_marked(plot: Plot) -> None:
    one = panel([1, 2, 3, 4])
    flags = with_covariates(one, promo=[0, 1, 0, 1], holiday=[1, 0, 0, 1], never=[0, 0, 0, 0])
    for covariates in (
        named("promo", "holiday"),
        named("promo", role="past"),
        named("promo", kind="category"),
        named("never"),
    ):
        assert plot(flags, *covariates)[0]["marked"] is None
    assert plot(one)[0]["marked"] is None
    marked = plot(flags, *named("promo", "never"))[0]["marked"]
    assert marked.in_horizon.tolist() == [False] * HORIZON  # nothing is known
