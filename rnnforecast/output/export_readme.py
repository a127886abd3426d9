"""README of an ONNX export: its inputs and outputs, and how to run it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rnnforecast.output.rendering import render_template

ExportMetadata = Mapping[str, Any]

OUTPUT_MEANINGS = {
    "quantiles": "the quantiles, one column per level",
    "point": "the point forecast",
    "equiprobable_values": "equally likely values: see *Original values*",
}
INPUT_MEANINGS = {
    "values": "the targets, oldest step first; gaps as described in *Missing values*",
    "value_mask": "true where the network may take the number as a value, observed or filled",
    "input_mask": "true where the number may be read at all",
    "elapsed": "steps since the last observation: 0 where observed; before the first one, the "
    "number of steps since the series began, this one included",
    "past": "columns known up to the origin",
    "past_codes": "the same, for categories: codes",
    "future": "columns known ahead: of the lookback, then of the horizon",
    "future_codes": "the same, for categories: codes",
    "static": "columns with one value per series",
    "static_codes": "the same, for categories: codes",
    "item": "the index, from 0, of the series and target in `items` of `export.json`; the number "
    "of items if they are not in it",
    "phase": "the position of the window's first step on the calendar, in steps: "
    "`rnnforecast.data.time.frequency.parse_frequency(FREQUENCY).ordinals(timestamp)`",
}
TRANSFORM_FORMULAS = {
    "none": ("z = y", "y = z"),
    "log": ("z = log(y)", "y = exp(z)"),
    "log1p": ("z = log(1 + y)", "y = exp(z) - 1"),
    "box_cox": ("z = (y^p - 1) / p, or log(y) for p = 0", "y = (p z + 1)^(1/p), or exp(z)"),
    "yeo_johnson": (
        "z = ((1 + y)^p - 1) / p, or log(1 + y) for p = 0; below 0 minus that of -y with 2 - p",
        "y = (p z + 1)^(1/p) - 1, or exp(z) - 1; below 0 minus that of -z with 2 - p",
    ),
}
"""Formulas of each transform and its inverse; p is the stored power."""
_POWER_TRANSFORMS = ("box_cox", "yeo_johnson")


def render_export_readme(metadata: ExportMetadata, run_name: str) -> str:
    """The README as Markdown, from the content of `export.json`."""
    context = {
        **metadata,
        "run_name": run_name,
        "input_meanings": INPUT_MEANINGS,
        "output_meanings": OUTPUT_MEANINGS,
        "transformed": list(_transform_rows(metadata)),
        "has_equiprobable_values": any(
            output["name"] == "equiprobable_values"
            for model in metadata["models"]
            for output in model["outputs"]
        ),
        "bounds": list(_bound_rules(metadata)),
        "example_input": _example_input,
    }
    return render_template("export_readme.md", **context)


def _transform_rows(metadata: ExportMetadata) -> Iterator[tuple[str, str, float | None, str, str]]:
    """Name, method, power (None if it has none), formula and inverse of each transformed target."""
    methods, powers = metadata["transform"]["methods"], metadata["transform"]["powers"]
    for name, method, power in zip(metadata["targets"], methods, powers, strict=True):
        if method != "none":
            formulas = TRANSFORM_FORMULAS[method]
            yield name, method, power if method in _POWER_TRANSFORMS else None, *formulas


def _bound_rules(metadata: ExportMetadata) -> Iterator[tuple[str, list[str]]]:
    """Targets whose forecasts are bounded, and how."""
    bounds = metadata["bounds"]
    for name, non_negative, is_integer in zip(
        metadata["targets"], bounds["non_negative"], bounds["integer_valued"], strict=True
    ):
        rules = ["raised to 0 where it is below"] * non_negative
        rules += ["rounded to integers"] * is_integer
        if rules:
            yield name, rules


def _example_input(tensor: ExportMetadata) -> str:
    """Code of an example input for one window: values of 100, masks of ones, zeros otherwise."""
    shape = repr((1, *tensor["shape"][1:]))
    if tensor["name"] == "values":
        return f"np.full({shape}, 100.0)"
    if tensor["dtype"] == "bool":
        return f"np.ones({shape}, dtype=bool)"
    return f'np.zeros({shape}, dtype="{tensor["dtype"]}")'
