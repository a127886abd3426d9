"""Tables of totals and of sample paths, against rows written out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rnnforecast.errors import DataError
from rnnforecast.output.forecast_frame import ForecastSeries
from rnnforecast.output.path_tables import check_column_names, paths_frame, totals_frame

KEYS = pd.DataFrame({"id": pd.array(["a", "b"], dtype="str")})
TIMESTAMPS = np.array([["2024-01-01", "2024-01-02"], ["2024-02-01", "2024-02-02"]], "M8[us]")
CUTOFFS = np.array(["2023-12-31", "2024-01-31"], "M8[us]")


def test_totals_have_a_row_per_series_target_and_number_of_steps() -> None:
    yhat = np.arange(8.0).reshape(2, 2, 2)  # [S, C, T]
    frame = totals_frame(
        ForecastSeries(
            KEYS, TIMESTAMPS, CUTOFFS, np.array([["model"] * 2, ["fallback"] * 2]), "t", ["u", "v"]
        ),
        yhat,
        np.stack([yhat - 1, yhat + 1], axis=-1),
        [0.1, 0.9],
        steps=[1, 2],
    )
    dates = pd.to_datetime(["2024-01-01", "2024-01-02", "2024-02-01", "2024-02-02"]).as_unit("us")
    expected = pd.DataFrame(
        {
            "id": list("aaaabbbb"),
            "target": list("uuvvuuvv"),
            "from": dates[[0, 0, 0, 0, 2, 2, 2, 2]],
            "to": dates[[0, 1, 0, 1, 2, 3, 2, 3]],
            "cutoff": np.repeat(CUTOFFS, 4),
            "steps": [1, 2, 1, 2, 1, 2, 1, 2],
            "yhat": np.arange(8.0),
            "q0.1": np.arange(8.0) - 1,
            "q0.9": np.arange(8.0) + 1,
            "status": ["model"] * 4 + ["fallback"] * 4,
        }
    )
    pd.testing.assert_frame_equal(frame, expected)


def test_paths_have_a_row_per_series_path_and_step() -> None:
    frame = paths_frame(
        ForecastSeries(
            KEYS,
            np.array([[1, 2], [5, 6]]),
            np.array([0, 4]),
            np.array([["model"], ["cold_start"]]),
            "t",
            ["y"],
        ),
        np.arange(12.0).reshape(2, 1, 3, 2),  # [S, C, paths, H]
    )
    expected = pd.DataFrame(
        {
            "id": list("aaaaaabbbbbb"),
            "path": [1, 1, 2, 2, 3, 3] * 2,
            "t": [1, 2] * 3 + [5, 6] * 3,
            "cutoff": [0] * 6 + [4] * 6,
            "yhat": np.arange(12.0),
            "status": ["model"] * 6 + ["cold_start"] * 6,
        }
    )
    pd.testing.assert_frame_equal(frame, expected)


@pytest.mark.parametrize(
    ("tables", "names"), [("totals", ("from", "to", "steps")), ("paths", ("path",))]
)
def test_columns_of_the_input_with_names_of_the_tables_are_refused(
    tables: str, names: tuple[str, ...]
) -> None:
    check_column_names([*names, "id"])
    with pytest.raises(DataError) as caught:
        check_column_names([*names, "id"], **{tables: True})
    assert [problem.where for problem in caught.value.problems] == [
        f"column {name!r}" for name in names
    ]
