"""Encoded covariates against scikit-learn, and no look-ahead."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from rnnforecast.data.features import features
from rnnforecast.data.features.checks import check_future_known
from rnnforecast.data.features.feature_plan import FeaturePlan
from rnnforecast.data.features.features import FeatureTables
from rnnforecast.data.io.column_roles import ColumnRoles
from rnnforecast.data.io.columns import CategoricalColumn, NumericColumn
from rnnforecast.data.io.table import Table
from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.panel.regularize import regularize
from rnnforecast.errors import DataError
from rnnforecast.spec.data import CleanSpec
from rnnforecast.spec.features import FeaturesSpec

NAN = np.nan
DAYS = 20
N_TRAIN = 14


def feature_plan(**spec: Any) -> FeaturePlan:
    return FeaturePlan(FeaturesSpec(**spec))


class Nowhere:
    """Lines of a table that comes from no file."""

    def location(self, row: int, column: str | None = None) -> str:
        return f"row {row}"

    def take(self, rows: npt.NDArray[np.int64]) -> Nowhere:
        return self


def categorical(texts: list[str | None]) -> CategoricalColumn:
    vocabulary = tuple(sorted({text for text in texts if text is not None}))
    codes = [-1 if text is None else vocabulary.index(text) for text in texts]
    return CategoricalColumn(np.array(codes, dtype=np.int32), vocabulary)


def table(covariates: dict[str, Any], *, series: int = 2, ahead: int = 0) -> Table:
    """`series` daily series of `DAYS` days and `ahead` more that have covariates alone."""
    each = DAYS + ahead
    days = np.datetime64("2024-01-01", "us") + np.arange(each) * np.timedelta64(1, "D")
    y = np.arange(series * each, dtype=np.float64).reshape(series, each)
    y[:, DAYS:] = NAN
    return Table(
        keys=pd.DataFrame({"id": [f"s{s}" for s in range(series)]}),
        codes=np.repeat(np.arange(series), each),
        time=np.tile(days, series),
        utc_offset="",
        values=y.reshape(-1, 1),
        roles=ColumnRoles("ds", ("id",), ("y",), (), "long", {}, tuple(covariates)),
        line_index=Nowhere(),  # type: ignore[arg-type]
        infinite_count=0,
        covariates=covariates,
    )


def build(
    plan: FeaturePlan, given: Table, horizon: int = 3, *, required_steps: int = 0, season: int = 7
) -> tuple[FeaturePlan, Panel, FeatureTables]:
    panel, _ = regularize(given, CleanSpec(frequency="D"), keep_future_rows=bool(plan.spec.future))
    train_mask = np.arange(len(panel.targets)) % DAYS < N_TRAIN
    plan = features.fit_features(plan, given, panel, train_mask)
    check_future_known(plan, given, panel, required_steps)
    found = features.build_features(plan, given, panel, horizon=horizon, season=season)
    return plan, panel, found


def noise(size: int, seed: int = 0) -> npt.NDArray[np.float64]:
    return np.random.default_rng(seed).normal(50, 9, size)


def test_numbers_are_standardized_by_the_training_part_as_in_scikit_learn() -> None:
    price = noise(2 * DAYS)
    _, _, found = build(feature_plan(past=("price",)), table({"price": NumericColumn(price)}))
    train_mask = np.arange(2 * DAYS) % DAYS < N_TRAIN
    expected = StandardScaler().fit(price[train_mask, None]).transform(price[:, None])
    np.testing.assert_allclose(found.past, expected, rtol=1e-5)


def test_a_blank_number_takes_the_last_value_and_a_missing_indicator() -> None:
    price = noise(2 * DAYS)
    price[[0, 3, 4]] = NAN
    _, _, found = build(feature_plan(past=("price",)), table({"price": NumericColumn(price)}))
    assert found.past.shape == (2 * DAYS, 2)
    assert found.past[0].tolist() == [0.0, 0.0]  # the mean, before there is a value
    assert found.past[3, 0] == found.past[4, 0] == found.past[2, 0]
    assert found.past[2:6, 1].tolist() == [1, 0, 0, 1]


def test_extreme_numbers_are_clipped() -> None:
    price = noise(2 * DAYS)
    price[-1] = 1e4
    _, _, found = build(feature_plan(past=("price",)), table({"price": NumericColumn(price)}))
    assert found.past[-1, 0] == 10


def test_huge_numbers_are_scaled_without_overflow() -> None:
    price = noise(2 * DAYS)
    _, _, one = build(feature_plan(past=("price",)), table({"price": NumericColumn(price)}))
    _, _, huge = build(
        feature_plan(past=("price",)), table({"price": NumericColumn(price * 1e300)})
    )
    np.testing.assert_allclose(huge.past, one.past, rtol=1e-5)


def test_unseen_categories_share_the_code_of_blanks() -> None:
    kind = ["b"] * 8 + ["a"] * 4 + [None, "c"] + ["late"] * 6
    given = table({"kind": categorical(kind * 2)})
    plan, _, found = build(feature_plan(past=("kind",)), given)
    assert plan.covariates.covariates[0].vocabulary == ("b", "a", "c")  # the most frequent first
    assert found.past_codes[:DAYS, 0].tolist() == [1] * 8 + [2] * 4 + [0, 3] + [0] * 6
    assert found.past_cardinalities == (4,)
    assert found.unseen_count == 12


def test_similar_texts_have_similar_numbers() -> None:
    texts = ["heavy rain today", "heavy rain again", "sunshine", "sunny", "closed for stocktaking"]
    cells: list[str | None] = [texts[i % 5] if i % 3 else None for i in range(2 * DAYS)]
    given = table({"note": categorical(cells)})
    plan = feature_plan(past=("note",), text=("note",), text_size=3)
    _, _, found = build(plan, given)
    assert found.past.shape == (2 * DAYS, 3)
    vector = {text: found.past[cells.index(text)] for text in texts}
    assert (found.past[0] == 0).all()

    def apart(one: str, two: str) -> float:
        return float(np.linalg.norm(vector[one] - vector[two]))

    rain = apart("heavy rain today", "heavy rain again")
    assert rain < apart("heavy rain today", "sunshine")
    assert rain < apart("heavy rain today", "closed for stocktaking")


def test_a_wide_vector_is_reduced_by_pca_as_in_scikit_learn() -> None:
    rng = np.random.default_rng(3)
    hidden = rng.normal(size=(2 * DAYS, 2))
    wide = hidden @ rng.normal(size=(2, 6)) + 0.01 * rng.normal(size=(2 * DAYS, 6))
    given = table({f"emb_{c}": NumericColumn(wide[:, c]) for c in range(6)})
    _, _, found = build(feature_plan(past=("emb_*",), vector_size=2), given)
    train_mask = np.arange(2 * DAYS) % DAYS < N_TRAIN
    pca = PCA(2, svd_solver="full", whiten=True).fit(wide[train_mask])
    np.testing.assert_allclose(found.past, pca.transform(wide), rtol=1e-4, atol=1e-4)


def test_a_narrow_vector_stays_numbers() -> None:
    given = table({f"emb_{c}": NumericColumn(noise(2 * DAYS, c)) for c in range(3)})
    _, _, found = build(feature_plan(past=("emb_*",)), given)
    assert found.past.shape == (2 * DAYS, 3)


def test_static_columns_have_one_row_a_series() -> None:
    region = categorical(["north"] * DAYS + ["south"] * DAYS)
    size = NumericColumn(np.repeat([10.0, 30.0], DAYS))
    plan = feature_plan(static=("region", "size"))
    _, _, found = build(plan, table({"region": region, "size": size}))
    assert found.static_codes[:, 0].tolist() == [1, 2]
    np.testing.assert_allclose(found.static[:, 0], [-1, 1])


def test_a_static_column_that_changes_is_refused_with_an_example() -> None:
    region = categorical(["north"] * DAYS + ["south"] * (DAYS - 1) + ["north"])
    message = r"features\.static: region: the column changes .* 's1', which has 'north' and 'south'"
    with pytest.raises(DataError, match=message):
        build(feature_plan(static=("region",)), table({"region": region}))


def test_future_covariates_go_on_beyond_the_last_target() -> None:
    promo = np.arange(2.0 * (DAYS + 3))
    given = table({"promo": NumericColumn(promo)}, ahead=3)
    plan, panel, found = build(feature_plan(future=("promo",)), given, required_steps=3)
    assert panel.lengths.tolist() == [DAYS, DAYS]
    assert panel.future_steps is not None
    assert panel.future_steps.tolist() == [3, 3]
    mean, scale = (plan.covariates.covariates[0].mean[0], plan.covariates.covariates[0].scale[0])
    np.testing.assert_allclose(found.future[:, 0], (promo - mean) / scale, rtol=1e-5)


def test_unknown_future_covariates_are_refused_with_series_and_dates() -> None:
    promo = np.arange(2.0 * (DAYS + 3))
    promo[[-1, DAYS + 1]] = NAN
    given = table({"promo": NumericColumn(promo)}, ahead=3)
    with pytest.raises(DataError) as caught:
        build(feature_plan(future=("promo",)), given, required_steps=3)
    lines = [str(problem) for problem in caught.value.problems]
    assert lines[0].startswith(
        "series 's0': promo not known at 1 of the steps to forecast, from 2024-01-22 to 2024-01-22"
    )
    assert "features.missing_future" in lines[0]
    assert "from 2024-01-23 to 2024-01-23" in lines[1]


@pytest.mark.parametrize(("rule", "expected"), [("last", 19), ("seasonal", 13)])
def test_missing_future_values_are_replaced_by_rule(rule: str, expected: int) -> None:
    promo = np.tile(np.arange(float(DAYS)), 2)
    plan = feature_plan(future=("promo",), missing_future=rule)
    plan, _, found = build(plan, table({"promo": NumericColumn(promo)}), required_steps=3)
    learned = plan.covariates.covariates[0]
    first_ahead = found.future[DAYS, 0] * learned.scale[0] + learned.mean[0]
    assert first_ahead == pytest.approx(expected)


def test_calendar_holidays_and_age_cover_the_horizon() -> None:
    plan = feature_plan(
        calendar=("day_of_week", "day_of_year"), holidays="DE", holiday_window=1, age=True
    )
    plan, _, found = build(plan, table({}), horizon=5)
    assert plan.calendar == ("day_of_week", "day_of_year")
    assert found.future.shape == (2 * (DAYS + 5), 4 + 3 + 1)
    assert found.future[0, 4] == 1  # New Year
    assert found.future[1, 6] == 1  # a day after it
    assert found.future[0, 7] == 0
    np.testing.assert_array_equal(found.future[: DAYS + 5], found.future[DAYS + 5 :])


def everything(seed: int = 0) -> Table:
    rng = np.random.default_rng(seed)
    size = 2 * DAYS
    texts = ["wet", "dry", None, "sold out"]
    given = {
        "price": NumericColumn(np.where(rng.random(size) < 0.2, NAN, rng.normal(size=size))),
        "kind": categorical([texts[i] for i in rng.integers(4, size=size)]),
        "note": categorical([texts[i] for i in rng.integers(4, size=size)]),
    } | {f"emb_{c}": NumericColumn(rng.normal(size=size)) for c in range(4)}
    return table(given)


EVERYTHING = feature_plan(
    past=("price", "kind", "note", "emb_*"),
    text=("note",),
    vector_size=2,
    calendar=("day_of_week", "day_of_year"),
)


@settings(max_examples=20, deadline=None)
@given(origin=st.integers(1, DAYS - 1), seed=st.integers(1, 99))
def test_covariates_at_or_after_an_origin_change_no_input_before_it(origin: int, seed: int) -> None:
    one, other = everything(), everything(seed)
    plan, panel, found = build(EVERYTHING, one)
    mixed = {}
    keep = np.arange(2 * DAYS) % DAYS < origin
    for name, column in one.covariates.items():
        new = other.covariates[name]
        if isinstance(column, CategoricalColumn) and isinstance(new, CategoricalColumn):
            cells = [None if c < 0 else column.vocabulary[c] for c in column.codes]
            news = [None if c < 0 else new.vocabulary[c] for c in new.codes]
            mixed[name] = categorical(
                [a if k else b for a, b, k in zip(cells, news, keep, strict=True)]
            )
        else:
            mixed[name] = NumericColumn(np.where(keep, column.to_floats(), new.to_floats()))
    changed = table(mixed)
    panel, _ = regularize(changed, CleanSpec(frequency="D"))
    again = features.build_features(plan, changed, panel, horizon=3, season=7)
    np.testing.assert_array_equal(found.past[keep], again.past[keep])
    np.testing.assert_array_equal(found.past_codes[keep], again.past_codes[keep])


def test_a_stored_plan_builds_equal_tables() -> None:
    given = everything()
    plan, panel, found = build(EVERYTHING, given)
    stored = json.loads(json.dumps(plan.to_json()))
    again = FeaturePlan.from_json(stored, plan.arrays())
    rebuilt = features.build_features(again, given, panel, horizon=3, season=7)
    for one, two in zip(found.tables(), rebuilt.tables(), strict=True):
        np.testing.assert_array_equal(one, two)
    assert rebuilt.past_cardinalities == found.past_cardinalities


def test_without_features_tables_have_no_columns() -> None:
    _, _, found = build(FeaturePlan(), table({}))
    assert [part.shape[1] for part in found.tables()] == [0] * 6
    assert found.future.shape[0] == 2 * (DAYS + 3)


@pytest.mark.parametrize("calendar", ["inf", ["hour_of_century"], [3], None])
def test_a_stored_calendar_that_is_none_is_refused(calendar: Any) -> None:
    stored = FeaturePlan(calendar=("day_of_week",)).to_json()
    assert FeaturePlan.from_json(stored, {}).calendar == ("day_of_week",)
    with pytest.raises(ValueError, match="valid"):
        FeaturePlan.from_json(stored | {"calendar": calendar}, {})
