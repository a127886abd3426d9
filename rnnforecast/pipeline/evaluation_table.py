"""The evaluation table: a row for each observed value that was forecast from a past origin.

Its columns are those of utilsforecast: ``unique_id``, ``ds``, ``cutoff``, ``y`` and a column for
each model; quantiles and the step of the horizon are beside them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from rnnforecast.data.panel.panel import Panel
from rnnforecast.errors import DataError, Problem
from rnnforecast.evaluation.baselines import baseline_column
from rnnforecast.evaluation.evaluated_windows import EvaluatedWindows, WindowForecast
from rnnforecast.output.folder_snapshot import FolderFiles, ReadableFolder
from rnnforecast.output.forecast_table import write_forecast
from rnnforecast.types import Floats, Ints

SCALE_COLUMNS = ("mase_scale", "rmsse_scale")
FIXED_COLUMNS = ("unique_id", "target", "cutoff", "ds", "step", *SCALE_COLUMNS, "y", "yhat")
"""Their meaning: label of the series; target, if there are several; last timestamp before the
forecast; timestamp; steps after the cutoff; mean absolute and root mean squared seasonal change
before the cutoff, by which errors are divided; observed value; point forecast."""

MAX_STEP = 10_000_000
"""Steps of a forecast, which memory is taken for."""


def quantile_column(level: float) -> str:
    """The column of a quantile, such as ``q0.025``."""
    return f"q{float(level)!r}"


def evaluation_table(panel: Panel, windows: EvaluatedWindows) -> pd.DataFrame:
    """A row for each window, target and step with an observed value and a forecast.

    Columns are `FIXED_COLUMNS` (``target`` only if there are several), the columns of the ids after
    ``unique_id`` if there are several, ``q…`` for each quantile and one for the point forecast of
    each baseline. Rows are ordered by window, series, target and step.
    """
    count, horizon, targets = windows.actual.shape
    order = np.lexsort((windows.series, windows.window))
    windows = windows.select(order)
    series = np.repeat(windows.series, targets * horizon)  # [M * C * H]
    timestamps = panel.window_timestamps(windows.origin - 1, horizon + 1, windows.series)
    columns: dict[str, object] = {"unique_id": panel.labels()[series]}
    if panel.keys.shape[1] > 1:
        taken = {*FIXED_COLUMNS, *map(baseline_column, windows.baselines)}
        columns |= {
            name: panel.keys[name].to_numpy()[series]
            for name in panel.keys.columns
            if name not in taken
        }
    if targets > 1:
        names = np.repeat(np.array(panel.target_names, dtype=object), horizon)
        columns["target"] = np.tile(names, count)
    columns["cutoff"] = np.repeat(timestamps[:, 0], targets * horizon)
    columns["ds"] = np.repeat(timestamps[:, None, 1:], targets, axis=1).reshape(-1)
    columns["step"] = np.tile(np.arange(1, horizon + 1), count * targets)

    def flat(values: np.ndarray) -> np.ndarray:
        """`[M, H, C]` → `[M * C * H]`."""
        return values.swapaxes(1, 2).reshape(-1)

    for name, scale in zip(
        SCALE_COLUMNS, (windows.scale, np.sqrt(windows.squared_scale)), strict=True
    ):
        columns[name] = np.repeat(scale.reshape(-1), horizon)
    columns["y"], columns["yhat"] = flat(windows.actual), flat(windows.forecast.yhat)
    for position, level in enumerate(windows.levels):
        columns[quantile_column(level)] = flat(windows.forecast.quantiles[..., position])
    for name, each in windows.baselines.items():
        columns[baseline_column(name)] = flat(each.yhat)
    return pd.DataFrame(columns).dropna(subset=["y", "yhat"]).reset_index(drop=True)


def write_evaluation_table(path: Path, table: pd.DataFrame, panel: Panel) -> None:
    """Writes the table as Parquet; timestamps have the time zone of the data.

    Raises OutputError.
    """
    write_forecast(
        path, table, utc_offset=panel.utc_offset, display_timezone=panel.display_timezone
    )


def read_evaluation_table(path: Path) -> pd.DataFrame:
    """The evaluation table in a file; DataError if there is none or it is another table."""
    try:
        content = {path.name: path.read_bytes()}
    except OSError:
        content = {}
    return evaluation_table_in(FolderFiles(path.parent, content), path.name)


def evaluation_table_in(folder: ReadableFolder, name: str) -> pd.DataFrame:
    """The evaluation table in a file of a folder; DataError if there is none or it is another."""
    path = folder.path / name
    try:
        file = pa.BufferReader(folder.read_bytes(name))
        table: pd.DataFrame = pq.read_table(file, page_checksum_verification=True).to_pandas()
    except (OSError, ValueError, pa.ArrowException) as error:  # ValueError: of its pandas metadata
        reason = str(error) if folder.has(name) else "there is no such file"
        found = f"cannot be read as an evaluation table: {reason}"
        cure = "give a folder that 'rnnforecast train' or 'rnnforecast backtest' wrote"
        raise DataError(Problem(str(path), found, cure)) from error
    missing = [name for name in FIXED_COLUMNS if name not in table.columns and name != "target"]
    if missing:
        found = f"is not an evaluation table: it has no column {', '.join(missing)}"
        raise DataError(Problem(str(path), found, "write it again"))
    if wrong := _wrong_content(table):
        found = f"is not an evaluation table: {wrong}"
        raise DataError(Problem(str(path), found, "write it again"))
    return table


def _wrong_content(table: pd.DataFrame) -> str:
    """What cannot be in an evaluation table, "" without anything."""
    names = list(table.columns)
    if len(set(names)) < len(names):
        return "two columns have one name"
    texts = ["unique_id", *(["target"] if "target" in names else [])]
    for name in texts:
        if not all(isinstance(value, str) for value in table[name]):
            return f"column {name} is not text"
    kinds = {table[name].dtype.kind for name in ("cutoff", "ds")}
    if kinds not in ({"M"}, {"i"}) or table[["cutoff", "ds"]].isna().any(axis=None):
        return "columns cutoff and ds are neither times nor whole numbers"
    for name in [*SCALE_COLUMNS, *names[names.index("y") :]]:
        if name not in texts and table[name].dtype.kind != "f":
            return f"column {name} has no numbers"
    if table[["y", "yhat"]].isna().any(axis=None):
        return "columns y and yhat have missing values"
    step = table["step"]
    if step.dtype.kind != "i" or not step.between(1, MAX_STEP).all():
        return "column step has other values than whole numbers above 0"
    if table.duplicated([*texts, "cutoff", "step"]).any():
        return "a series has several rows of one cutoff and step"
    return ""


@dataclass(frozen=True)
class StoredWindows:
    """The windows of an evaluation table."""

    windows: EvaluatedWindows
    """Baselines have no quantiles; origins are counted from the earliest timestamp of all."""
    labels: npt.NDArray[Any]
    """`[S]` of the series."""
    targets: tuple[str, ...]
    """The targets in order; one empty text where there is one only."""


def windows_of_table(table: pd.DataFrame) -> StoredWindows:
    """The windows of an evaluation table; values that are not in it are NaN.

    Windows are numbered by their cutoffs where a series has a window at each of them; otherwise
    those of each series are counted back from its last.
    """
    if "target" not in table:
        table = table.assign(target="")
    series, labels = pd.factorize(table["unique_id"], sort=True)
    target, targets = pd.factorize(table["target"])
    times = pd.Index(table["cutoff"]).union(pd.Index(table["ds"])).unique().sort_values()
    cutoff = times.get_indexer(pd.Index(table["cutoff"]))
    codes, window = np.unique(series * (len(times) + 1) + cutoff, return_inverse=True)  # [M]
    cells = np.divmod(codes, len(times) + 1)
    shape = (len(codes), int(table["step"].max()) if len(table) else 0, len(targets))
    place = window, table["step"].to_numpy().astype(np.int64) - 1, target

    def spread(name: str) -> Floats:
        values = np.full(shape, np.nan)
        values[place] = table[name].to_numpy(dtype=np.float64)
        return values

    quantiles, baselines = model_columns(table)
    point = spread("yhat")
    unknown = np.full((*shape, len(quantiles)), np.nan)
    scales = {name: np.full((shape[0], shape[2]), np.nan) for name in SCALE_COLUMNS}
    for name, values in scales.items():
        values[window, target] = table[name].to_numpy(dtype=np.float64)
    return StoredWindows(
        EvaluatedWindows(
            series=cells[0],
            window=_number_windows(*cells),
            origin=cells[1] + 1,
            actual=spread("y"),
            forecast=WindowForecast(
                point, np.stack([spread(name) for name in quantiles], -1) if quantiles else unknown
            ),
            baselines={name: WindowForecast(spread(name), unknown) for name in baselines},
            levels=tuple(quantiles.values()),
            scale=scales["mase_scale"],
            squared_scale=np.square(scales["rmsse_scale"]),
        ),
        np.asarray(labels),
        tuple(targets),
    )


def model_columns(table: pd.DataFrame) -> tuple[dict[str, float], list[str]]:
    """The level of each column of a quantile, and the columns of baselines, which come last."""
    names = [
        name
        for name in table.columns[list(table.columns).index("yhat") + 1 :]
        if name not in FIXED_COLUMNS
    ]
    quantiles = {name: level for name in names if (level := quantile_level(name)) is not None}
    return quantiles, [name for name in names if name not in quantiles]


def quantile_level(column: str) -> float | None:
    """The level of a quantile's column, such as ``q0.025``; None for other columns."""
    try:
        level = float(column[1:]) if column.startswith("q") else 0.0
    except ValueError:
        return None
    return level if 0 < level < 1 else None


def _number_windows(series: Ints, cutoff: Ints) -> Ints:
    """The number of each window, which are sorted by series and cutoff."""
    cutoffs, by_cutoff = np.unique(cutoff, return_inverse=True)
    counts = np.bincount(series)
    if len(cutoffs) == counts.max(initial=0):
        return by_cutoff
    ends = np.cumsum(counts)
    return np.asarray(counts.max() - (ends[series] - np.arange(len(series))))
