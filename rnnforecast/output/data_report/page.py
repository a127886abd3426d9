"""Self-contained HTML page about a data set: quality grades, plots, and changes by cleaning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rnnforecast.data.io.reading_notes import ReadingNote
from rnnforecast.data.profiling.cleaning_report import format_share
from rnnforecast.data.profiling.example_series import MAX_EXAMPLES
from rnnforecast.data.profiling.grades import headline
from rnnforecast.data.profiling.profile import Profile
from rnnforecast.output.data_report.plots import (
    HALF_WIDTH,
    plot_bars,
    plot_coverage,
    plot_examples,
    plot_series_histogram,
)
from rnnforecast.output.rendering import render_template
from rnnforecast.output.style import PAGE_CSS, format_rounded

GRADE_SYMBOLS = {"good": "✓", "look": "!", "bad": "✗"}
"""Shown beside the color of a grade, for colorblind readers."""
MAX_TARGET_HISTOGRAMS = 12
MAX_GROUPED_VALUE = 1e12
"""Larger values are in scientific notation."""


class TitledPlot(NamedTuple):
    """A PNG with a title and one sentence."""

    title: str
    text: str
    png: bytes


class ResponsivePlot(NamedTuple):
    """A PNG, and a half as wide one for narrow screens."""

    wide: bytes
    narrow: bytes


def render_data_report(
    title: str,
    profile: Profile,
    sentences: Sequence[str],
    table: tuple[Sequence[str], Sequence[Sequence[str]]],
    *,
    targets: Sequence[str],
    notes: Sequence[ReadingNote] = (),
    calendar: str = "",
) -> str:
    """The page as HTML.

    Args:
        sentences: one about the size of the data, then findings and changes.
        table: header and rows of the series with most repairs; without rows it is left out.
        notes: how the files were read.
        calendar: which days and hours are closed, in words.
    """
    grade, message = headline(profile.quality_grades)
    return render_template(
        "data_report.html",
        css=PAGE_CSS,
        title=title,
        subtitle_lines=sentences[:1],
        symbols=GRADE_SYMBOLS,
        grade=grade,
        headline=message,
        profile=profile,
        n_rows=len(profile.coverage.row_labels),
        n_covered=int(profile.coverage.series_counts.sum()),
        coverage_plot=ResponsivePlot(
            plot_coverage(profile.coverage), plot_coverage(profile.coverage, HALF_WIDTH)
        ),
        gaps_plot=_gaps_plot(profile),
        season_plot=_season_plot(profile),
        examples_plot=ResponsivePlot(
            plot_examples(profile.examples, profile.phase_names),
            plot_examples(profile.examples, profile.phase_names, HALF_WIDTH),
        ),
        examples_have_gaps=any(np.isnan(one.values).any() for one in profile.examples),
        examples_have_patterns=any(len(one.seasonal_pattern) for one in profile.examples),
        n_hidden_targets=_n_hidden_targets(profile, len(targets)),
        target_rows=_target_rows(profile, targets),
        comparison_plots=_comparison_plots(profile, targets),
        sign_shares=_sign_shares(profile),
        notes=sorted(notes, key=lambda note: not note.is_doubtful),
        n_doubtful=sum(note.is_doubtful for note in notes),
        calendar=calendar,
        changes=sentences[1:],
        table_header=table[0],
        table_rows=table[1],
    )


def _n_hidden_targets(profile: Profile, n_targets: int) -> int:
    """How many targets of each series are not among the examples."""
    series = {one.series for one in profile.examples}
    return n_targets - len(profile.examples) // max(len(series), 1)


def _target_rows(profile: Profile, targets: Sequence[str]) -> list[list[str]]:
    """A row for each target, if there are several: its name, missing values, and range."""
    if len(targets) < 2:
        return []
    rows = []
    for column, name in enumerate(targets):
        missing = profile.missing_shares[column]
        values = [_format_value(value) for value in profile.value_ranges[column]]
        rows.append([name, "–" if missing == 0 else format_share(float(missing)), *values])
    return rows


def _format_value(value: float) -> str:
    if not np.isfinite(value):
        return "–"
    return format_rounded(value) if abs(value) < MAX_GROUPED_VALUE else f"{value:.3g}"


def _gaps_plot(profile: Profile) -> bytes | None:
    gaps = profile.gaps
    if not gaps.longest_steps:
        return None
    return plot_bars(gaps.counts_by_length, axis_label="number of gaps, by length")


def _season_plot(profile: Profile) -> bytes | None:
    if not profile.season_strengths:
        return None
    return plot_bars(
        profile.season_strengths,
        axis_label="share of the variance explained",
        highlight=profile.season_name,
        as_percent=True,
    )


def _comparison_plots(profile: Profile, targets: Sequence[str]) -> list[TitledPlot]:
    """Plots of differences between series; none if the examples show all series."""
    plots: list[TitledPlot] = []
    if profile.n_series <= MAX_EXAMPLES:
        return plots
    if profile.behind_counts:
        late = sum(profile.behind_counts.values())
        label = "number of series, by steps before the end"
        text = f"{late:,} series end{'s' * (late == 1)} before the last one does."
        plots.append(TitledPlot("Ends", text, plot_bars(profile.behind_counts, axis_label=label)))
    if profile.lengths.min() < profile.lengths.max():
        png = plot_series_histogram(profile.lengths, axis_label="steps")
        plots.append(TitledPlot("Lengths", "Steps from the first value to the last.", png))
    for column, target in enumerate(targets[:MAX_TARGET_HISTOGRAMS]):
        png = plot_series_histogram(profile.medians[:, column], axis_label=target)
        plots.append(TitledPlot(f"Levels of {target}", "The median of each series.", png))
    return plots


def _sign_shares(profile: Profile) -> list[str]:
    shares = {"zero": profile.zero_share, "negative": profile.negative_share}
    return [
        f"{format_share(share)} of the values are {sign}" for sign, share in shares.items() if share
    ]
