"""Which methods a forecast without a training is computed by, in words, with their counts."""

from __future__ import annotations

import numpy as np

from rnnforecast.pipeline.run import Run
from rnnforecast.pipeline.series_errors import fallback_name
from rnnforecast.pipeline.untrained_forecast import many_zeros_mask
from rnnforecast.workflow.predict_forecast import Prediction


def untrained_methods(run: Run, prediction: Prediction) -> str:
    """What the forecasts of series, or of their targets, are computed by."""
    status, errors = prediction.status, prediction.errors
    noun = "series" if status.shape[1] == 1 else "targets of series"
    is_usual = ~np.isin(status, ("fallback", "skipped"))
    many_zeros = many_zeros_mask(prediction.cleaned, run.statistical_seasons) & is_usual
    both = int((is_usual & ~many_zeros).sum())
    parts = []
    if both:
        parts.append(
            f"{both:,} {noun} by the pretrained network and by statistical methods, which are "
            "fitted to each series by itself, weighted by their errors at an earlier time of the "
            "same series"
        )
    if alone := int(many_zeros.sum()):
        parts.append(f"{alone:,} {noun} with many zeros by the pretrained network alone")
    is_simple = status == "fallback"
    for code in dict.fromkeys(errors.code[is_simple].tolist()):
        own = is_simple & (errors.code == code)
        reasons = list(dict.fromkeys(errors.reason[own].tolist()))
        reason = reasons[0] if len(reasons) == 1 else f"{code}; the first: {reasons[0]}"
        method = fallback_name(run.spec.forecast)
        parts.append(f"{int(own.sum()):,} {noun} by the {method} method ({reason})")
    if skipped := int((status == "skipped").sum()):
        parts.append(f"{skipped:,} {noun} not at all")
    return (
        "No network was trained on these data. Each series is forecast from its own past: "
        f"{'; '.join(parts)}."
    )
