"""Warnings of simple forecasts that are better, and of metrics without a value."""

from __future__ import annotations

import math

from rnnforecast.workflow.train_holdout import HoldoutScores
from rnnforecast.workflow.train_warnings import score_warnings


def scores(ours: float, simple: float, name: str = "drift", wql: float = 0.1) -> HoldoutScores:
    return HoldoutScores(
        {"mase": ours, "smape": 3.0, "wql": wql},
        {"mase": simple, "smape": 3.0, "wql": wql},
        name,
        {name: simple},
    )


def test_nothing_is_said_of_a_network_that_is_better() -> None:
    assert list(score_warnings(scores(0.5, 0.6), {"y": scores(0.5, 0.6)})) == []


def test_a_better_simple_forecast_is_named_with_both_figures_and_the_distance() -> None:
    worse = scores(0.88, 0.61, "seasonal naive with drift")
    (line,) = score_warnings(worse, {"y": worse})
    assert "seasonal naive with drift is 31% better: MASE 0.610 against 0.880" in line
    equal = scores(0.5, 0.5)
    (line,) = score_warnings(equal, {"y": equal})
    assert "drift is as good: MASE 0.500 against 0.500" in line


def test_targets_are_named_where_there_are_several_the_worst_first() -> None:
    by_target = {f"kpi{at}": scores(1.0, 0.9 - 0.1 * at) for at in range(7)}
    by_target["good"] = scores(0.5, 0.9)
    (line,) = score_warnings(scores(0.8, 0.9), by_target)
    assert "for 7 of 8 targets" in line
    assert line.index("kpi6 (drift is 70% better") < line.index("kpi5")
    assert "2 more" in line
    assert "kpi0" not in line
    assert "good (" not in line


def test_metrics_without_a_value_are_explained() -> None:
    zeros = scores(math.nan, math.nan, wql=math.nan)
    lines = list(score_warnings(zeros, {"y": zeros}))
    assert ["mase" in lines[0], "wql" in lines[1]] == [True, True]
    nothing = HoldoutScores({"mase": math.nan, "smape": math.nan}, {"mase": math.nan}, "naive", {})
    (line,) = score_warnings(nothing, {"y": nothing})
    assert "no held-out values" in line
