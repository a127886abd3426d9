"""The cleaning plan: fitted on the training part, stored, and applied to new files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rnnforecast.data.cleaning.transforms import Bounds
from rnnforecast.data.cleaning_plan import (
    AlignedData,
    CleaningPlan,
    align_table,
    build_inputs,
    build_train_mask,
    fit_cleaning_plan,
    prepare_data,
    read_table,
)
from rnnforecast.data.features.feature_plan import FeaturePlan
from rnnforecast.data.io.read_options import ReadOptions
from rnnforecast.errors import DataError
from rnnforecast.pipeline.prepare import build_cleaning_plan
from rnnforecast.spec.data import CleanSpec, DataSpec
from rnnforecast.spec.features import FeaturesSpec
from rnnforecast.spec.load import parse_spec
from tests.data.panels import panel


def write(path: Path, seed: int = 0, extra: str = "") -> str:
    """Two daily series of 80 days with gaps, one outlier, and covariates 5 days ahead."""
    rng = np.random.default_rng(seed)
    frames = []
    for name in ("a", "b"):
        y = np.exp(rng.normal(size=85))
        y[rng.random(85) < 0.2] = np.nan
        y[[0, 79]], y[60], y[80:] = 1.0, 500.0, np.nan
        frames.append(
            pd.DataFrame(
                {
                    "id": name,
                    "ds": pd.date_range("2024-01-01", periods=85).strftime("%Y-%m-%d"),
                    "y": y,
                    "promo": rng.integers(0, 2, 85),
                }
            )
        )
    pd.concat(frames).to_csv(path, index=False)
    path.write_text(path.read_text() + extra)
    return str(path)


def plan(source: str, **clean: Any) -> CleaningPlan:
    features = FeaturesSpec(future=("promo",), calendar=("day_of_week", "day_of_year"))
    return CleaningPlan(
        ReadOptions(DataSpec(path=(source,), targets=("y",)), covariates=("promo",)),
        CleanSpec(**clean),
        FeaturePlan(features),
    )


def fitted(source: str, **clean: Any) -> tuple[CleaningPlan, AlignedData]:
    start = plan(source, **clean)
    aligned = align_table(start, read_table(start, [source]))
    train_end = aligned.panel.lengths - 30
    found, _ = fit_cleaning_plan(start, aligned, season=7, train_end=train_end, network_imputers={})
    return found, aligned


RULES: dict[str, Any] = {
    "outliers": "hampel",
    "transform": "box_cox",
    "missing": "knn",
    "max_gap": 3,
}


def test_what_was_inferred_is_in_the_fitted_plan(tmp_path: Path) -> None:
    found, _ = fitted(write(tmp_path / "a.csv"), **RULES)
    data = found.read_options.data
    assert (data.time, data.series, data.targets) == ("ds", ("id",), ("y",))
    assert found.clean.frequency == "D"
    assert found.season == 7
    assert found.bounds == Bounds((True,), (False,))
    assert found.transform.methods == ("box_cox",)
    assert found.features.calendar == ("day_of_week", "day_of_year")


def test_a_stored_plan_prepares_equal_inputs(tmp_path: Path) -> None:
    source = write(tmp_path / "a.csv")
    found, aligned = fitted(source, **RULES)
    stored = json.loads(json.dumps(found.to_json()))
    again = CleaningPlan.from_json(stored, found.arrays(), {})
    one = build_inputs(found, aligned, horizon=5)
    two = prepare_data(again, [source], horizon=5, required_steps=5)
    for ours, theirs in (
        (one.values, two.values),
        (one.filled.inputs, two.filled.inputs),
        (one.outliers.flags, two.outliers.flags),
        *zip(one.features.tables(), two.features.tables(), strict=True),
    ):
        np.testing.assert_array_equal(ours, theirs)
    assert one.outliers.flags.any()
    assert not one.target_mask[one.outliers.flags].any()


def test_nothing_is_fitted_to_values_after_the_training_part(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a.csv"), tmp_path / "b.csv"
    frame, other = pd.read_csv(first), pd.read_csv(write(second, seed=1))
    late = (np.arange(len(frame)) % 85 >= 50) & (np.arange(len(frame)) % 85 < 79)
    frame.loc[late, "y"] = other.loc[late, "y"] + 1
    frame.to_csv(second, index=False)
    one, two = (fitted(source, **RULES)[0] for source in (first, str(second)))
    for key in ("transform", "bounds", "features", "imputation"):
        assert one.to_json()[key] == two.to_json()[key]
    for name, array in one.arrays().items():
        np.testing.assert_array_equal(array, two.arrays()[name])


def test_series_that_cannot_be_repaired_are_left_out_by_name(tmp_path: Path) -> None:
    found, _ = fitted(write(tmp_path / "a.csv"))
    source = write(tmp_path / "b.csv", extra="b,2024-01-05,3.0,1\n")
    cleaned = prepare_data(found, [source], horizon=5)
    assert cleaned.panel.labels().tolist() == ["a"]
    assert set(cleaned.changes.skipped) == {"b"}
    with pytest.raises(DataError, match="again"):
        align_table(found, read_table(found, [source]))


def test_required_steps_ahead_are_refused_beyond_the_file(tmp_path: Path) -> None:
    source = write(tmp_path / "a.csv")
    found, _ = fitted(source)
    assert prepare_data(found, [source], horizon=6, required_steps=5).features.horizon == 6
    with pytest.raises(DataError, match="promo not known at 1 of the steps"):
        prepare_data(found, [source], horizon=6, required_steps=6)


def test_the_training_mask_is_all_rows_where_no_value_is_before_its_end() -> None:
    data = panel([1.0, 2.0, 3.0], [np.nan, 5.0])
    assert build_train_mask(data, np.array([2, 1])).tolist() == [True, True, False, True, False]
    assert build_train_mask(data, np.array([0, 1])).all()
    assert build_train_mask(data, np.array([0, 2])).tolist() == [False] * 3 + [True] * 2


@pytest.mark.parametrize(
    ("more", "rows"),
    [
        ("features: {past: [price]}", "dense"),
        ("features: {future: [promo], past: [price]}", "dense"),
        ("clean: {frequency: D, irregular: interpolate}", "jittered"),
    ],
)
def test_a_panel_before_its_ends_is_that_of_a_shorter_file(
    more: str, rows: str, tmp_path: Path
) -> None:
    """The rows after the ends stay in the file if something is known ahead, without targets."""
    rng = np.random.default_rng(3)
    time = pd.date_range("2024-01-01", periods=30, freq="D")
    if rows == "jittered":
        time = time + pd.to_timedelta(rng.integers(1, 20, 30), unit="h")
    frames = [
        pd.DataFrame(
            {
                "ds": time,
                "id": name,
                "y": rng.normal(size=30),
                "price": rng.normal(size=30),
                "promo": rng.integers(0, 2, 30),
            }
        )
        for name in ("a", "b")
    ]
    data = "data: {path: x.csv, time: ds, series: id, targets: y}"
    spec = parse_spec(f"{data}\n{more}\nwindow: {{horizon: 2}}\n", name="spec.yaml")
    plan = build_cleaning_plan(spec)
    ends = np.array([21, 17])
    shorter = []
    for frame, end in zip(frames, ends, strict=True):
        day = frame["ds"].dt.normalize()
        # the first midnight among rows at other hours is that of the second day
        end += rows == "jittered"
        after = day >= day.iloc[0] + pd.Timedelta(int(end), unit="D")
        known = frame.assign(y=frame["y"].mask(after))
        shorter.append(known if "future" in more else frame[~after])
    found = []
    for name, parts in (("whole", frames), ("shorter", shorter)):
        pd.concat(parts).to_csv(tmp_path / f"{name}.csv", index=False)
        found.append(align_table(plan, read_table(plan, [str(tmp_path / f"{name}.csv")])))
    before, expected = found[0].before(ends).panel, found[1].panel
    assert before.lengths.tolist() == expected.lengths.tolist()
    np.testing.assert_allclose(before.targets, expected.targets)
    np.testing.assert_array_equal(before.observed_mask, expected.observed_mask)
    for name in ("start", "future_steps"):
        np.testing.assert_array_equal(getattr(before, name), getattr(expected, name))
    if "features" in more:
        names = [before.covariate_names.index(each) for each in ("promo",) if "future" in more]
        np.testing.assert_array_equal(before.covariates[:, names], expected.covariates[:, names])
