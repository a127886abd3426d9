"""Content of a forecast report: statements, series, and sections with charts and tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rnnforecast.output.forecast_report.charts import Chart
from rnnforecast.output.forecast_report.series_data import PicturedSeries, TimestampLabels


@dataclass(frozen=True)
class Statement:
    """A sentence at the top of the page; `grade` is ``good``, ``look``, ``bad`` or empty."""

    text: str
    grade: str = ""


@dataclass(frozen=True)
class ReportTable:
    """A table of texts; without a header it is a list of facts.

    The first cell of a row names a series if `links_series`.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    links_series: bool = False


@dataclass(frozen=True)
class ReportSection:
    """A part of the page with a heading."""

    name: str
    """The anchor in the page."""
    title: str
    lines: tuple[str, ...] = ()
    graded: tuple[Statement, ...] = ()
    charts: tuple[Chart, ...] = ()
    table: ReportTable | None = None
    files: tuple[tuple[str, str], ...] = ()
    """Titles and texts that are shown as they are: a spec, commands."""


@dataclass(frozen=True)
class SeriesGallery:
    """The series that can be searched for and looked at."""

    series: Sequence[PicturedSeries]
    labels: TimestampLabels
    intervals: Sequence[float]
    """Nominal coverages, widest first."""
    note: str
    """How many series there are, and which of them the page has."""
    picture: Chart | None
    """The first series, for browsers without scripts and for print."""
    baseline_name: str = ""
    explanation: str = ""
    n_first: int = 0
    """Steps at the end of a series that are shown before zooming; 0 for all."""


@dataclass(frozen=True)
class ForecastReport:
    """Everything on the page."""

    title: str
    subtitle_lines: tuple[str, ...]
    headlines: tuple[str, ...]
    """The forecast in words, one for each target."""
    statements: tuple[Statement, ...]
    gallery: SeriesGallery | None
    """None for a page without pictures of series."""
    sections: tuple[ReportSection, ...]
