"""Combination and interval scaling estimated on windows that were not trained on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rnnforecast.evaluation import calibration
from rnnforecast.evaluation.calibration import IDENTITY_SCALING
from rnnforecast.inference import quantiles as inference
from rnnforecast.pipeline import ensemble
from rnnforecast.pipeline.ensemble import CalibrationWindows, Ensemble, _count_non_overlapping
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
def test_overlapping_windows_count_once(origins: list[list[int]], expected: int) -> None:
    item = np.repeat(np.arange(len(origins)), [len(each) for each in origins])
    assert _count_non_overlapping(item, np.concatenate(origins), horizon=10) == expected


@pytest.fixture
def fitted_ensembles(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Ensemble, Any, Any]]:
    """The ensembles of trainings, with the windows they were estimated on."""
    fitted = []

    def recorded(nets: Any, given: CalibrationWindows, *rest: Any, **options: Any) -> Ensemble:
        result = ensemble.fit_ensemble(nets, given, *rest, **options)
        fitted.append((result, given.windows, given.index))
        return result

    monkeypatch.setattr(train_session, "fit_ensemble", recorded)
    return fitted


@pytest.mark.usefixtures("without_pictures")
@pytest.mark.parametrize("combine", ["median", "mean", "weights"])
def test_scaled_intervals_have_their_nominal_coverage_on_the_validation_windows(
    combine: str,
    given: Given,
    fitted_ensembles: list[tuple[Ensemble, Any, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(calibration, "SHRINKAGE_WINDOWS", 0)
    monkeypatch.setattr(calibration, "MAX_INTERVAL_SCALING", 1e9)
    given(more=THREE)
    trained("run", f"ensemble.combine={combine}", "training.final_fit=false")
    ((found, windows, index),) = fitted_ensembles
    assert found.interval_scaling != IDENTITY_SCALING
    member_forecasts = [
        found.interval_scaling.apply(
            member_quantiles(member, windows, index, LEVELS, steps=windows.horizon), LEVELS
        )
        for member in found.members
    ]
    combined = found.combiner.combine(np.stack(member_forecasts))  # [W, H, C, Q]
    actual, _ = inference.actuals_and_mean_abs(windows, index.item, index.origin)
    known = ~np.isnan(actual)
    below = [(actual < combined[..., k])[known].mean() for k in (0, 1)]
    above = [(actual > combined[..., k])[known].mean() for k in (3, 4)]
    assert np.mean(below) == pytest.approx(0.175, abs=0.02)
    assert np.mean(above) == pytest.approx(0.175, abs=0.02)


@pytest.mark.usefixtures("without_pictures")
def test_windows_of_the_hold_out_do_not_scale_intervals(
    given: Given,
    table: Callable[..., pd.DataFrame],
    fitted_ensembles: list[tuple[Ensemble, Any, Any]],
) -> None:
    given(table(), more=THREE)
    trained("run", "window.horizon=29")  # too long for a validation part
    ((found, _, _),) = fitted_ensembles
    assert found.interval_scaling == IDENTITY_SCALING
