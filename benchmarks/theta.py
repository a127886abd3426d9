"""Accuracy of the Theta method of statsmodels on the data sets of `quality.py`.

usage: theta.py DATA

Series are deseasonalized if the M4 test finds a season; if a fit fails, Naive2 is used.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from competition import BENCHMARKS, Benchmark, read
from measures import has_season, naive2, score
from statsmodels.tsa.forecasting.theta import ThetaModel

from rnnforecast.types import Floats


def forecast(history: Floats, season: int, horizon: int) -> Floats:
    """`[horizon]` forecast of one series."""
    model = ThetaModel(
        pd.Series(history),
        period=season,
        deseasonalize=has_season(history, season),
        use_test=False,
        method="multiplicative" if history.min() > 0 else "additive",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.asarray(model.fit().forecast(horizon), dtype=np.float64)


def table(benchmark: Benchmark, train: pd.DataFrame, test: pd.DataFrame) -> pd.DataFrame:
    """Forecasts of all series, with unique_id and ds."""
    histories = {key: part["y"].to_numpy(float) for key, part in train.groupby("unique_id")}
    parts = []
    for key, part in test.groupby("unique_id"):
        history = histories[key]
        try:
            values = forecast(history, benchmark.season, len(part))
        except (ValueError, np.linalg.LinAlgError) as error:
            print(f"{benchmark.name} {key}: {error}", file=sys.stderr)
            values = naive2(history, benchmark.season, len(part))
        parts.append(part[["unique_id", "ds"]].assign(yhat=values))
    return pd.concat(parts)


def main() -> None:
    """Prints a Markdown table with a row for each data set in the folder."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path, metavar="DATA", help="folder of the data sets")
    data = parser.parse_args().data
    print("| data | sMAPE % | MASE | OWA |\n| --- | ---: | ---: | ---: |")
    for benchmark in BENCHMARKS:
        if all(file.is_file() for file in benchmark.files(data)):
            train, test = (read(file) for file in benchmark.files(data))
            scores = score(train, test, table(benchmark, train, test), benchmark.season)
            cells = f"{scores['smape']:.2f} | {scores['mase']:.3f} | {scores['owa']:.3f}"
            print(f"| {benchmark.name} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
