"""The README of an export."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rnnforecast.data.cleaning.transforms import Transform
from rnnforecast.output.export_readme import TRANSFORM_FORMULAS, render_export_readme

INPUTS = [
    {"name": "values", "shape": ["B", 7, 2], "dtype": "float64"},
    {"name": "value_mask", "shape": ["B", 7, 2], "dtype": "bool"},
    {"name": "item", "shape": ["B"], "dtype": "int64"},
]
OUTPUTS = [{"name": "quantiles", "shape": ["B", 3, 2, 2], "dtype": "float64"}]


def facts(**changes: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "versions": {"onnx": "1.2.3"},
        "frequency": "D",
        "timezone": "Europe/Berlin",
        "horizon": 3,
        "quantiles": [0.1, 0.9],
        "targets": ["load", "price"],
        "joint_channels": True,
        "transform": {"methods": ["none", "box_cox"], "powers": [1.0, 0.5]},
        "deseasonalized": False,
        "bounds": {"non_negative": [True, False], "integer_valued": [True, False]},
        "missing": ["mask", "linear"],
        "columns": {"static_codes": [{"name": "kind", "meaning": "a code", "codes": {"x": 1}}]},
        "members": 1,
        "combiner": {"method": "median", "weights": []},
        "calibrated": False,
        "network_weight": {"median": 1.0, "spread": 1.0},
        "models": [{"file": "model.onnx", "opset": 20, "inputs": INPUTS, "outputs": OUTPUTS}],
        "check": {"windows": 64, "from_data": True, "max_difference": 3e-8, "limit": 1e-5},
    }
    return {**given, **changes}


def test_shapes_scale_gaps_covariates_and_the_check_are_described() -> None:
    text = render_export_readme(facts(), "shop")
    for phrase in (
        "# shop as ONNX",
        "`D`, in Europe/Berlin",
        "| `values` | [B, 7, 2] | float64 |",
        "| `item` | [B] | int64 |",
        "`mask` for `load`, `linear` for `price`",
        "- `price` (`box_cox` with p = 0.5): before, z = (y^p - 1) / p",
        "- `load` is raised to 0 where it is below and rounded to integers",
        "| `static_codes` | 0 | kind | a code (the codes are in `export.json`) |",
        '"item": np.zeros((1,), dtype="int64"),',
        "at most 3.0e-08",
    ):
        assert phrase in text
    assert "Several networks" not in text
    assert "multiplied" not in text


def test_a_network_without_the_yearly_season_is_described_as_such() -> None:
    assert "without the yearly season" in render_export_readme(facts(deseasonalized=True), "shop")
    assert "yearly season" not in render_export_readme(facts(), "shop")


def test_the_share_of_statistical_methods_is_described() -> None:
    weight = {"median": 0.25, "spread": 0.125}
    text = render_export_readme(facts(network_weight=weight), "shop")
    assert "a weight of 0.25" in text
    assert "`ensemble.network_weight: 1`" in text
    assert "statistical" not in render_export_readme(facts(), "shop").lower()


def test_the_calibration_is_described() -> None:
    assert "calibrates the quantiles" in render_export_readme(facts(calibrated=True), "shop")


@pytest.mark.parametrize(
    ("method", "weights", "text"),
    [("mean", [], "the mean of them"), ("weights", [0.25, 0.75], "weighted by 0.25, 0.75 of them")],
)
def test_several_networks_are_combined_as_predict_does(
    method: str, weights: list[float], text: str
) -> None:
    readme = render_export_readme(
        facts(members=2, combiner={"method": method, "weights": weights}), "shop"
    )
    assert text in readme


def test_every_transform_has_its_formulas() -> None:
    assert set(TRANSFORM_FORMULAS) == {"none", "log", "log1p", "box_cox", "yeo_johnson"}
    values = np.array([[0.5], [3.0]])
    for name, p in (("box_cox", 0.5), ("yeo_johnson", 0.5), ("log", 1.0), ("log1p", 1.0)):
        forth, back = (text.split(" = ", 1)[1].split(",")[0] for text in TRANSFORM_FORMULAS[name])
        known = {"log": np.log, "exp": np.exp, "p": p, "y": values}
        z = eval(_python(forth), known)
        assert z == pytest.approx(Transform((name,), (p,)).apply(values))  # type: ignore[arg-type]
        assert eval(_python(back), {**known, "z": z}) == pytest.approx(values)


def _python(formula: str) -> str:
    return formula.replace("^", "**").replace("p z", "p * z")
