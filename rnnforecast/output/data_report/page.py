"""Self-contained HTML page about a data set: quality grades, plots, and changes by cleaning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rnnforecast.data.profiling.cleaning_report import format_share
from rnnforecast.data.profiling.example_series import MAX_EXAMPLES
from rnnforecast.data.profiling.grades import headline
from rnnforecast.data.profiling.profile import Profile
from rnnforecast.output.data_report.plots import (
    plot_bars,
    plot_coverage,
    plot_examples,
    plot_series_histogram,
)
from rnnforecast.output.rendering import render_template
from rnnforecast.output.style import PAGE_CSS

GRADE_SYMBOLS = {"good": "✓", "look": "!", "bad": "✗"}
"""Shown beside the color of a grade, for colorblind readers."""
MAX_TARGET_HISTOGRAMS = 3


class TitledPlot(NamedTuple):
    """A PNG with a title and one sentence."""

    title: str
    text: str
    png: bytes


def render_data_report(
    title: str,
    profile: Profile,
    sentences: Sequence[str],
    table: tuple[Sequence[str], Sequence[Sequence[str]]],
    *,
    targets: Sequence[str],
) -> str:
    """The page as HTML.

    Args:
        sentences: one about the size of the data, then findings and changes.
        table: header and rows of the series with most repairs.
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
        coverage_plot=plot_coverage(profile.coverage),
        gaps_plot=_gaps_plot(profile),
        season_plot=_season_plot(profile),
        examples_plot=plot_examples(profile.examples, profile.phase_names),
        comparison_plots=_comparison_plots(profile, targets),
        sign_shares=_sign_shares(profile),
        changes=sentences[1:],
        table_header=table[0],
        table_rows=table[1],
    )


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
