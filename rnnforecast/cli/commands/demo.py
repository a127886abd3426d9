"""`rnnforecast demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rnnforecast.cli.console import ConsoleListener
from rnnforecast.cli.error_handling import handle_errors, stop_on_signal
from rnnforecast.cli.garbage import resume_gc
from rnnforecast.cli.options import Quiet, Verbose


def demo(
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="FOLDER", help="Where to put run and forecast.")
    ] = Path("demo"),
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Train and forecast bundled real data: weekly carbon dioxide at Mauna Loa."""
    voice = ConsoleListener(quiet=quiet, verbose=verbose)
    with handle_errors(voice):
        from rnnforecast.batch.lock import run_folder_lock
        from rnnforecast.workflow.demo import SPEC_FILE, sample_data_folder
        from rnnforecast.workflow.predict import predict
        from rnnforecast.workflow.train import train

        resume_gc()

        spec = sample_data_folder() / SPEC_FILE
        run, forecast = out / "run", out / "forecast"
        voice.info(f"rnnforecast train {spec} -o {run}")
        with run_folder_lock(run), stop_on_signal(voice) as asked_to_stop:
            trained = train(spec, run, listener=voice, should_stop=asked_to_stop)
        voice.print_scores(trained.model_metrics, trained.baseline_metrics, trained.baseline_name)
        voice.info(f"rnnforecast predict {run} -o {forecast}")
        done = predict(run, str(forecast), listener=voice)
        span = f"{done.first_timestamp} to {done.last_timestamp}"
        voice.info(f"forecast, {span}: {forecast / 'forecast.csv'}")
        for picture in sorted((forecast / "plots").glob("*.png")):
            voice.info(f"plot: {picture}")
