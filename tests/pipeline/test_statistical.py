"""Statistical forecasts of windows: which engine runs them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnforecast.data.cleaning_plan import prepare_data
from rnnforecast.data.windows.origins import WindowIndex
from rnnforecast.parallel.in_process import InProcessEngine
from rnnforecast.pipeline import statistical
from rnnforecast.pipeline.run_folder import load_run
from rnnforecast.pipeline.statistical import statistical_quantiles
from tests.workflow.runs import shared


class RecordingEngine(InProcessEngine):
    """Counts the tasks that it runs."""

    n_tasks = 0

    def run(self, *arguments: Any, **options: Any) -> Iterator[tuple[int, Any]]:
        for each in super().run(*arguments, **options):
            self.n_tasks += 1
            yield each


@pytest.mark.usefixtures("without_pictures")
def test_many_windows_are_forecast_by_the_engine_that_is_given(
    given: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    given()
    shared("run")
    run = load_run(Path("run"))
    cleaned = prepare_data(run.plan, run.source, horizon=run.config.horizon)
    ends = cleaned.panel.lengths
    index = WindowIndex(np.arange(len(ends)), ends, ends + 3)
    options: dict[str, Any] = {"steps": 3, "horizon": 3, "seasons": (7,), "joint": False}
    engine = RecordingEngine()
    few = statistical_quantiles(cleaned, index, [0.5], **options, engine=engine)
    assert engine.n_tasks == 0
    monkeypatch.setattr(statistical, "MIN_VALUES_FOR_WORKERS", 1)
    monkeypatch.setattr(statistical, "MAX_VALUES_AT_ONCE", 1)
    many = statistical_quantiles(cleaned, index, [0.5], **options, engine=engine)
    assert engine.n_tasks == len(ends)
    np.testing.assert_array_equal(many, few)
