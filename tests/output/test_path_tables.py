"""Tables of totals and of sample paths, against rows written out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rnnforecast.errors import DataError
from rnnforecast.output.path_tables import check_column_names, paths_frame, totals_frame

KEYS = pd.DataFrame({"id": pd.array(["a", "b"], dtype="str")})
TIMESTAMPS = np.array([["2024-01-01", "2024-01-02"], ["2024-02-01", "2024-02-02"]], "M8[us]")


def test_totals_have_a_row_per_series_target_and_number_of_steps() -> None:
    yhat = np.arange(8.0).reshape(2, 2, 2)  # [S, C, T]
    frame = totals_frame(
        KEYS,
        TIMESTAMPS,
        steps=[1, 2],
        targets=["u", "v"],
        yhat=yhat,
        quantiles=np.stack([yhat - 1, yhat + 1], axis=-1),
        levels=[0.1, 0.9],
    )
    dates = pd.to_datetime(["2024-01-01", "2024-01-02", "2024-02-01", "2024-02-02"]).as_unit("us")
    expected = pd.DataFrame(
        {
            "id": list("aaaabbbb"),
            "target": list("uuvvuuvv"),
            "from": dates[[0, 0, 0, 0, 2, 2, 2, 2]],
            "to": dates[[0, 1, 0, 1, 2, 3, 2, 3]],
            "steps": [1, 2, 1, 2, 1, 2, 1, 2],
            "yhat": np.arange(8.0),
            "q0.1": np.arange(8.0) - 1,
            "q0.9": np.arange(8.0) + 1,
        }
    )
    pd.testing.assert_frame_equal(frame, expected)


def test_paths_have_a_row_per_series_path_and_step() -> None:
    frame = paths_frame(
        KEYS,
        np.array([[1, 2], [5, 6]]),
        time_column="t",
        targets=["y"],
        values=np.arange(12.0).reshape(2, 1, 3, 2),  # [S, C, paths, H]
    )
    expected = pd.DataFrame(
        {
            "id": list("aaaaaabbbbbb"),
            "path": [1, 1, 2, 2, 3, 3] * 2,
            "t": [1, 2] * 3 + [5, 6] * 3,
            "yhat": np.arange(12.0),
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
