"""Point forecasts of a long table by LSTM, GRU or NHITS of neuralforecast, with its defaults.

The recurrent models read three horizons, their default. The library refuses this if a series is
shorter; they then read `--lookback` steps, as does NHITS, which has no default.
"""

from __future__ import annotations

from phases import Phases, parse_arguments


def main() -> None:
    """Reads the table, trains, predicts and writes the forecasts."""
    arguments = parse_arguments(["LSTM", "GRU", "NHITS"])
    phases = Phases(arguments.phases)
    with phases("import"):
        import pandas as pd
        from neuralforecast import NeuralForecast, models

    with phases("read"):
        table = pd.read_csv(arguments.train, parse_dates=["ds"], dtype={"unique_id": str})
    with phases("train"):
        shortest = table["unique_id"].value_counts().min()
        has_default = arguments.model != "NHITS" and 3 * arguments.horizon <= shortest
        options = {} if has_default else {"input_size": arguments.lookback}
        if arguments.steps:
            options["max_steps"] = arguments.steps
        model = getattr(models, arguments.model)(h=arguments.horizon, **options)
        forecaster = NeuralForecast(models=[model], freq=arguments.freq)
        forecaster.fit(table)
    with phases("predict"):
        forecast = forecaster.predict().rename(columns={arguments.model: "yhat"})
    with phases("write"):
        forecast[["unique_id", "ds", "yhat"]].to_csv(arguments.out, index=False)


if __name__ == "__main__":
    main()
