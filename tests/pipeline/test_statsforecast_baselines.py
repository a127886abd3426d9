"""Baselines of statsforecast: beside its own models, and without the package."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest

from rnnforecast.errors import UsageError
from rnnforecast.evaluation.baselines import Baseline, BaselineWindows
from rnnforecast.pipeline import statsforecast_baselines
from rnnforecast.pipeline.statsforecast_baselines import (
    STATSFORECAST_BASELINES,
    check_baselines,
    choose_baselines,
)

LEVELS = (0.025, 0.1, 0.5, 0.9, 0.975)
needs_statsforecast = pytest.mark.skipif(
    find_spec("statsforecast") is None, reason="statsforecast is not installed"
)


def test_names_add_to_the_quick_baselines() -> None:
    quick = choose_baselines((), season=12, count=10**6)
    chosen = choose_baselines(("dot", "auto_ets", "mstl"), season=12, count=10**6)
    added = [each.column for each in chosen if each not in quick]
    assert added == ["dot", "auto_ets", "mstl"]


def test_a_baseline_of_a_package_that_is_not_installed_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(statsforecast_baselines, "find_spec", lambda name: None)
    check_baselines(("dot",))
    with pytest.raises(UsageError, match="auto_ets and mstl need statsforecast") as caught:
        check_baselines(("dot", "auto_ets", "mstl"))
    assert "rnnforecast[baselines]" in str(caught.value)


@needs_statsforecast
@pytest.mark.parametrize("baseline", STATSFORECAST_BASELINES, ids=lambda each: each.column)
def test_forecasts_are_those_of_the_models_for_each_window(baseline: Baseline) -> None:
    from statsforecast import models

    values = np.random.default_rng(1).normal(size=84) + 10 * np.sin(np.arange(84) * np.pi / 2)
    windows = BaselineWindows(
        values=np.stack([values, values[::-1]], 1),
        offsets=np.array([0, 40, 80, 84]),
        series=np.array([1, 0, 2, 0]),
        origins=np.array([40, 40, 2, 0]),
        horizon=5,
        season=4,
        statistical_season=4,
    )
    found = baseline.forecast(windows, LEVELS)
    names = {"auto_ets": "AutoETS", "auto_arima": "AutoARIMA", "mstl": "MSTL"}
    model = getattr(models, names[baseline.column])(season_length=4)
    for window, first in ((0, 40), (1, 0)):
        for target in (0, 1):
            past = windows.values[first : first + 40, target]
            expected = model.forecast(past.copy(), 5, level=[80, 95])
            np.testing.assert_allclose(found.yhat[window, :, target], expected["mean"], rtol=1e-6)
            for level, name in ((0, "lo-95"), (1, "lo-80"), (3, "hi-80"), (4, "hi-95")):
                own = found.quantiles[window, :, target, level]
                np.testing.assert_allclose(own, expected[name], rtol=1e-6)
    assert np.isfinite(found.yhat[2]).all()  # two values
    assert (np.diff(found.quantiles[2], axis=-1) >= 0).all()
    assert np.isnan(found.yhat[3]).all()  # none


@needs_statsforecast
def test_without_a_season_there_are_forecasts() -> None:
    values = np.cumsum(np.random.default_rng(2).normal(size=30))[:, None]
    windows = BaselineWindows(values, np.array([0, 30]), np.array([0]), np.array([30]), 3, 1, 1)
    for each in STATSFORECAST_BASELINES:
        assert np.isfinite(each.forecast(windows, LEVELS).quantiles).all()
