"""The recurrent imputer as a method of the imputation plan, trained on the CPU."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rnnforecast.data.cleaning.imputation import Estimates, ImputerOptions
from rnnforecast.data.cleaning.imputation_plan import NetworkImputers
from rnnforecast.types import Bools, Floats, Ints

if TYPE_CHECKING:
    from rnnforecast.models.imputer import RnnImputer

HIDDEN_SIZE = 32
STEPS = 400
BATCH_SIZE = 128
MIN_WIDTH, MAX_WIDTH = 16, 64
"""Bounds of the rows that are read to either side of a gap: one season."""


@dataclass(frozen=True)
class RnnImputation:
    """A fitted recurrent imputer.

    torch is imported inside the methods: plans with other methods load without it.
    """

    network: RnnImputer

    @classmethod
    def fit(
        cls,
        values: Floats,
        observed_mask: Bools,
        offsets: Ints,
        train_mask: Bools,
        options: ImputerOptions,
    ) -> RnnImputation:
        """The imputer, trained on the rows of `train_mask [N]`."""
        from rnnforecast.training import device, rnn_imputer

        network = rnn_imputer.fit_imputer(
            values,
            observed_mask,
            offsets,
            train_mask,
            width=int(np.clip(options.season, MIN_WIDTH, MAX_WIDTH)),
            hidden_size=HIDDEN_SIZE,
            steps=STEPS,
            batch_size=BATCH_SIZE,
            seed=options.seed,
            device=device.select_device("cpu"),
        )
        return cls(network)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> RnnImputation:
        """The imputer whose weights `arrays` holds."""
        from rnnforecast.training import device, rnn_imputer

        weights = arrays["bytes"].tobytes()
        cpu = device.select_device("cpu")
        return cls(rnn_imputer.imputer_from_bytes(weights, name="cleaning.safetensors", device=cpu))

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The weights, as the bytes of a safetensors file."""
        from rnnforecast.training import rnn_imputer

        weights = rnn_imputer.imputer_to_bytes(self.network)
        return {"bytes": np.frombuffer(weights, dtype=np.uint8)}

    def estimate(
        self, values: Floats, observed_mask: Bools, offsets: Ints, options: ImputerOptions
    ) -> Estimates:
        """Estimates of missing cells after the first observation of a series."""
        from rnnforecast.training import rnn_imputer

        return Estimates(*rnn_imputer.apply_imputer(self.network, values, observed_mask, offsets))


NETWORK_IMPUTERS: NetworkImputers = {"rnn": RnnImputation}
