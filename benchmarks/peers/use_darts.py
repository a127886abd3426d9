"""Point forecasts of a long table by the BlockRNNModel of Darts, with the library's defaults.

Each series is scaled to 0..1 first, as in the guides of the library. `BlockRNN` trains on all
windows, which is the default, `BlockRNN-10` on the last 10 of each series.
"""

from __future__ import annotations

from phases import Phases, parse_arguments

WINDOWS = {"BlockRNN": None, "BlockRNN-10": 10}


def main() -> None:
    """Reads the table, trains, predicts and writes the forecasts."""
    arguments = parse_arguments(list(WINDOWS))
    phases = Phases(arguments.phases)
    with phases("import"):
        import pandas as pd
        from darts import TimeSeries
        from darts.dataprocessing.transformers import Scaler
        from darts.models import BlockRNNModel

    with phases("read"):
        table = pd.read_csv(arguments.train, parse_dates=["ds"], dtype={"unique_id": str})
        several = TimeSeries.from_group_dataframe(
            table, group_cols="unique_id", time_col="ds", value_cols="y", freq=arguments.freq
        )
    with phases("train"):
        scaler = Scaler()
        scaled = [series.astype("float32") for series in scaler.fit_transform(several)]
        options = {"pl_trainer_kwargs": {"max_steps": arguments.steps}} if arguments.steps else {}
        model = BlockRNNModel(
            input_chunk_length=arguments.lookback,
            output_chunk_length=arguments.horizon,
            random_state=1,
            use_static_covariates=False,  # the names in the table are refused
            **options,
        )
        model.fit(scaled, max_samples_per_ts=WINDOWS[arguments.model])
    with phases("predict"):
        found = scaler.inverse_transform(model.predict(arguments.horizon, series=scaled))
    with phases("write"):
        parts = [
            pd.DataFrame(
                {
                    "unique_id": str(series.static_covariates["unique_id"].iloc[0]),
                    "ds": forecast.time_index,
                    "yhat": forecast.values()[:, 0],
                }
            )
            for series, forecast in zip(several, found, strict=True)
        ]
        pd.concat(parts).to_csv(arguments.out, index=False)


if __name__ == "__main__":
    main()
