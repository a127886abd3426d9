"""`rnnforecast demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rnnforecast.cli.console import Voice
from rnnforecast.cli.error_handling import stoppable, told
from rnnforecast.cli.garbage import imported
from rnnforecast.cli.options import Quiet, Verbose


def demo(
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="FOLDER", help="Where to put run and forecast.")
    ] = Path("demo"),
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Train and forecast bundled real data: weekly carbon dioxide at Mauna Loa."""
    voice = Voice(quiet=quiet, verbose=verbose)
    with told(voice):
        from rnnforecast.batch.lock import only_writer
        from rnnforecast.workflow.demo import SPEC, sample_data
        from rnnforecast.workflow.predict import predict
        from rnnforecast.workflow.train import train

        imported()

        spec = sample_data() / SPEC
        run, forecast = out / "run", out / "forecast"
        voice.say(f"rnnforecast train {spec} -o {run}")
        with only_writer(run), stoppable(voice) as asked_to_stop:
            trained = train(spec, run, listener=voice, should_stop=asked_to_stop)
        voice.scores(trained.ours, trained.seasonal_naive, trained.baseline)
        voice.say(f"rnnforecast predict {run} -o {forecast}")
        done = predict(run, str(forecast), listener=voice)
        voice.say(f"forecast, {done.first} to {done.last}: {forecast / 'forecast.csv'}")
        for picture in sorted((forecast / "plots").glob("*.png")):
            voice.say(f"plot: {picture}")
