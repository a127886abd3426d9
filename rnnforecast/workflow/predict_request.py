"""Request for a forecast: its horizon and origin, extra tables, checks, and what runs it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from rnnforecast.parallel.engine import Engine
from rnnforecast.pipeline.checks.context import PreviousForecast
from rnnforecast.pipeline.checks.run_checks import CheckOptions
from rnnforecast.pipeline.progress import NullListener, ProgressListener
from rnnforecast.pipeline.run import Run
from rnnforecast.workflow.predict_totals import ExtraTablesRequest


@dataclass(frozen=True)
class ForecastRequest:
    """Request for a forecast of a run, or of data without one."""

    horizon: int | None = None
    """Steps ahead; the run's by default."""
    origin: str | None = None
    """The first timestamp to forecast, from what was known before it; the end of each series by
    default."""
    extra_tables: ExtraTablesRequest = field(default_factory=ExtraTablesRequest)
    """Totals and sample paths, written beside the forecast."""
    checks: CheckOptions | None = field(default_factory=CheckOptions)
    """The time that counts as now, and how strict the checks are; None for none, as with an
    `origin`."""
    previous: PreviousForecast | None = None
    """The forecast that is to be replaced."""
    engine: Engine | None = None
    """Runs the partitions, or the statistical forecasts of many series, see
    `statistical_quantiles`."""
    listener: ProgressListener = field(default_factory=NullListener)

    @property
    def now(self) -> datetime:
        """The time that counts as now."""
        return (self.checks or CheckOptions()).now

    def steps(self, run: Run) -> int:
        """Steps ahead."""
        return self.horizon or run.horizon
