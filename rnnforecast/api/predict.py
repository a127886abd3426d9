"""A forecast without a training in Python: `rnnforecast.predict`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rnnforecast.api.inputs import DataLike, SpecLike, TimeLike, read_inputs, whole_number
from rnnforecast.api.progress import ApiListener, Progress
from rnnforecast.spec.load import RULES_WITHOUT_HORIZON

if TYPE_CHECKING:
    import pandas as pd


def predict(
    data: DataLike | None = None,
    horizon: int | None = None,
    *,
    spec: SpecLike | None = None,
    origin: TimeLike | None = None,
    progress: Progress = "auto",
) -> pd.DataFrame:
    """Forecasts every series from its end on, without a training.

    The forecast is that of statistical methods, which are fitted to each series, and of a network
    that was pretrained on synthetic series and comes with the package. Covariates are not read. For
    networks trained on the data, which often forecast many long series better, see `train`.

    Args:
        data: the history: a data frame (of pandas, polars, or any library that narwhals reads), the
            path of a file or folder, or a list of these; those of `data.path` in the spec if not
            given.
        horizon: steps ahead; that of the spec, or what is usual for the data, if not given.
        spec: the path of a YAML file, a dict of its sections, or a `Spec`, for columns, cleaning,
            quantiles and the like; all is detected if not given.
        origin: the first timestamp to forecast, from what was known before it: as text, a date, a
            `pandas.Timestamp`, or a whole number for steps that are counted; the end of each series
            if not given.
        progress: see `train`.

    Returns:
        The table of `Run.predict`.

    Raises:
        SpecError: the spec is not valid.
        DataError: the data cannot be used.
        StaleInput: the data are beyond an error limit of the section checks of the spec.

    Warns:
        ForecastWarning: what cleaning changed; findings of the checks; series without a forecast,
            which are left out.

    Examples:
        >>> import pandas as pd
        >>> import rnnforecast as rf
        >>> days = pd.date_range("2024-01-01", periods=60)
        >>> sales = pd.DataFrame({"ds": days, "y": [10.0 + day % 7 for day in range(60)]})
        >>> rf.predict(sales, horizon=3)["ds"].dt.strftime("%Y-%m-%d").tolist()
        ['2024-03-01', '2024-03-02', '2024-03-03']
    """
    horizon = whole_number(horizon, "horizon")
    spec = {} if spec is None else spec
    has_horizon = horizon is not None or not _lacks_horizon(spec)
    if horizon is None and has_horizon:
        inputs = read_inputs(spec, data)
    else:
        window = {"horizon": horizon or 1}
        inputs = read_inputs(spec, data, rules=RULES_WITHOUT_HORIZON, window=window)
    from rnnforecast.api.run import forecast_frame
    from rnnforecast.workflow.predict_request import ForecastRequest
    from rnnforecast.workflow.predict_subject import UntrainedSubject
    from rnnforecast.workflow.predict_totals import NO_EXTRA_TABLES
    from rnnforecast.workflow.predict_untrained import forecast_untrained

    listener = ApiListener(progress)
    subject = UntrainedSubject("data", "data", inputs.source, inputs.spec, has_horizon)
    origin = None if origin is None else str(origin)
    request = ForecastRequest(None, origin, NO_EXTRA_TABLES, listener=listener)
    _, prediction = forecast_untrained(subject, request)
    if prediction.failed:
        listener.warning(str(prediction.part_failed_error()))
    return forecast_frame(prediction)


def _lacks_horizon(spec: SpecLike) -> bool:
    """Whether a spec of plain values leaves the horizon open."""
    if not isinstance(spec, Mapping):
        return False
    window = spec.get("window")
    return window is None or (isinstance(window, Mapping) and window.get("horizon") is None)
