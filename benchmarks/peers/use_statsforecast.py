"""Forecasts of a long table by statistical methods of statsforecast, with its defaults.

`DOT` is the dynamic optimized theta method, `CES` complex exponential smoothing, `ETS` exponential
smoothing; both choose their form by AICc. `mean` is the mean of the three. The point forecast
stands for the median; other quantiles are the ends of the intervals.
"""

from __future__ import annotations

import warnings

from phases import Phases, parse_arguments

MODELS = {"DOT": "DynamicOptimizedTheta", "CES": "AutoCES", "ETS": "AutoETS"}


def main() -> None:
    """Reads the table, fits, forecasts and writes the forecasts."""
    arguments = parse_arguments([*MODELS, "mean"])
    phases = Phases(arguments.phases)
    with phases("import"):
        import pandas as pd
        from statsforecast import StatsForecast, models

    with phases("read"):
        table = pd.read_csv(arguments.train, parse_dates=["ds"], dtype={"unique_id": str})
        table = table[["unique_id", "ds", "y"]]
    with phases("predict"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of variances of very short series
        names = list(MODELS) if arguments.model == "mean" else [arguments.model]
        forecaster = StatsForecast(
            models=[
                getattr(models, MODELS[name])(season_length=arguments.season, alias=name)
                for name in names
            ],
            freq=arguments.freq,
            n_jobs=1,
        )
        sides = {
            level: ("lo" if level < 0.5 else "hi", round(100 * abs(1 - 2 * level)))
            for level in arguments.levels
            if level != 0.5
        }
        widths = sorted({width for _, width in sides.values()})
        found = forecaster.forecast(df=table, h=arguments.horizon, level=widths)
    with phases("write"):
        forecast = found[["unique_id", "ds"]].copy()
        forecast["yhat"] = found[names].mean(axis=1)
        for level in arguments.levels:
            ends = names
            if level in sides:
                side, width = sides[level]
                ends = [f"{name}-{side}-{width}" for name in names]
            forecast[f"q{level:g}"] = found[ends].mean(axis=1)
        forecast.to_csv(arguments.out, index=False)


if __name__ == "__main__":
    main()
