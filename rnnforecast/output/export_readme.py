"""The page beside an exported network: what it reads and says, and how to ask it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

ExportMetadata = Mapping[str, Any]

OUTPUT_MEANINGS = {
    "quantiles": "the quantiles, a column a level",
    "point": "the point forecast",
    "shares": "equally likely values: see *From the file's scale to the data's*",
}
INPUT_MEANINGS = {
    "values": "the targets, oldest step first; a gap holds what *Missing values* says",
    "value_mask": "true where the network is to take the value as one",
    "input_mask": "true where the number may be read, if only as a stand-in for a missing one",
    "elapsed": "steps since the last observation: 0 where observed; before the first one, steps "
    "since the series began, the step itself counted",
    "past": "columns known up to now",
    "past_codes": "the same, categories as codes",
    "future": "columns known ahead: of the lookback, then of the steps to forecast",
    "future_codes": "the same, categories as codes",
    "static": "columns with one value a series",
    "static_codes": "the same, categories as codes",
    "item": "the place of the series and target in `items` of `export.json`, from 0; the number of "
    "items for one that was not there in training",
    "phase": "the place of the window's first step on the calendar, in steps: "
    "`rnnforecast.data.time.frequency.parse(FREQUENCY).ordinals(stamp)`",
}
EXAMPLE_INPUTS = {"values": "np.full({shape}, 100.0)"}
"""How the example makes an input; the others are ones if bool, else zeros."""

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


def render_export_readme(metadata: ExportMetadata, run_name: str) -> str:
    """`README.md` as Markdown; `facts` are those of `export.json`, `name` is the run's."""
    parts = [
        f"# {run_name} as ONNX",
        _intro_section(metadata),
        *(_model_section(model, metadata) for model in metadata["models"]),
        _missing_values_section(metadata),
        _covariates_section(metadata["columns"]),
        _scale_section(metadata),
        _members_section(metadata),
        _example_section(metadata),
        _verification_section(metadata),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _intro_section(metadata: ExportMetadata) -> str:
    zone = f", in {metadata['timezone']}" if metadata["timezone"] else ""
    targets = ", ".join(f"`{name}`" for name in metadata["targets"])
    of = (
        f"The C = {len(metadata['targets'])} targets of a series, {targets}, are read and forecast "
        "together."
        if metadata["together"]
        else f"A window is of one series and one target ({targets}): C = 1"
    )
    return (
        "From a window of history to quantiles of what follows. Normalisation, the network and "
        "the way back to the scale of the input are all inside the file.\n\n"
        f"- a step is one of the calendar's: `{metadata['frequency']}`{zone}\n"
        f"- B windows at once, as many as wanted\n- {of[0].lower()}{of[1:]}\n"
        f"- H = {metadata['horizon']} steps are forecast\n"
        f"- levels of the Q = {len(metadata['quantiles'])} quantiles: "
        + ", ".join(f"{level:g}" for level in metadata["quantiles"])
    )


def _model_section(model: ExportMetadata, metadata: ExportMetadata) -> str:
    lookback = model["inputs"][0]["shape"][1]
    rows = [
        f"## {model['file']}",
        f"It reads L = {lookback} steps of history; operator set {model['opset']}.",
        _tensor_table(model["inputs"], "input", INPUT_MEANINGS),
        _tensor_table(model["outputs"], "output", OUTPUT_MEANINGS),
    ]
    return "\n\n".join(rows)


def _tensor_table(
    tensors: Sequence[ExportMetadata], header: str, meanings: Mapping[str, str]
) -> str:
    lines = [f"| {header} | shape | type | what |", "| --- | --- | --- | --- |"]
    for port in tensors:
        shape = ", ".join(str(side) for side in port["shape"])
        lines.append(
            f"| `{port['name']}` | [{shape}] | {port['dtype']} | {meanings[port['name']]} |"
        )
    return "\n".join(lines)


def _missing_values_section(metadata: ExportMetadata) -> str:
    pairs = zip(metadata["targets"], metadata["missing"], strict=True)
    methods = ", ".join(f"`{method}` for `{name}`" for name, method in pairs)
    return (
        "## Missing values\n\n"
        "No input may hold NaN. Steps before the first of a series are 0 with `visible` and "
        f"`present` false. Gaps are filled as in training (`clean.missing`: {methods}):\n\n"
        "- `mask`: the last observation again, `visible` false, `present` true from the first "
        "observation on\n"
        "- any other: the filled value, `visible` and `present` true; where nothing can be filled "
        "in, 0 with both false; beyond `clean.max_gap` as with `mask`\n\n"
        "Outliers and other repairs of the spec's section `clean` are the caller's to make."
    )


def _covariates_section(columns: Mapping[str, Sequence[ExportMetadata]]) -> str:
    if not columns:
        return ""
    lines = [
        "## Covariates",
        "",
        "| input | column | made from | how |",
        "| --- | --- | --- | --- |",
    ]
    for name, told in columns.items():
        for place, one in enumerate(told):
            how = one["is"] + (" (the codes are in `export.json`)" if "codes" in one else "")
            lines.append(f"| `{name}` | {place} | {one['name']} | {how} |")
    return "\n".join([*lines, "", "Numbers are float32; all are 0 before a series begins."])


def _scale_section(metadata: ExportMetadata) -> str:
    methods, powers = metadata["transform"]["methods"], metadata["transform"]["powers"]
    lines = []
    for name, method, power in zip(metadata["targets"], methods, powers, strict=True):
        if method != "none":
            forth, back = TRANSFORM_FORMULAS[method]
            of = f" with p = {power!r}" if "p" in back.replace("exp", "") else ""
            lines.append(f"- `{name}` (`{method}`{of}): before, {forth}; after, {back}")
    if lines:
        lines.insert(0, "`values` and what the file says are on the scale of `clean.transform`:\n")
    else:
        lines.append("`values` and what the file says are in the units of the data.")
    if any(out["name"] == "shares" for model in metadata["models"] for out in model["outputs"]):
        lines.append(
            "\nThe forecast is a mean. On the scale of the data it is the mean of `shares`, each "
            "of them brought back, not `point` brought back."
        )
    below, above = metadata["widening"]["below"], metadata["widening"]["above"]
    if (below, above) != (1, 1):
        lines.append(
            "\n`predict` first moves each quantile on this scale, by the errors of the validation "
            f"part: its distance from `point` is multiplied with {below!r} below it, with "
            f"{above!r} above."
        )
    bounds = list(_bounds_items(metadata))
    if bounds:
        lines += [
            "\n`predict` makes its forecasts obey what all data of the training did:\n",
            *bounds,
        ]
    return "\n".join(["## From the file's scale to the data's\n", *lines])


def _bounds_items(metadata: ExportMetadata) -> Iterator[str]:
    held = zip(
        metadata["targets"],
        *(metadata["bounds"][k] for k in ("non_negative", "integer_valued")),
        strict=True,
    )
    for name, positive, whole in held:
        rules = ["raised to 0 where it is below"] * positive + ["rounded to whole numbers"] * whole
        if rules:
            yield f"- `{name}` is {' and '.join(rules)}"


def _members_section(metadata: ExportMetadata) -> str:
    weights, method = metadata["combination"]["weights"], metadata["combination"]["method"]
    count = metadata["members"]
    if count == 1:
        return ""
    how = "the mean weighted by " + ", ".join(f"{w:g}" for w in weights) if weights else method
    if not weights:
        how = f"the {method}"
    return (
        "## Several networks\n\n"
        f"The run has {count} networks. `predict` brings what each says to the scale of the data "
        f"and takes, number by number, {how} of them."
    )


def _example_section(metadata: ExportMetadata) -> str:
    model = metadata["models"][0]
    lines = [
        "import numpy as np",
        "import onnxruntime",
        "",
        f'session = onnxruntime.InferenceSession("{model["file"]}")',
        "window = {",
        *(f'    "{port["name"]}": {_example_input(port)},' for port in model["inputs"]),
        "}",
        'quantiles, point = session.run(["quantiles", "point"], window)',
        "print(quantiles[0, :, 0])  # a row a step, a column a level",
    ]
    return "## Asking it\n\nOne window of 100s:\n\n```python\n" + "\n".join(lines) + "\n```"


def _example_input(tensor: ExportMetadata) -> str:
    shape = "(" + ", ".join(str(side) for side in [1, *tensor["shape"][1:]]) + ",)"
    shape = shape.replace(",)", ")") if len(tensor["shape"]) > 1 else shape
    if tensor["name"] in EXAMPLE_INPUTS:
        return EXAMPLE_INPUTS[tensor["name"]].format(shape=shape)
    kind = "bool" if tensor["dtype"] == "bool" else f'"{tensor["dtype"]}"'
    return f"np.{'ones' if kind == 'bool' else 'zeros'}({shape}, dtype={kind})"


def _verification_section(metadata: ExportMetadata) -> str:
    check, versions = metadata["check"], metadata["versions"]
    what = "windows of the run's data" if check["of_data"] else "windows that were made up"
    told = ", ".join(f"{name} {version}" for name, version in versions.items())
    return (
        "## How close it is\n\n"
        f"onnxruntime was asked about {check['windows']} {what}, all at once and one by one. What "
        "it said differs from what the network in torch says by at most "
        f"{check['largest_difference']:.1e} of the largest quantile of the window; more than "
        f"{check['limit']:g} would have been refused. Made with {told}."
    )
