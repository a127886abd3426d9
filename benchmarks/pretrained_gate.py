"""The gate of the pretrained network: figures that it has to reach, and what was measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

MASE, WQL = 0.76, 0.64
"""On eight configurations of GIFT-Eval, relative to seasonal naive; geometric means."""
OWA_ALONE, OWA_WARM = 0.98, 0.97
"""OWA with the network over that without it."""
BAND_TOLERANCE = 0.5
"""Points by which the share in a band may be farther from its level than without the network."""
SPEED_SECONDS = 15
WHEEL_MB = 14
MAX_REASON = 160
"""Characters."""


@dataclass(frozen=True)
class GateRow:
    """A figure and its bound."""

    name: str
    measured: str
    bound: str
    is_met: bool | None
    """None if it was not measured; `measured` says why."""


@dataclass
class Part:
    """The rows of the gate that a part measures, and its tables in Markdown."""

    title: str
    rows: list[GateRow] = field(default_factory=list)
    text: str = ""


def at_most(name: str, value: float, bound: float, form: str = "{:.3f}") -> GateRow:
    """A row whose figure must not be above the bound."""
    return GateRow(name, form.format(value), f"≤ {form.format(bound)}", value <= bound)


def not_measured(name: str, reason: str) -> GateRow:
    """A row without a figure."""
    return GateRow(name, f"not measured: {reason}", "", None)


def attempt(title: str, measure: Callable[[], Part]) -> Part:
    """The part, or that it was not measured if a command or a job failed."""
    try:
        return measure()
    except SystemExit as error:
        reason = " ".join(str(error.code).replace("|", "/").split())
        return Part(title, [not_measured(title, reason[:MAX_REASON])])


def bands_row(name: str, without: dict[str, float], found: dict[str, float]) -> GateRow:
    """Whether the shares in the 80 and 95 % band are about as near their levels as without it."""
    texts, worse = [], []
    for level in (80, 95):
        before, after = without[f"cover_{level}"], found[f"cover_{level}"]
        texts.append(f"{after:.1f} ({before:.1f})")
        worse.append(abs(after - level) - abs(before - level) > BAND_TOLERANCE)
    bound = f"not {BAND_TOLERANCE:g} points farther off 80 / 95 % than without it, in brackets"
    return GateRow(name, " / ".join(texts), bound, not any(worse))


def format_gate(rows: Iterable[GateRow]) -> str:
    """The rows as a Markdown table."""
    words = {True: "met", False: "**missed**", None: "–"}
    lines = ["| figure | measured | bound | |", "| --- | ---: | ---: | --- |"]
    lines += [
        f"| {row.name} | {row.measured} | {row.bound} | {words[row.is_met]} |" for row in rows
    ]
    return "\n".join(lines)
