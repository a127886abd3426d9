"""The page of `nightly.py`: what the job did in each night, beside the live error by day."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import jinja2
import matplotlib.dates as mdates
import pandas as pd
from matplotlib.figure import Figure

from rnnforecast.output.plot_style import as_png, style_axes
from rnnforecast.output.style import BLUE, GRAY, GRID_COLOR, MUTED_COLOR, ORANGE, PAGE_CSS, PINK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nightly import Night, Simulation

OUTCOMES = {
    "published": BLUE,
    "nothing new to publish": "#a3c8e2",
    "refused": ORANGE,
    "killed": PINK,
}
"""What a night may end with, and its color."""

MAX_SHOWN = 3.0
"""The largest live error on the axis."""

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{{ title }}</title><style>{{ css | safe }}</style></head><body>
<h1>{{ title }}</h1>
<p class="faint">{{ subtitle }}</p>
{% if wrong %}<p class="bad headline">{{ wrong | length }} not as it must be</p>
<ul>{% for line in wrong %}<li>{{ line }}</li>{% endfor %}</ul>
{% else %}<p class="good headline">All nights ended as they must.</p>{% endif %}
<div class="scroll"><img alt="Each night, and the live error by day" src="{{ picture }}"></div>
<h2>Counts</h2>
<table><tr><th>nights</th><th>count</th></tr>
{% for name, count in counts.items() %}<tr><td>{{ name }}</td><td>{{ count }}</td></tr>{% endfor %}
</table>
<h2>Nights with something to say</h2>
<div class="scroll"><table>
<tr><th>night</th><th>day</th><th>delivery</th><th>exit</th><th>findings</th><th>alarms</th>
<th>model</th><th>what was said</th></tr>
{% for row in rows %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>{% endfor %}
</table></div></body></html>
"""


def write_page(
    path: Path, simulation: Simulation, errors: pd.Series, wrong: Sequence[str], seconds: float
) -> None:
    """Writes the page."""
    import base64

    quarter, nights = simulation.quarter, simulation.nights
    outcomes = [outcome(night) for night in nights]
    counts = {name: outcomes.count(name) for name in OUTCOMES}
    counts |= {f"model {name}": 0 for name in ("promoted", "kept_aside")}
    for night in nights:
        if f"model {night.retrain}" in counts:
            counts[f"model {night.retrain}"] += 1
    picture = base64.b64encode(_draw(simulation, errors)).decode("ascii")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    text = environment.from_string(PAGE).render(
        title=f"{len(nights)} nights of a job",
        css=PAGE_CSS + "td { text-align: left; } .scroll td { white-space: normal; }",
        subtitle=f"{quarter.series} hourly series in local time, from {quarter.first} on; a drift "
        f"from night {quarter.drift} on; {seconds:.0f} seconds on one core",
        wrong=wrong,
        picture=f"data:image/png;base64,{picture}",
        counts=counts,
        rows=[_row(simulation, night) for night in nights if _is_notable(night)],
    )
    path.write_text(text, encoding="utf-8")


def outcome(night: Night) -> str:
    """What a night ended with."""
    if night.exit_code < 0:
        return "killed"
    if night.exit_code not in (0, 6):
        return "refused"
    return "nothing new to publish" if night.event == "late" else "published"


def _is_notable(night: Night) -> bool:
    return bool(night.event or night.codes or night.alarms or night.retrain not in ("", "not_due"))


def _row(simulation: Simulation, night: Night) -> list[str]:
    quarter = simulation.quarter
    what = night.retrain_message if night.retrain not in ("", "not_due") else ""
    if night.exit_code:
        what = night.message
    model = night.retrain.replace("_", " ") if night.retrain != "not_due" else ""
    return [
        str(night.number),
        str(quarter.day(night.number)),
        night.event,
        str(night.exit_code),
        ", ".join(night.codes),
        ", ".join(night.alarms),
        model,
        what,
    ]


@as_png(dpi=150)
def _draw(figure: Figure, simulation: Simulation, errors: pd.Series) -> None:
    """Two panels over the same days: a mark a night, and the live error."""
    quarter, nights = simulation.quarter, simulation.nights
    figure.set_size_inches(10, 4.6)
    figure.set_layout_engine("constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(1, 2.4))
    for name, color in OUTCOMES.items():
        days = [quarter.day(each.number) for each in nights if outcome(each) == name]
        top.scatter(days, [3] * len(days), s=22, marker="s", color=color, label=name)
    for row, color, chosen in (
        (2, ORANGE, [each for each in nights if each.alarms]),
        (1, GRAY, [each for each in nights if each.retrain == "kept_aside"]),
        (0, BLUE, [each for each in nights if each.retrain in ("first", "promoted")]),
    ):
        days = [quarter.day(each.number) for each in chosen]
        top.scatter(days, [row] * len(days), s=26, marker="^", color=color)
    top.set_yticks([3, 2, 1, 0], ["night", "alarm", "model kept aside", "model promoted"])
    top.set_ylim(-0.6, 3.6)
    top.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=len(OUTCOMES), frameon=False)
    bottom.plot(list(errors.index), errors.to_numpy(), color=BLUE, linewidth=1.4)
    bottom.axhline(1, color=GRAY, linewidth=0.8, linestyle="--")
    bottom.set_ylabel("live error, yesterday's values = 1")
    bottom.set_ylim(0, min(1.05 * float(errors.max()), MAX_SHOWN))
    for axes in (top, bottom):
        style_axes(axes)
        axes.grid(axis="x", color=GRID_COLOR, linewidth=0.6)
        if quarter.drift < quarter.days:
            axes.axvline(quarter.day(quarter.drift), color=MUTED_COLOR, linewidth=1)
    if quarter.drift < quarter.days:
        bottom.annotate(
            " drift", (mdates.date2num(quarter.day(quarter.drift)), 0.02), color=MUTED_COLOR
        )
