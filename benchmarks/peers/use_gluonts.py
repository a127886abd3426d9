"""Quantile forecasts of a long table by DeepAR of GluonTS (torch), with the library's defaults.

Quantiles are those of 100 samples; the point forecast is the median. By default the model reads one
horizon and lags.
"""

from __future__ import annotations

from phases import Phases, parse_arguments

PERIODS = {"MS": "M"}
"""Period aliases of pandas by frequency alias, if they differ."""


def main() -> None:
    """Reads the table, trains, predicts and writes the forecasts."""
    arguments = parse_arguments(["DeepAR"])
    phases = Phases(arguments.phases)
    with phases("import"):
        import lightning
        import pandas as pd
        from gluonts.dataset.pandas import PandasDataset
        from gluonts.torch import DeepAREstimator

    freq = PERIODS.get(arguments.freq, arguments.freq)
    with phases("read"):
        table = pd.read_csv(arguments.train, parse_dates=["ds"], dtype={"unique_id": str})
        data = PandasDataset.from_long_dataframe(
            table, item_id="unique_id", timestamp="ds", target="y", freq=freq
        )
    with phases("train"):
        lightning.seed_everything(1)
        options = {"trainer_kwargs": {"max_steps": arguments.steps}} if arguments.steps else {}
        estimator = DeepAREstimator(freq=freq, prediction_length=arguments.horizon, **options)
        predictor = estimator.train(data)
    with phases("predict"):
        parts = [
            pd.DataFrame(
                {
                    "unique_id": forecast.item_id,
                    "ds": forecast.index.to_timestamp(),
                    "yhat": forecast.quantile(0.5),
                    **{f"q{level:g}": forecast.quantile(level) for level in arguments.levels},
                }
            )
            for forecast in predictor.predict(data)
        ]
    with phases("write"):
        pd.concat(parts).to_csv(arguments.out, index=False)


if __name__ == "__main__":
    main()
