"""GluonTS' DeepAR (torch) on a long table, with the library's defaults; quantiles of 100 samples.

By default it reads one horizon and lags. The median is the point forecast.
"""

from __future__ import annotations

from phases import Phases, parse_arguments

PERIODS = {"MS": "M"}
"""Aliases of periods, where they differ from those of timestamps."""


def main() -> None:
    """Read, train, predict, write."""
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
