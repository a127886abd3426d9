"""The theta method of statsmodels on the sets of `quality.py`, with the same measures.

usage: theta.py DATA

A season is taken where M4's test finds one; a series that the method cannot take has Naive2.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from competition import BENCHMARKS, Benchmark, read
from measures import Floats, has_season, naive2, score
from statsmodels.tsa.forecasting.theta import ThetaModel


def forecast(history: Floats, season: int, horizon: int) -> Floats:
    """`[horizon]` of one series."""
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
    """The forecasts of all series, by unique_id and ds."""
    histories = {key: part["y"].to_numpy(float) for key, part in train.groupby("unique_id")}
    parts = []
    for key, part in test.groupby("unique_id"):
        history = histories[key]
        try:
            found = forecast(history, benchmark.season, len(part))
        except (ValueError, np.linalg.LinAlgError) as error:
            print(f"{benchmark.name} {key}: {error}", file=sys.stderr)
            found = naive2(history, benchmark.season, len(part))
        parts.append(part[["unique_id", "ds"]].assign(yhat=found))
    return pd.concat(parts)


def main() -> None:
    """Prints a line of Markdown for each set that is there."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path, metavar="DATA", help="folder of the data sets")
    data = parser.parse_args().data
    print("| data | sMAPE % | MASE | OWA |\n| --- | ---: | ---: | ---: |")
    for benchmark in BENCHMARKS:
        if all(file.is_file() for file in benchmark.files(data)):
            train, test = (read(file) for file in benchmark.files(data))
            found = score(train, test, table(benchmark, train, test), benchmark.season)
            cells = f"{found['smape']:.2f} | {found['mase']:.3f} | {found['owa']:.3f}"
            print(f"| {benchmark.name} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
