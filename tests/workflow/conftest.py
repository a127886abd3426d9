"""Settings of these tests."""

from __future__ import annotations

import pytest


@pytest.fixture
def without_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings draw nothing, which takes half of the time of a small one."""
    monkeypatch.setattr("rnnforecast.workflow.train.data_report.write", lambda *_: None)
    monkeypatch.setattr("rnnforecast.workflow.train.plot_loss", lambda *_: None)
