"""GluonTS' DeepAR (torch) on a long table: the library's defaults, quantiles of 100 samples.

It looks back one horizon and at its own lags, its default. Its median is the point forecast.
"""

from __future__ import annotations

from phases import Phases, arguments

PERIODS = {"MS": "M"}
"""Where GluonTS, which thinks in periods, has another name than pandas has for stamps."""


def main() -> None:
    """Reads, trains, predicts, writes."""
    asked = arguments(["DeepAR"])
    phases = Phases(asked.phases)
    with phases("import"):
        import lightning
        import pandas as pd
        from gluonts.dataset.pandas import PandasDataset
        from gluonts.torch import DeepAREstimator

    freq = PERIODS.get(asked.freq, asked.freq)
    with phases("read"):
        table = pd.read_csv(asked.train, parse_dates=["ds"], dtype={"unique_id": str})
        data = PandasDataset.from_long_dataframe(
            table, item_id="unique_id", timestamp="ds", target="y", freq=freq
        )
    with phases("train"):
        lightning.seed_everything(1)
        told = {"trainer_kwargs": {"max_steps": asked.steps}} if asked.steps else {}
        estimator = DeepAREstimator(freq=freq, prediction_length=asked.horizon, **told)
        predictor = estimator.train(data)
    with phases("predict"):
        parts = [
            pd.DataFrame(
                {
                    "unique_id": forecast.item_id,
                    "ds": forecast.index.to_timestamp(),
                    "yhat": forecast.quantile(0.5),
                    **{f"q{level:g}": forecast.quantile(level) for level in asked.levels},
                }
            )
            for forecast in predictor.predict(data)
        ]
    with phases("write"):
        pd.concat(parts).to_csv(asked.out, index=False)


if __name__ == "__main__":
    main()
