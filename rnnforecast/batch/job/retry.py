"""A second try for the series without a forecast by the model: the others stay as published."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rnnforecast.batch.job.files import JobFiles
from rnnforecast.data.panel.panel import Panel
from rnnforecast.spec.locations import is_url
from rnnforecast.workflow.predict_output import UnpublishedForecast
from rnnforecast.workflow.predict_places import is_folder, table_path
from rnnforecast.workflow.predict_tables import write_table

RETRIED_STATUSES = ("fallback", "skipped")
OTHER_DATA = "the last publication is of other data"


class NotRetriable(Exception):
    """The last publication cannot be completed; the message says why."""


@dataclass(frozen=True)
class RetriedForecast:
    """A forecast whose rows are those of the last publication, but for some series."""

    forecast: UnpublishedForecast
    series: int
    """The number of series that are forecast again."""


def retry_failed(
    job: JobFiles, forecast: UnpublishedForecast, last_published: Mapping[str, Any]
) -> RetriedForecast:
    """Puts the published rows into a forecast, but for series that the model did not forecast.

    Forecasts of other series do not change what a series gets, so that the same run on the same
    data leaves them as they were; where their values were revised meanwhile, they stay all the
    same.

    Args:
        last_published: the summary of the last publication.

    Raises:
        NotRetriable: the last publication is of another model or of other data, or its table
            cannot be read.
    """
    if not last_published:
        raise NotRetriable("nothing is known of an earlier publication")
    version = forecast.files.path.resolve().name
    if last_published.get("model") != version:
        raise NotRetriable(f"the last publication is of another model, now it is {version}")
    place = next((each for each in job.out if not is_url(each)), None)
    if place is None:
        raise NotRetriable("no place of the job is a file or folder")
    panel = forecast.prediction.cleaned.panel
    suffix = ".csv" if is_folder(place) else Path(place).suffix
    tables, counts = {}, []
    for name, new in forecast.prediction.tables.items():
        old = _read_published(place, name, new)
        shown = _as_published(new, suffix, panel)
        tables[name], count = _merge(new, shown, old, [str(key) for key in panel.keys.columns])
        counts.append(count)
    prediction = replace(forecast.prediction, tables=tables)
    return RetriedForecast(replace(forecast, prediction=prediction), max(counts, default=0))


def _read_published(place: str, name: str, new: pd.DataFrame) -> pd.DataFrame:
    """A published table, its numbers as such and all else as text; `new` has the same columns."""
    path = Path(place) / f"{name}.csv" if is_folder(place) else Path(table_path(place, name))
    try:
        found = _read_table(path, _number_columns(new))
    except (OSError, ValueError, KeyError) as error:
        raise NotRetriable(f"{path} cannot be read: {error}") from None
    if list(found.columns) != list(new.columns):
        raise NotRetriable(f"{path} has other columns")
    return found


def _as_published(new: pd.DataFrame, suffix: str, panel: Panel) -> pd.DataFrame:
    """A table as `_read_published` would find it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"table{suffix}"
        write_table(path, new, panel)
        return _read_table(path, _number_columns(new))


def _read_table(path: Path, numbers: list[str]) -> pd.DataFrame:
    if path.suffix.lower() == ".parquet":
        found = pd.read_parquet(path)
        return found.astype({name: "str" for name in found.columns if name not in numbers})
    found = pd.read_csv(path, dtype="str", keep_default_na=False)
    # Python's parser returns the very float64 that was written
    parsed = {name: [float(text or "nan") for text in found[name]] for name in numbers}
    return found.assign(**parsed)


def _number_columns(table: pd.DataFrame) -> list[str]:
    """The columns of forecasts: point, quantiles, totals."""
    return [name for name in table.columns if table[name].dtype.kind == "f"]


def _merge(
    new: pd.DataFrame, shown: pd.DataFrame, old: pd.DataFrame, keys: list[str]
) -> tuple[pd.DataFrame, int]:
    """The new table with the old numbers of all series that are not retried, and the number of
    those that are.

    Args:
        shown: the new table as it would be read again.
        keys: the columns that identify a series.
    """
    old_keys, new_keys = _series_of(old, keys), _series_of(shown, keys)
    failed = old_keys[old["status"].isin(RETRIED_STATUSES).to_numpy()].unique()
    if len(old_keys.unique().difference(new_keys.unique())):
        raise NotRetriable(f"{OTHER_DATA}: it has series that are gone")
    is_kept = ~new_keys.isin(failed) & new_keys.isin(old_keys)
    was_kept = ~old_keys.isin(failed)
    numbers = _number_columns(new)
    ids = [name for name in new.columns if name not in numbers and name != "status"]
    kept, before = shown.loc[is_kept, ids], old.loc[was_kept, ids]
    if len(kept) != len(before) or not np.array_equal(kept.to_numpy(), before.to_numpy()):
        raise NotRetriable(f"{OTHER_DATA}: it begins at other timestamps")
    merged = new.copy()
    for name in (*numbers, "status"):
        merged.loc[is_kept, name] = old.loc[was_kept, name].to_numpy()
    return merged, len(new_keys[~is_kept].unique())


def _series_of(table: pd.DataFrame, keys: list[str]) -> pd.MultiIndex:
    """The series of each row; without ids there is one."""
    return pd.MultiIndex.from_frame(table[keys] if keys else pd.DataFrame({"": [""] * len(table)}))
