"""neuralforecast's LSTM, GRU or NHITS on a long table: the library's defaults, point forecasts.

The recurrent models look back three horizons, their own default, and are told otherwise only where
a series is shorter, which the library refuses; NHITS has no default and is told.
"""

from __future__ import annotations

from phases import Phases, arguments


def main() -> None:
    """Reads, trains, predicts, writes."""
    asked = arguments(["LSTM", "GRU", "NHITS"])
    phases = Phases(asked.phases)
    with phases("import"):
        import pandas as pd
        from neuralforecast import NeuralForecast, models

    with phases("read"):
        table = pd.read_csv(asked.train, parse_dates=["ds"], dtype={"unique_id": str})
    with phases("train"):
        shortest = table["unique_id"].value_counts().min()
        own = asked.model != "NHITS" and 3 * asked.horizon <= shortest
        told = {} if own else {"input_size": asked.lookback}
        if asked.steps:
            told["max_steps"] = asked.steps
        model = getattr(models, asked.model)(h=asked.horizon, **told)
        forecaster = NeuralForecast(models=[model], freq=asked.freq)
        forecaster.fit(table)
    with phases("predict"):
        found = forecaster.predict().rename(columns={asked.model: "yhat"})
    with phases("write"):
        found[["unique_id", "ds", "yhat"]].to_csv(asked.out, index=False)


if __name__ == "__main__":
    main()
