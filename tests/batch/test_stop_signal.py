"""Signals: the first requests a stop or ends the work in order, the second ends it at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from rnnforecast.batch.stop_signal import stop_on_signal
from rnnforecast.errors import Stopped
from tests.workflow.runs import StopAt


def test_the_first_signal_requests_a_stop_and_the_second_raises() -> None:
    before = signal.getsignal(signal.SIGTERM)
    heard = StopAt()
    with (
        pytest.raises(Stopped) as stopped,
        stop_on_signal(heard, [signal.SIGTERM], result="saving") as request,
    ):
        assert not request()
        os.kill(os.getpid(), signal.SIGTERM)
        assert request()
        assert "SIGTERM: saving" in heard.warnings[0]
        assert request.stopped("kept").exit_code == 143
        os.kill(os.getpid(), signal.SIGTERM)
    assert (stopped.value.exit_code, stopped.value.text) == (143, "")
    assert isinstance(stopped.value, KeyboardInterrupt)
    assert signal.getsignal(signal.SIGTERM) is before


def test_the_work_that_stops_is_told_apart_by_its_signal() -> None:
    with (
        pytest.raises(Stopped, match="resume") as stopped,
        stop_on_signal(StopAt(), [signal.SIGTERM]),
    ):
        os.kill(os.getpid(), signal.SIGTERM)
        raise Stopped("resume")
    assert stopped.value.exit_code == 143


def test_an_ignored_signal_stays_ignored_and_other_threads_have_none() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with stop_on_signal(StopAt(), [signal.SIGTERM]) as request:
            os.kill(os.getpid(), signal.SIGTERM)
            assert not request()
    finally:
        signal.signal(signal.SIGTERM, before)
    requests = []

    def poll() -> None:
        with stop_on_signal(StopAt()) as request:
            requests.append(request())

    thread = threading.Thread(target=poll)
    thread.start()
    thread.join()
    assert requests == [False]


WORK = """
import os, signal, sys
from rnnforecast.batch.stop_signal import raise_on_signal
from rnnforecast.cli.error_handling import open_console
raise_on_signal()
with open_console():
    try:
        os.kill(os.getpid(), int(sys.argv[1]))
    finally:
        if len(sys.argv) > 2:
            os.kill(os.getpid(), int(sys.argv[2]))
        print("cleared up")
"""


@pytest.mark.parametrize(
    ("signals", "code", "out"),
    [
        ((signal.SIGTERM,), 143, "cleared up\n"),
        ((signal.SIGINT, signal.SIGTERM), 143, ""),
    ],
)
def test_a_command_clears_up_after_the_first_signal_and_ends_at_the_second(
    signals: tuple[signal.Signals, ...], code: int, out: str
) -> None:
    reset = lambda: signal.signal(signal.SIGINT, signal.default_int_handler)  # noqa: E731
    found = subprocess.run(
        [sys.executable, "-c", WORK, *(str(int(each)) for each in signals)],
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=reset,
    )
    assert (found.returncode, found.stdout) == (code, out), found.stderr
    assert ("stopped: nothing was written" in found.stderr) == bool(out)
