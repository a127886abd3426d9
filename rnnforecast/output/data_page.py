"""One HTML page about a data set: verdicts first, then pictures, then what was changed.

The page stands alone: pictures are inside, nothing is fetched, it prints.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape

from rnnforecast.data.profile import Profile
from rnnforecast.output import data_pictures as pictures

MARKS = {"good": "✓ good", "look": "◦ look", "bad": "✗ bad"}
"""A sign beside the colour: not everybody sees the colour."""

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #262626; margin: 2rem auto; max-width: 62rem;
  padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0; } h2 { font-size: 1.1rem; margin: 2rem 0 .3rem; }
p { margin: .3rem 0; } .faint { color: #6b6b6b; }
table { border-collapse: collapse; font-size: 13px; }
th, td { text-align: right; padding: .15rem .7rem .15rem 0; border-bottom: 1px solid #e6e6e6; }
th:first-child, td:first-child { text-align: left; }
.verdicts td { text-align: left; font-size: 15px; border: 0; }
.good { color: #00694b; } .look { color: #8a5a00; } .bad { color: #b03000; }
.grade { font-weight: 600; white-space: nowrap; }
.pair { display: flex; flex-wrap: wrap; gap: 2rem; } img { max-width: 100%; height: auto; }
"""


def page(
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
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="faint">{escape(sentences[0]) if sentences else ""}</p>',
        _verdicts(profile),
        _coverage(profile),
        '<div class="pair">',
        *_gaps(profile),
        *_season(profile),
        "</div>",
        _section("Series", "The last steps of a few series; red marks are missing values."),
        _image(pictures.examples(profile.examples, unit="steps before the end"), "example series"),
        '<div class="pair">',
        "<div>" + _section("Lengths", "steps from the first value to the last"),
        _image(pictures.histogram(profile.lengths, unit="steps"), "lengths of the series"),
        "</div>",
        *_levels(profile, targets),
        "</div>",
        _section("What was found and changed", ""),
        "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in sentences[1:]) + "</ul>",
        _table(*table),
    ]
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
    return (
        f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(parts)}</body></html>\n'
    )


def _section(title: str, says: str) -> str:
    return f'<h2>{escape(title)}</h2><p class="faint">{escape(says)}</p>'


def _image(png: bytes, says: str) -> str:
    data = base64.b64encode(png).decode("ascii")
    return f'<img alt="{escape(says)}" src="data:image/png;base64,{data}">'


def _verdicts(profile: Profile) -> str:
    rows = (
        f'<tr><td class="grade {v.grade}">{MARKS[v.grade]}</td><td>{escape(v.says)}</td></tr>'
        for v in profile.verdicts
    )
    return f'<table class="verdicts">{"".join(rows)}</table>'


def _coverage(profile: Profile) -> str:
    says = "Series from top to bottom in the order in which they begin, time from left to right"
    if len(profile.rows) < profile.looked_at:
        each = profile.looked_at / len(profile.rows)
        says += f"; a row stands for about {each:,.0f} series"
    if profile.looked_at < profile.series:
        says += f" ({profile.looked_at:,} of {profile.series:,} series, evenly spread)"
    png = pictures.coverage(profile.observed, profile.filled, profile.rows, profile.edges)
    return _section("Where there are values", says + ".") + _image(png, "coverage")


def _gaps(profile: Profile) -> list[str]:
    says = "steps without a value, by the length of the gap"
    if not profile.gaps:
        return ["<div>" + _section("Gaps", "There is none.") + "</div>"]
    png = pictures.bars(profile.gaps, unit="gaps")
    return ["<div>" + _section("Gaps", says), _image(png, "lengths of gaps"), "</div>"]


def _season(profile: Profile) -> list[str]:
    season = profile.season
    if not season.tried:
        return ["<div>" + _section("Season", "No length was tried.") + "</div>"]
    says = "no season was found"
    if season.length > 1:
        says = f"{season.length} steps, which explains {season.strength:.0%} of the variance"
    names = {f"{length} steps": strength for length, strength in season.tried.items()}
    unit, chosen = "share of the variance around the trend", f"{season.length} steps"
    png = pictures.bars(names, unit=unit, highlight=chosen, most=1.15)
    return ["<div>" + _section("Season", says), _image(png, "strength of seasons"), "</div>"]


def _levels(profile: Profile, targets: Sequence[str]) -> list[str]:
    parts = []
    for column, target in enumerate(targets[:3]):
        png = pictures.histogram(profile.levels[:, column], unit=target)
        heading = _section(f"Levels of {target}", "the median of each series")
        parts += [f"<div>{heading}", _image(png, f"levels of {target}"), "</div>"]
    return parts


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return _section("The series with most to repair", "") + f"<table><tr>{head}</tr>{body}</table>"
