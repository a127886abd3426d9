"""Descriptions of the input columns."""

from __future__ import annotations

from rnnforecast.data.features.covariates import Covariate, CovariatePlan
from rnnforecast.data.features.feature_plan import FeaturePlan
from rnnforecast.data.features.input_columns import describe_input_columns
from rnnforecast.data.time.frequency import parse_frequency
from rnnforecast.spec.features import FeaturesSpec


def test_columns_are_described_in_the_order_of_the_tables() -> None:
    covariates = (
        Covariate(("rain",), "past", "number", (2.0,), (0.5,), has_missing_indicator=True),
        Covariate(("note",), "past", "text", (), (1.0, 2.0)),
        Covariate(("shop",), "static", "category", vocabulary=("b", "a")),
        Covariate(("v1", "v2", "v9"), "future", "vector", (0.0, 0.0), (1.0, 1.0)),
    )
    spec = FeaturesSpec(holidays="DE", age=True)
    plan = FeaturePlan(spec, ("day_of_week",), CovariatePlan(covariates))
    found = describe_input_columns(plan, parse_frequency("D"), is_irregular=True)
    assert {name: [one["name"] for one in told] for name, told in found.items()} == {
        "past": [
            "rain",
            "rain known",
            "note, part 1",
            "note, part 2",
            "time since the previous row",
        ],
        "static_codes": ["shop"],
        "future": [
            "v1 … v9, part 1",
            "v1 … v9, part 2",
            "day_of_week, sine",
            "day_of_week, cosine",
            "holiday",
            "holiday_in_1",
            "holiday_1_ago",
            "age",
        ],
    }
    assert found["past"][0]["meaning"].startswith("(x - 2.0) / 0.5, clipped to ±10")
    assert found["static_codes"][0]["codes"] == {"b": 1, "a": 2}


def test_without_covariates_nothing_is_described() -> None:
    assert describe_input_columns(FeaturePlan(), parse_frequency("MS"), is_irregular=False) == {}
