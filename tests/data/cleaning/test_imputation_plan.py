"""The imputation plan: methods and values per target, fitted imputers, storage."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from rnnforecast.data.cleaning.imputation import Estimates, ImputerOptions
from rnnforecast.data.cleaning.imputation_plan import (
    ImputationPlan,
    check_fill_values,
    per_target,
)
from rnnforecast.data.cleaning.transforms import Transform
from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.panel.regularize import regularize
from rnnforecast.errors import SpecError
from rnnforecast.spec.data import CleanSpec
from rnnforecast.types import Bools, Floats, Ints
from tests.data.tables import table

NAN = np.nan


@dataclass(frozen=True)
class AddingImputer:
    """A network imputer of tests: 100 + the number of training rows."""

    n_rows: int

    @classmethod
    def fit(
        cls,
        values: Floats,
        observed_mask: Bools,
        offsets: Ints,
        train_mask: Bools,
        options: ImputerOptions,
    ) -> AddingImputer:
        return cls(int(train_mask.sum()))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> AddingImputer:
        return cls(int(arrays["rows"]))

    def arrays(self) -> dict[str, Any]:
        return {"rows": np.array(self.n_rows)}

    def estimate(
        self, values: Floats, observed_mask: Bools, offsets: Ints, options: ImputerOptions
    ) -> Estimates:
        rows = np.arange(len(values))[:, None] + np.zeros(values.shape, dtype=np.int64)
        inputs = np.full(values.shape, 100.0 + self.n_rows)
        return Estimates(inputs, -inputs, rows + 2)


NETWORKS = {"rnn": AddingImputer}


def panel(*columns: list[float]) -> Panel:
    values = np.array(columns).T
    days = np.datetime64("2024-01-01") + np.arange(len(values))
    return regularize(table(days.astype(str), values))[0]


def plan(names: tuple[str, ...], transform: str = "none", **clean: Any) -> ImputationPlan:
    methods = Transform((transform,) * len(names), (1.0,) * len(names))
    return ImputationPlan.build(CleanSpec(**clean), names, methods, season=7, seed=3)


def test_one_value_serves_all_targets_and_a_mapping_some() -> None:
    assert per_target("a", ("y", "z"), "key", "b") == ("a", "a")
    assert per_target({"z": "a"}, ("y", "z"), "key", "b") == ("b", "a")
    with pytest.raises(SpecError, match=r"key: 'zz' is no target.*did you mean 'z'"):
        per_target({"zz": "a"}, ("y", "z"), "key", "b")


def test_fill_values_are_on_the_scale_of_the_transform() -> None:
    found = plan(("y", "z"), "log1p", missing={"y": "masked_constant"}, fill_value=1.0)
    assert found.methods == ("masked_constant", "mask")
    assert found.fill_values == pytest.approx((np.log(2.0), 0.0))


def test_what_is_missing_besides_a_value_by_rule_is_masked() -> None:
    found = plan(("y", "z"), missing={"y": "constant", "z": "zero"}, fill_value=1.0)
    assert found.methods == ("mask", "mask")


@pytest.mark.parametrize(
    ("method", "value"),
    [("constant", -1.0), ("zero", 5.0), ("masked_constant", 0.0)],
)
def test_a_fill_value_outside_the_domain_is_refused(method: str, value: float) -> None:
    with pytest.raises(SpecError, match=r"clean\.missing: .* outside the domain.*fill_value"):
        check_fill_values(CleanSpec(missing=method, fill_value=value), ("y",), ("log",))
    check_fill_values(CleanSpec(missing=method, fill_value=value), ("y",), ("none",))
    check_fill_values(CleanSpec(missing="ffill", fill_value=value), ("y",), ("log",))
    assert plan(("y",), "log", missing="ffill", fill_value=value).fill_values == (0.0,)


def test_fitted_methods_fill_their_own_targets_up_to_the_largest_gap() -> None:
    data = panel([1, NAN, NAN, NAN, 5, 6], [1, NAN, 3, 4, 5, 6])
    found = plan(("y", "z"), missing={"y": "rnn", "z": "linear"}, max_gap=2)
    train_mask = np.arange(6) < 4
    found = found.fit(data.targets, data.observed_mask, data, train_mask, NETWORKS)
    filled = found.apply(data.targets, data.observed_mask, data)
    assert filled.inputs[:, 0].tolist() == [1, 104, 104, 1, 5, 6]
    assert filled.causal_inputs[:, 0].tolist() == [1, -104, -104, 1, 5, 6]
    assert filled.value_mask[:, 0].tolist() == [True, True, True, False, True, True]
    assert filled.known_from is not None
    assert filled.known_from.tolist() == [[0, 0], [3, 2], [4, 2], [3, 3], [4, 4], [5, 5]]
    assert filled.inputs[:, 1].tolist() == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("method", ["knn", "random_forest", "svr", "rnn", "time"])
def test_a_stored_plan_fills_the_same(method: str) -> None:
    rng = np.random.default_rng(1)
    data = panel(np.where(rng.random(80) < 0.2, NAN, rng.normal(size=80)).tolist())
    train_mask = np.arange(len(data.targets)) < 60
    found = plan(("y",), missing=method).fit(
        data.targets, data.observed_mask, data, train_mask, NETWORKS
    )
    stored = json.loads(json.dumps(found.to_json()))
    again = ImputationPlan.from_json(stored, found.arrays(), NETWORKS)
    one, two = (each.apply(data.targets, data.observed_mask, data) for each in (found, again))
    np.testing.assert_array_equal(one.inputs, two.inputs)
    assert {name.partition(".")[0] for name in found.arrays()} == {method} - {"time"}
