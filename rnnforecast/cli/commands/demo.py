"""The command `rnnforecast demo`."""

from __future__ import annotations

from pathlib import Path
from time import monotonic
from typing import Annotated

from rnnforecast.batch.stop_signal import stop_on_signal
from rnnforecast.cli.console import ConsoleListener
from rnnforecast.cli.error_handling import open_console, resume_gc
from rnnforecast.cli.options import Force, Quiet, Verbose, Wait, out_option


def demo(
    out: Annotated[Path, out_option("The folder for run and forecast.")] = Path("demo"),
    wait: Wait = 0.0,
    force: Force = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Forecast bundled data, weekly carbon dioxide: without a training, then with one."""
    begin = monotonic()
    with open_console(quiet=quiet, verbose=verbose) as console:
        from rnnforecast.batch.lock import output_lock
        from rnnforecast.workflow.demo import SPEC_FILE, sample_data_folder
        from rnnforecast.workflow.predict import predict
        from rnnforecast.workflow.predict_request import ForecastRequest
        from rnnforecast.workflow.predict_subject import find_subject
        from rnnforecast.workflow.train import train

        resume_gc()

        request = ForecastRequest(listener=console)
        spec = sample_data_folder() / SPEC_FILE
        run, forecast, first = out / "run", out / "forecast", out / "first-forecast"
        console.info(f"rnnforecast predict {spec} -o {first}")
        with output_lock(first, "demo", wait, on_wait=console.info):
            predict(find_subject(str(spec)), str(first), request, force=force)
        seconds = monotonic() - begin
        console.info(f"forecast without a training, in {seconds:.1f} s: {first / 'forecast.csv'}")
        _print_plots(console, first)
        console.info(f"rnnforecast train {spec} -o {run}")
        lock = output_lock(run, "demo", wait, on_wait=console.info)
        with lock, stop_on_signal(console) as should_stop:
            trained = train(spec, run, force=force, listener=console, should_stop=should_stop)
        console.print_scores(trained)
        console.info(f"rnnforecast predict {run} -o {forecast}")
        with output_lock(forecast, "demo", wait, on_wait=console.info):
            predicted = predict(run, str(forecast), request, force=force)
        span = f"{predicted.first_timestamp} to {predicted.last_timestamp}"
        console.info(f"forecast, {span}: {forecast / 'forecast.csv'}")
        _print_plots(console, forecast)


def _print_plots(console: ConsoleListener, forecast: Path) -> None:
    for plot in sorted((forecast / "plots").glob("*.png")):
        console.info(f"plot: {plot}")
