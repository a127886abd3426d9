"""The command `rnnforecast calibrate`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from rnnforecast.cli.console import require_stdout
from rnnforecast.cli.error_handling import open_console, resume_gc
from rnnforecast.cli.options import Json, Quiet, RunFolder, Verbose, Wait, data_option


def calibrate(
    run: RunFolder,
    data: Annotated[
        list[str] | None,
        data_option(
            "Data that go on after the training (file, folder, pattern, URL, or - for stdin); "
            "the spec's own files, as they are now, if not given."
        ),
    ] = None,
    wait: Wait = 0.0,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Calibrate the intervals of a run by what came after its training."""
    with open_console(quiet=quiet, verbose=verbose) as console:
        from rnnforecast.batch.lock import output_lock
        from rnnforecast.pipeline.run_folder import load_run
        from rnnforecast.workflow.calibrate import calibrate as run_calibrate

        resume_gc()
        if json:
            require_stdout()
        if not run.is_dir():
            load_run(run)  # raises, before a lock makes folders
        with output_lock(run, "calibrate", wait, on_wait=console.info):
            result = run_calibrate(run, data=data)
        if json:
            console.print_json(asdict(result))
        state = "new intervals" if result.changed else "intervals unchanged"
        until = f", until {result.until}" if result.until else ""
        console.info(f"{state}: {result.reason} ({result.windows:,} windows{until})")
