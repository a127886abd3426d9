"""One HTML page about a data set: verdicts first, then pictures, then what was changed.

The page stands alone: pictures are inside, nothing is fetched, it prints.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape

from rnnforecast.data.profiling.cleaning_report import format_percent
from rnnforecast.data.profiling.example_series import MAX_EXAMPLES
from rnnforecast.data.profiling.grades import headline
from rnnforecast.data.profiling.profile import Profile
from rnnforecast.data.time.format import format_timestamp
from rnnforecast.output.data_report import plots as pictures

GRADE_SYMBOLS = {"good": "✓", "look": "!", "bad": "✗"}
"""A sign beside the colour: not everybody sees the colour."""

_PAGE_CSS = """
body { font: 15px/1.5 system-ui, sans-serif; color: #262626; margin: 2rem auto; max-width: 62rem;
  padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0; } h2 { font-size: 1.1rem; margin: 2rem 0 .3rem; }
p { margin: .3rem 0; } .faint { color: #6b6b6b; }
table { border-collapse: collapse; font-size: 13px; }
th, td { text-align: right; padding: .15rem .7rem .15rem 0; border-bottom: 1px solid #e6e6e6; }
th:first-child, td:first-child { text-align: left; }
.verdicts td { text-align: left; font-size: 15px; border: 0; }
.good { color: #00694b; } .look { color: #8a5a00; } .bad { color: #b03000; }
.grade { font-weight: 600; white-space: nowrap; vertical-align: top; }
.headline { font-size: 1.25rem; font-weight: 600; margin: 1rem 0 .4rem; }
.pair { display: flex; flex-wrap: wrap; gap: 0 2%; } .pair > div { flex: 0 1 49%; }
.pair > p { flex-basis: 100%; } img { max-width: 100%; height: auto; display: block; }
td { overflow-wrap: anywhere; } ul { margin: .3rem 0; padding-left: 1.2rem; }
@media (max-width: 44rem) { .pair > div { flex-basis: 100%; } }
@media print { body { margin: 0; font-size: 12px; } h2 { break-after: avoid; }
  img, tr { break-inside: avoid; } }
"""


def render_data_report(
    title: str,
    profile: Profile,
    sentences: Sequence[str],
    table: tuple[Sequence[str], Sequence[Sequence[str]]],
    *,
    targets: Sequence[str],
) -> str:
    """The page as text.

    `sentences` say what was found and changed; `table` has a header and rows of the series with
    most to repair.
    """
    grade, says = headline(profile.quality_grades)
    changed = "".join(f"<li>{escape(line)}</li>" for line in sentences[1:])
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="faint">{escape(sentences[0]) if sentences else ""}</p>',
        f'<p class="headline {grade}">{GRADE_SYMBOLS[grade]} {escape(says)}.</p>',
        _verdicts_table(profile),
        _coverage_section(profile),
        '<div class="pair">',
        *_gaps_section(profile),
        *_season_section(profile),
        "</div>",
        *_examples_section(profile),
        '<div class="pair">',
        *_comparison_section(profile, targets),
        "</div>",
        _section_heading("What was found and changed", "") + f"<ul>{changed}</ul>"
        if changed
        else "",
        _repairs_table(*table),
    ]
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{_PAGE_CSS}</style>"
    )
    return (
        f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(parts)}</body></html>\n'
    )


def _section_heading(title: str, text: str) -> str:
    return f'<h2>{escape(title)}</h2><p class="faint">{escape(text)}</p>'


def _image_tag(png: bytes, alt_text: str) -> str:
    data = base64.b64encode(png).decode("ascii")
    return f'<img alt="{escape(alt_text)}" src="data:image/png;base64,{data}">'


def _verdicts_table(profile: Profile) -> str:
    rows = (
        f'<tr><td class="grade {v.grade}">{GRADE_SYMBOLS[v.grade]} {v.grade}</td><td>{escape(v.message)}</td>'
        "</tr>"
        for v in profile.quality_grades
    )
    return f'<table class="verdicts">{"".join(rows)}</table>'


def _coverage_section(profile: Profile) -> str:
    says = "Time from left to right."
    if profile.n_series > 1:
        says = (
            "Above, how many series have a value; below, which. "
            "The series that begin first stand at the top, time goes from left to right"
        )
        each = profile.n_series / len(profile.coverage.row_labels)
        says += "." if each == 1 else f"; a row stands for about {each:,.0f} series, its colours"
        says += "" if each == 1 else " mixed by their shares."
    png = pictures.plot_coverage(profile.coverage)
    return _section_heading("Where there are values", says) + _image_tag(
        png, "coverage: series by time"
    )


def _gaps_section(profile: Profile) -> list[str]:
    gap = profile.gaps
    if not gap.longest_steps:
        return ["<div>" + _section_heading("Gaps", "There is none.") + "</div>"]
    longest = f"{gap.longest_steps:,} step{'s' * (gap.longest_steps != 1)}"
    named = f" of {gap.longest_series}" if profile.n_series > 1 else ""
    since = format_timestamp(gap.longest_start)
    says = f"Steps without a value. The longest gap is {longest}{named}, from {since}."
    png = pictures.plot_bars(gap.counts_by_length, axis_label="number of gaps, by length")
    return ["<div>" + _section_heading("Gaps", says), _image_tag(png, "lengths of gaps"), "</div>"]


def _season_section(profile: Profile) -> list[str]:
    if not profile.season_strengths:
        says = (
            f"{profile.season_name}, as given." if profile.season_name else "No length was tried."
        )
        return ["<div>" + _section_heading("Season", says) + "</div>"]
    says = "No season was found."
    if profile.season_name:
        share = profile.seasonality.strength
        says = f"{profile.season_name}: explains {share:.0%} of the variance around the trend."
    if len(profile.season_strengths) > 1:
        says += " Each length is tried alone, and may explain what another does too."
    png = pictures.plot_bars(
        profile.season_strengths, axis_label="share of the variance explained", highlight=profile.season_name,
        as_percent=True,
    )  # fmt: skip
    return [
        "<div>" + _section_heading("Season", says),
        _image_tag(png, "strength of seasons"),
        "</div>",
    ]


def _examples_section(profile: Profile) -> list[str]:
    says = "The last steps. Shaded: missing (orange: filled, red: not)."
    if profile.outlier_count:
        says += " Rings: outliers."
    title = "The series" if profile.n_series == 1 else "A few series"
    png = pictures.plot_examples(profile.examples, profile.phase_names)
    return [_section_heading(title, says), _image_tag(png, "example series")]


def _comparison_section(profile: Profile, targets: Sequence[str]) -> list[str]:
    """Pictures of how series differ, unless the examples show them all."""
    found = []
    if profile.n_series > MAX_EXAMPLES:
        if profile.behind_counts:
            late = sum(profile.behind_counts.values())
            png = pictures.plot_bars(
                profile.behind_counts, axis_label="number of series, by steps before the end"
            )
            found.append(
                ("Ends", f"{late:,} series end{'s' * (late == 1)} before the last one does.", png)
            )
        if profile.lengths.min() < profile.lengths.max():
            png = pictures.plot_histogram(profile.lengths, axis_label="steps")
            found.append(("Lengths", "Steps from the first value to the last.", png))
        for column, target in enumerate(targets[:3]):
            png = pictures.plot_histogram(profile.medians[:, column], axis_label=target)
            found.append((f"Levels of {target}", "The median of each series.", png))
    signs = [f"{format_percent(share)} of the values are {what}" for share, what in (
        (profile.zero_share, "zero"), (profile.negative_share, "negative")) if share]  # fmt: skip
    parts = [
        f"<div>{_section_heading(title, says)}{_image_tag(png, title)}</div>"
        for title, says, png in found
    ]
    return [*parts, f"<p>{escape('; '.join(signs))}.</p>" if signs else ""]


def _repairs_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return (
        _section_heading("The series with most to repair", "")
        + f"<table><tr>{head}</tr>{body}</table>"
    )
