"""What is learnt of forecasts from windows that were not trained on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rnnforecast.evaluation import calibration as conformal
from rnnforecast.evaluation.calibration import IDENTITY_SCALING
from rnnforecast.inference import quantiles as inference
from rnnforecast.pipeline import ensemble as combining
from rnnforecast.pipeline.ensemble import Ensemble, _count_non_overlapping
from rnnforecast.pipeline.forecasting import member_quantiles
from rnnforecast.workflow import train_session
from tests.workflow.runs import trained

LEVELS = [0.1, 0.25, 0.5, 0.75, 0.9]
THREE = f"""ensemble:
  members: 3
  vary: {{model.normalize: [log_mean, standard]}}
forecast: {{quantiles: {LEVELS}}}
"""

Given = Callable[..., None]


@pytest.mark.parametrize(
    ("origins", "expected"),
    [([[40]], 1), ([[40, 49]], 1), ([[40, 50]], 2), ([[50, 40, 45], [7], [0, 29]], 2 + 1 + 3)],
)
def test_windows_that_overlap_count_once(origins: list[list[int]], expected: int) -> None:
    item = np.repeat(np.arange(len(origins)), [len(each) for each in origins])
    assert _count_non_overlapping(item, np.concatenate(origins), horizon=10) == expected


@pytest.fixture
def joined(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Ensemble, Any, Any]]:
    """What trainings learn of their networks, and from which windows."""
    seen = []

    def watched(nets: Any, windows: Any, index: Any, **asked: Any) -> Ensemble:
        found = combining.fit_ensemble(nets, windows, index, **asked)
        seen.append((found, windows, index))
        return found

    monkeypatch.setattr(train_session, "fit_ensemble", watched)
    return seen


@pytest.mark.usefixtures("without_pictures")
@pytest.mark.parametrize("combine", ["median", "mean", "weights"])
def test_intervals_as_they_are_forecast_would_have_held_what_they_say(
    combine: str,
    given: Given,
    joined: list[tuple[Ensemble, Any, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(conformal, "SHRINKAGE_WINDOWS", 0)
    monkeypatch.setattr(
        conformal, "MAX_INTERVAL_SCALING", 1e9
    )  # these networks have hardly learnt a thing
    given(more=THREE)
    trained("run", f"ensemble.combine={combine}", "training.final_fit=false")
    ((found, windows, index),) = joined
    assert found.interval_scaling != IDENTITY_SCALING
    several = [
        found.interval_scaling.apply(
            member_quantiles(member, windows, index, LEVELS, steps=windows.horizon), LEVELS
        )
        for member in found.members
    ]
    whole = found.combiner.combine(np.stack(several))  # [W, H, C, Q]
    actual, _ = inference.actuals_and_mean_abs(windows, index.item, index.origin)
    known = ~np.isnan(actual)
    below = [(actual < whole[..., k])[known].mean() for k in (0, 1)]
    above = [(actual > whole[..., k])[known].mean() for k in (3, 4)]
    assert np.mean(below) == pytest.approx(0.175, abs=0.02)
    assert np.mean(above) == pytest.approx(0.175, abs=0.02)


@pytest.mark.usefixtures("without_pictures")
def test_the_windows_that_scores_are_measured_on_do_not_set_intervals(
    given: Given, table: Callable[..., pd.DataFrame], joined: list[tuple[Ensemble, Any, Any]]
) -> None:
    given(table(), more=THREE)
    trained("run", "window.horizon=29")  # too long for a validation part
    ((found, _, _),) = joined
    assert found.interval_scaling == IDENTITY_SCALING
