"""The state of data before a training: `rnnforecast.check`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from rnnforecast.api.inputs import DataLike, SpecLike, read_inputs
from rnnforecast.errors import Problem

if TYPE_CHECKING:
    from rnnforecast.workflow.check import CheckResult


@dataclass(frozen=True, repr=False)
class Check:
    """What `rnnforecast.check` found; it prints as sentences."""

    result: CheckResult
    """The result of the workflow, with all its details."""

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What must be resolved before a forecast; empty if the data are usable."""
        return self.result.problems

    @property
    def summary(self) -> list[str]:
        """Sentences about the size of the data, their frequency, and what cleaning would change."""
        return self.result.report.summary_lines()

    @property
    def series(self) -> pd.DataFrame:
        """A row for each series: what cleaning would change."""
        return self.result.report.per_series

    @property
    def choices(self) -> pd.DataFrame:
        """A row for each automatic value: ``key``, ``value`` and ``reason``."""
        rows = [(each.key, each.value, each.reason) for each in self.result.choices]
        return pd.DataFrame(rows, columns=["key", "value", "reason"])

    def __repr__(self) -> str:
        lines = [*self.summary, *map(str, self.problems)]
        return "\n".join([*lines, *(f"auto  {choice}" for choice in self.result.choices)])


def check(spec: SpecLike, data: DataLike | None = None) -> Check:
    """Examines data as `train` would read them, without training.

    Args:
        spec: the path of a YAML file, a dict of its sections, or a `Spec`.
        data: a data frame, the path of a file or folder, or a list of these; those of
            `data.path` in the spec if not given.

    Raises:
        SpecError: the spec is not valid.
        DataError: the data cannot be read, or no series is long enough. Problems of single series
            are in the result.

    Examples:
        >>> import pandas as pd
        >>> import rnnforecast as rf
        >>> days = pd.date_range("2024-01-01", periods=60)
        >>> sales = pd.DataFrame({"ds": days, "y": [10.0 + day % 7 for day in range(60)]})
        >>> found = rf.check({"window": {"horizon": 7}}, sales)
        >>> found.problems
        ()
        >>> found.choices.set_index("key").loc["window.season", "value"]
        7
    """
    inputs = read_inputs(spec, data)
    from rnnforecast.workflow.check import check_source

    return Check(check_source(inputs.spec, inputs.source, inputs.folder))
