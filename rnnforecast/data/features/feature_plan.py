"""The feature plan: the section features of the spec, and the fitted encodings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt
from pydantic import TypeAdapter

from rnnforecast.data.features.covariates import CovariatePlan
from rnnforecast.spec.features import FeaturesSpec
from rnnforecast.spec.types import CalendarCycles


@dataclass(frozen=True)
class FeaturePlan:
    """Everything that `build_features` needs besides the data."""

    spec: FeaturesSpec = field(default_factory=FeaturesSpec)
    calendar: tuple[str, ...] = ()
    """Cycles as in `CYCLES`; if the spec says auto, they are chosen when the plan is fitted."""
    covariates: CovariatePlan = field(default_factory=CovariatePlan)

    @property
    def future_columns(self) -> tuple[str, ...]:
        """The columns that are known ahead."""
        return tuple(
            name
            for covariate in self.covariates.covariates
            if covariate.role == "future"
            for name in covariate.columns
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values; the reductions are in `arrays`."""
        return {
            "spec": self.spec.model_dump(),
            "calendar": list(self.calendar),
            "covariates": self.covariates.to_json(),
        }

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The reductions of texts and vectors."""
        return dict(self.covariates.arrays())

    @classmethod
    def from_json(
        cls, stored: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]
    ) -> FeaturePlan:
        """The plan whose `to_json` and `arrays` these are; ValueError for others."""
        return cls(
            FeaturesSpec.model_validate(stored["spec"]),
            TypeAdapter(CalendarCycles).validate_python(stored["calendar"]),
            CovariatePlan.from_json(stored["covariates"], arrays),
        )
