"""Are the data fit to use? Five answers by stated rules, each with the number behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from rnnforecast.data.panel.changes import Changes
from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.panel.problems import spoken
from rnnforecast.data.profiling.coverage import behind

Grade = Literal["good", "look", "bad"]
LIMITS: dict[str, tuple[float, float]] = {
    "values": (0.95, 0.70),
    "length": (0.90, 0.50),
    "stamps": (0.99, 0.80),
    "fresh": (0.95, 0.70),
    "alive": (0.95, 0.50),
}
"""The least share for "good" and for "look" of each verdict."""
_CALLED = {
    "values": "missing values",
    "length": "short series",
    "stamps": "time stamps",
    "fresh": "series that end early",
    "alive": "constant series",
}
_STAMPS = {
    "duplicates": "repeat a stamp",
    "off_grid": "lie between two steps",
    "snapped": "were moved to a step",
    "interpolated": "were drawn on to steps",
    "ambiguous": "lie in an hour that comes twice",
    "skipped_hour": "lie in an hour that clocks skip",
}


@dataclass(frozen=True)
class Verdict:
    """One thing that matters, how it stands, and why."""

    about: str
    grade: Grade
    says: str


def judge(panel: Panel, changes: Changes, *, season: int, horizon: int) -> tuple[Verdict, ...]:
    """The five verdicts, in the order of `LIMITS`; series that were left out count as too short."""
    found = {
        "values": _values(panel),
        "length": _length(panel, changes, season, horizon),
        "stamps": _stamps(changes),
        "fresh": _fresh(panel, max(horizon, season)),
        "alive": _alive(changes),
    }
    return tuple(
        Verdict(about, grade(about, share), says) for about, (share, says) in found.items()
    )


def grade(aspect: str, share: float) -> Grade:
    """What a share is worth, by `LIMITS`."""
    good, look = LIMITS[aspect]
    return "good" if share >= good else "look" if share >= look else "bad"


def headline(grades: Sequence[Verdict]) -> tuple[Grade, str]:
    """All verdicts in one sentence, and the worst grade among them."""
    bad = [_CALLED[one.about] for one in grades if one.grade == "bad"]
    look = [_CALLED[one.about] for one in grades if one.grade == "look"]
    if bad:
        return "bad", f"Not fit to use as it is: {', '.join(bad + look)}"
    if look:
        return "look", f"Usable, but look at: {', '.join(look)}"
    return "good", "Fit to use"


def _values(panel: Panel) -> tuple[float, str]:
    share = float(panel.observed.mean())
    missing = int(panel.observed.size - panel.observed.sum())
    more = f"; {missing:,} of {panel.observed.size:,} are missing" if missing else ""
    return share, f"{_share(share)} of the values inside the series are there{more}"


def _length(panel: Panel, changes: Changes, season: int, horizon: int) -> tuple[float, str]:
    wanted = horizon + 2 * season
    counts = np.add.reduceat(panel.observed.any(axis=1).astype(np.int64), panel.offsets[:-1])
    enough, of = int((counts >= wanted).sum()), len(changes.series)
    learnt = "two seasons" if season > 1 else "two values"
    need = f"{wanted:,} values or more ({learnt} to learn from, a horizon to test)"
    left_out = len(changes.skipped)
    more = f"; {left_out:,} of {of:,} series left out" if left_out else ""
    if of == 1:
        has = f"{int(counts.max()):,} values"
        return float(enough), f"the series has {has}; wanted are {need}"
    return enough / of, f"{_share(enough / of)} of the series have {need}{more}"


def _stamps(changes: Changes) -> tuple[float, str]:
    touched = {name: int(getattr(changes, name)) for name in _STAMPS}
    # a row can be touched twice, when it is moved to where another one stands
    share = max(0.0, 1.0 - sum(touched.values()) / max(changes.rows, 1))
    told = [f"{count:,} {_STAMPS[name]}" for name, count in touched.items() if count]
    more = f": {', '.join(told)}" if told else ""
    return share, f"{_share(share)} of the rows have a stamp on the calendar of their own{more}"


def _fresh(panel: Panel, max_steps: int) -> tuple[float, str]:
    steps = behind(panel)
    late = int((steps >= max_steps).sum())
    share = 1.0 - late / panel.size
    last = int(steps.argmin())
    one = panel.select(np.arange(panel.size) == last)
    end = spoken(one.shown(one.stamps(one.lengths - 1, 1))[0, 0])
    if panel.size == 1:
        return share, f"the series goes up to {end}"
    more = f"; {late:,} end {max_steps:,} steps or more before" if late else ""
    return (
        share,
        f"{_share(share)} of the series go on to the end of the data, {end}, or nearly{more}",
    )


def _alive(changes: Changes) -> tuple[float, str]:
    kept = changes.series[changes.series["skipped"] == ""]
    still, of = int((kept["constant"] > 0).sum()), max(len(kept), 1)
    if of == 1:
        return 1.0 - still, "the series " + ("never changes" if still else "changes over time")
    more = f"; {still:,} never {'changes' if still == 1 else 'change'}" if still else ""
    return 1.0 - still / of, f"{_share(1.0 - still / of)} of the series change over time{more}"


def _share(share: float) -> str:
    """Never 100 % where it is not all, never 0 % where it is some."""
    near = min(share, 0.999) if share < 1 else share
    near = max(near, 0.001) if share > 0 else near
    return f"{near:.1%}".replace(".0%", "%")
