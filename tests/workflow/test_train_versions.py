"""Training of versions: the run in use, and the training that is continued."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rnnforecast.pipeline.progress import ProgressListener
from rnnforecast.pipeline.run_folder import load_run
from rnnforecast.pipeline.run_versions import list_versions, resolve_run
from rnnforecast.workflow.predict import predict
from rnnforecast.workflow.report import report
from rnnforecast.workflow.train_versions import Retention, TrainRequest, train_version
from tests.workflow.runs import SETS, StopAt, shared

NIGHT = datetime(2035, 11, 27, 2, 15)
Given = Callable[..., None]


def _train(day: int, *, listener: ProgressListener | None = None, **options: Any) -> Any:
    request = TrainRequest(Path("spec.yaml"), SETS, **options)
    return train_version(request, Path("run"), now=NIGHT + timedelta(days=day), listener=listener)


def test_a_plain_run_gets_versions_and_every_reader_takes_the_latest(given: Given) -> None:
    given()
    shared("run")
    before = load_run(Path("run")).metadata["fingerprint"]
    stop = StopAt("networks", 1)
    trained = _train(0, retention=Retention(keep=1), listener=stop)
    assert trained.folder == Path("run/2035-11-27T02-15-00Z")
    assert Path("run/latest").readlink() == Path("2035-11-27T02-15-00Z")
    assert [each.name for each in list_versions(Path("run"))] == ["2035-11-27T02-15-00Z"]
    assert any("1 old version deleted" in line for line in stop.infos)
    assert load_run(Path("run")).metadata["fingerprint"] == before
    assert _train(1, resume=True).folder == trained.folder, "it is finished"
    result = predict(Path("run"), "out/", plots=False)
    assert result.series == 2
    assert "Forecast of run" in Path("out/report.html").read_text(encoding="utf-8")
    assert report(Path("run")).out == str(trained.folder / "report.html")
    assert report(Path("out")).kind == "forecast"


def test_a_training_that_fails_leaves_the_version_in_use(
    given: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    given()
    shared("run")

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("rnnforecast.workflow.train.write_trained_run", fail)
    before = resolve_run(Path("run")).stat().st_ino
    with pytest.raises(Exception, match="No space left"):
        _train(0)
    assert len(list_versions(Path("run"))) == 1
    assert load_run(Path("run")).members
    assert before
