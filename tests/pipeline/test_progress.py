"""Messages of a workflow: passed on, and recorded for the log."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

from rnnforecast.pipeline.progress import FitProgress, NullListener, RecordingListener
from tests.workflow.runs import StopAt

STEP = FitProgress("fit", 3, 20, 0.5, None, validated=False)


def test_messages_are_passed_on_and_recorded_with_their_time() -> None:
    listener = StopAt("fit", 3)
    recorder = RecordingListener(listener)
    before = datetime.now(UTC)
    recorder.info("Zürich")
    recorder.warning("few values")
    recorder.progress(STEP)
    recorder.progress(replace(STEP, step=4, validation_loss=0.25, validated=True))
    assert (listener.infos, listener.warnings) == (["Zürich"], ["few values"])
    assert listener.should_stop()
    entries = [json.loads(line) for line in recorder.to_jsonl().splitlines()]
    times = [datetime.fromisoformat(entry.pop("time")) for entry in entries]
    assert times == sorted(times)
    assert abs((times[0] - before).total_seconds()) < 60
    assert entries == [
        {"event": "info", "text": "Zürich"},
        {"event": "warning", "text": "few values"},
        {
            "event": "validation", "phase": "fit", "step": 4, "total": 20, "train_loss": 0.5,
            "validation_loss": 0.25, "validated": True, "task": "", "network": 1, "unit": "steps",
        },
    ]  # fmt: skip
    assert "Zürich" in recorder.to_jsonl()


def test_a_listener_may_ignore_everything() -> None:
    recorder = RecordingListener(NullListener())
    recorder.progress(STEP)
    assert recorder.to_jsonl() == ""
