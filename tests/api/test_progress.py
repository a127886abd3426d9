"""Progress of the Python API: lines on stderr, and one that is updated in a notebook."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from rnnforecast.api.progress import ApiListener, describe_progress
from rnnforecast.errors import ForecastWarning, UsageError
from rnnforecast.pipeline.progress import FitProgress


def step(number: int, validation: float | None = None) -> FitProgress:
    return FitProgress("fit", number, 100, 0.5, validation, validation is not None)


def test_a_line_holds_a_bar_the_step_and_the_losses() -> None:
    line = describe_progress(step(50, 0.25))
    assert line == f"fit {'█' * 15}{'░' * 15} 50 of 100 steps, loss 0.5, validation 0.25"


def test_ten_lines_of_a_fit_go_to_stderr_if_asked(capsys: pytest.CaptureFixture[str]) -> None:
    for progress in ("auto", False):
        silent = ApiListener(progress)  # type: ignore[arg-type]
        silent.progress(step(100))
    assert capsys.readouterr() == ("", "")
    shown = ApiListener(True)
    for number in range(1, 101):
        shown.progress(step(number))
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 10


def test_a_notebook_has_one_line_that_is_updated(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []

    def display(content: dict[str, str], **options: Any) -> Any:
        shown.append("new")
        return SimpleNamespace(update=lambda content, **options: shown.append("update"))

    module = SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=True))
    monkeypatch.setitem(sys.modules, "IPython", module)
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=display))
    listener = ApiListener("auto")
    for number in range(10, 101, 10):
        listener.progress(step(number))
    assert shown == ["new", *["update"] * 9]


def test_a_warning_is_one_of_python_at_the_line_of_the_caller() -> None:
    listener = ApiListener(False)
    listener.info("told")
    with pytest.warns(ForecastWarning, match="mind the gap") as issued:
        listener.warning("mind the gap")
    assert issued[0].filename == __file__
    assert listener.messages == ["told", "mind the gap"]


def test_another_kind_of_progress_is_refused() -> None:
    for wrong in ("no", 5, None):
        with pytest.raises(UsageError, match="progress: expected True"):
            ApiListener(wrong)  # type: ignore[arg-type]
