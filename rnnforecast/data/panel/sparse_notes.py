"""Note on counts that have no row where they may be zero."""

from __future__ import annotations

import json
import re

import numpy as np

from rnnforecast.data.io.reading_notes import ReadingNote
from rnnforecast.errors import Problem
from rnnforecast.types import Floats

MIN_MISSING_SHARE = 0.1
"""Counts with a smaller share of missing steps get no note."""
DOUBTFUL_SHARE = 1 / 3
"""With a larger share, forecasts of the counts that are there are likely not what is meant."""


def sparse_count_notes(values: Floats, n_steps: int, names: list[str]) -> tuple[ReadingNote, ...]:
    """A note if targets of whole numbers above 0 are missing at many steps: a row may have been
    written only where there was something to count.

    Args:
        values: `[R, C]` the targets of all rows, NaN where blank.
        n_steps: of all series.
        names: `[C]` of targets whose missing values are unknown.
    """
    observed = ~np.isnan(values)
    shares = 1 - observed.sum(axis=0) / max(n_steps, 1)
    known = np.where(observed, values, 1.0)
    is_count = (known > 0).all(axis=0) & (known == np.round(known)).all(axis=0)
    sparse = np.flatnonzero(is_count & (shares >= MIN_MISSING_SHARE) & observed.any(axis=0))
    if not len(sparse):
        return ()
    rows_share = len(values) / max(n_steps, 1)
    share = float(shares[sparse].max())
    which = "" if len(sparse) == len(names) else f" of {', '.join(names[k] for k in sparse[:5])}"
    found = f"{share:.0%} of the steps have no value{which}, and no value is 0: taken as unknown"
    zero = "zero" if len(sparse) == len(names) else f"{{{_quote(names[sparse[0]])}: zero}}"
    has_rows = 1 - rows_share < MIN_MISSING_SHARE
    meant = "a blank cell" if has_rows else "no row"
    cure = f"if {meant} means none, set clean.missing to {zero}"
    problem = Problem("clean.missing", found, cure)
    return (ReadingNote(problem, is_doubtful=share >= DOUBTFUL_SHARE),)


def _quote(name: str) -> str:
    """A name as a key of YAML, in quotes unless it is made of words."""
    return name if re.fullmatch(r"[^\W\d][\w ]*", name) else json.dumps(name, ensure_ascii=False)
