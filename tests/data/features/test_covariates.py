"""Future categories, vectors with blanks, static columns that were averaged."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rnnforecast.data.features import features
from rnnforecast.data.features.checks import check_future_known
from rnnforecast.data.features.covariates import Covariate, CovariatePlan
from rnnforecast.data.features.feature_plan import FeaturePlan
from rnnforecast.data.features.features import FeatureTables
from rnnforecast.data.io.column_roles import ColumnRoles
from rnnforecast.data.io.columns import CategoricalColumn, NumericColumn
from rnnforecast.data.io.table import Table
from rnnforecast.data.panel.regularize import regularize
from rnnforecast.data.time import calendar_features as calendar
from rnnforecast.data.time.frequency import parse_frequency
from rnnforecast.errors import DataError
from rnnforecast.spec.data import CleanSpec
from rnnforecast.spec.features import FeaturesSpec
from tests.data.tables import table as plain_table

NAN = np.nan
DAYS, AHEAD = 20, 3


def feature_plan(**spec: Any) -> FeaturePlan:
    return FeaturePlan(FeaturesSpec(**spec))


def categorical(*texts: str | None) -> CategoricalColumn:
    vocabulary = tuple(sorted({text for text in texts if text is not None}))
    codes = [-1 if text is None else vocabulary.index(text) for text in texts]
    return CategoricalColumn(np.array(codes, dtype=np.int32), vocabulary)


def daily(**columns: NumericColumn | CategoricalColumn) -> Table:
    """One daily series of as many days as the columns have; the target ends after `DAYS`."""
    size = len(next(iter(columns.values())).to_floats())
    days = np.datetime64("2024-01-01", "us") + np.arange(size) * np.timedelta64(1, "D")
    y = np.where(np.arange(size) < DAYS, np.arange(size, dtype=np.float64), NAN)
    return with_columns(plain_table(days.astype(str), y), columns)


def with_columns(given: Table, columns: dict[str, NumericColumn | CategoricalColumn]) -> Table:
    roles = ColumnRoles("ds", (), ("y",), (), "long", {}, tuple(columns))
    return replace(given, roles=roles, covariates=columns)


def build(
    plan: FeaturePlan, given: Table, frequency: str = "D"
) -> tuple[FeaturePlan, FeatureTables]:
    rules = CleanSpec(frequency=frequency)
    panel, _ = regularize(given, rules, keep_future_rows=bool(plan.spec.future))
    plan = features.fit_features(plan, given, panel, np.ones(len(panel.targets), dtype=np.bool_))
    check_future_known(plan, given, panel, AHEAD)
    return plan, features.build_features(plan, given, panel, horizon=AHEAD, season=7)


def noise(size: int, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=size)


@pytest.mark.parametrize("rule", ["error", "last", "seasonal"])
def test_a_blank_future_category_means_none(rule: str) -> None:
    event: list[str | None] = [None] * (DAYS + AHEAD)
    event[5] = event[DAYS + 1] = "Easter"
    price = NumericColumn(noise(DAYS + AHEAD))
    plan = feature_plan(future=("price", "event"), missing_future=rule)
    _, found = build(plan, daily(price=price, event=categorical(*event)))
    assert np.flatnonzero(found.future_codes[:, 0]).tolist() == [5, DAYS + 1]


def test_a_missing_future_row_lacks_its_category() -> None:
    event = categorical(*["Easter", None] * (DAYS // 2))
    with pytest.raises(DataError, match="event not known at 3 of the steps"):
        build(feature_plan(future=("event",)), daily(event=event))


def test_a_static_number_may_differ_in_its_last_digits() -> None:
    """A mean of three times 0.1 is not 0.1."""
    days = np.delete(np.datetime64("2024-01-01") + np.arange(DAYS), 5).astype(str)
    columns: dict[str, NumericColumn | CategoricalColumn] = {
        "size": NumericColumn(np.full(len(days), 0.1))
    }
    size = with_columns(plain_table(days, noise(len(days))), columns)
    panel, _ = regularize(size, CleanSpec(frequency="3D", resample="sum"))
    assert panel.covariates is not None
    assert len(np.unique(panel.covariates)) > 1
    train_mask = np.ones(len(panel.targets), dtype=np.bool_)
    features.fit_features(feature_plan(static=("size",)), size, panel, train_mask)


def test_categories_of_a_pattern_are_columns_of_their_own() -> None:
    tags = {f"tag_{i}": categorical(*"ab" * (DAYS // 2)) for i in range(4)}
    _, found = build(feature_plan(past=("tag_*",), vector_size=2), daily(**tags))
    assert found.past_codes.shape == (DAYS, 4)


def test_a_pattern_of_numbers_and_categories_is_a_vector_and_the_categories() -> None:
    columns: dict[str, NumericColumn | CategoricalColumn] = {
        f"x_{i}": NumericColumn(noise(DAYS, i)) for i in range(4)
    }
    columns["x_tag"] = categorical(*"ab" * (DAYS // 2))
    plan, found = build(feature_plan(past=("x_*",), vector_size=2), daily(**columns))
    assert [one.kind for one in plan.covariates.covariates] == ["vector", "category"]
    assert found.past.shape == (DAYS, 2)
    assert found.past_codes[:, 0].tolist() == [1, 2] * (DAYS // 2)


def test_a_vector_with_a_blank_in_every_row_is_still_fitted() -> None:
    columns = {
        f"x_{i}": NumericColumn(np.where(np.arange(DAYS) % 4 == i, NAN, noise(DAYS, i)))
        for i in range(4)
    }
    _, found = build(feature_plan(past=("x_*",), vector_size=2), daily(**columns))
    assert found.past.std(axis=0).min() > 0.5


def test_texts_of_equal_hash_are_encoded_equally() -> None:
    texts = categorical(*["Ab", "ab"] * (DAYS // 2))
    _, found = build(feature_plan(past=("note",), text=("note",)), daily(note=texts))
    assert np.isfinite(found.past).all()
    np.testing.assert_allclose(found.past, np.broadcast_to(found.past[:1], found.past.shape))


def test_an_absurd_static_value_leaves_the_others_apart() -> None:
    """One of 40 shops has an area of 1e30: the other areas keep their scale."""
    names = [f"s{at:02}" for at in range(40)]
    days = np.tile(np.datetime64("2024-01-01", "us") + np.arange(10) * np.timedelta64(1, "D"), 40)
    given = plain_table(days.astype(str), noise(400), np.repeat(names, 10))
    area = 50 + np.abs(noise(40, 1)) * 100
    spoiled = np.where(np.arange(40) == 7, 1e30, area)
    scaled = []
    for each in (area, spoiled):
        column: dict[str, NumericColumn | CategoricalColumn] = {
            "area": NumericColumn(np.repeat(each, 10))
        }
        _, found = build(feature_plan(static=("area",)), with_columns(given, column))
        scaled.append(np.delete(found.static[:, 0], 7))
    np.testing.assert_allclose(scaled[1], scaled[0], atol=0.15)
    assert scaled[1].std() == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("text_size", [1, 2, 16])
def test_two_texts_are_told_apart(text_size: int) -> None:
    texts = categorical(*["open late", "open late, promotion"] * (DAYS // 2))
    plan = feature_plan(past=("note",), text=("note",), text_size=text_size)
    _, found = build(plan, daily(note=texts))
    assert found.past.shape == (DAYS, 1)
    np.testing.assert_allclose(np.abs(found.past), 1.0, rtol=1e-6)
    assert found.past[0, 0] == -found.past[1, 0]


def test_three_texts_differ_in_the_first_component() -> None:
    texts = categorical(*["summer sale", "winter sale", "no sale at all"] * (DAYS // 3))
    plan = feature_plan(past=("note",), text=("note",), text_size=1)
    _, found = build(plan, daily(note=texts))
    assert np.ptp(found.past[:3, 0]) > 1.0


def test_integer_time_has_no_holidays() -> None:
    with pytest.raises(DataError, match="no dates to have holidays"):
        build(feature_plan(holidays="DE"), plain_table(np.arange(DAYS), noise(DAYS)), "1")


@pytest.mark.parametrize(("alias", "days"), [("36h", 1), ("36h", 2), ("3D", 3)])
def test_every_holiday_counts_once_at_steps_of_several_days(alias: str, days: int) -> None:
    step = parse_frequency(alias).step
    stamps = np.datetime64("2023-01-01", "us") + np.arange(120) * np.timedelta64(step, "us")
    found = calendar.holiday_features(stamps, parse_frequency(alias), "DE", days)
    begin, end = stamps[0], stamps[-1] + np.timedelta64(step, "us")
    each = np.arange(begin, end, np.timedelta64(1, "D")).astype("datetime64[us]")
    assert found.sum() == calendar.holiday_features(each, parse_frequency("D"), "DE", 0).sum()


def test_holidays_of_business_days_have_no_window() -> None:
    christmas = np.array(["2023-12-25"], dtype="datetime64[us]")
    assert calendar.holiday_features(christmas, parse_frequency("2B"), "DE", 0).tolist() == [[1.0]]


def test_a_stored_encoding_with_other_keys_is_refused() -> None:
    plan = CovariatePlan((Covariate(("promo",), "future", "number", (0.5,), (0.5,)),))
    (stored,) = plan.to_json()
    assert CovariatePlan.from_json([stored], {}) == plan
    stored["other"] = stored.pop("scale")
    with pytest.raises(ValueError, match="other keys"):
        CovariatePlan.from_json([stored], {})
