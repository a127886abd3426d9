"""Types of NumPy arrays by element: floats, integers, booleans, timestamps."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Floats32: TypeAlias = npt.NDArray[np.float32]
Ints: TypeAlias = npt.NDArray[np.int64]
Ints32: TypeAlias = npt.NDArray[np.int32]
Bools: TypeAlias = npt.NDArray[np.bool_]
Timestamps: TypeAlias = npt.NDArray[Any]
"""datetime64[us], or int64 where time is a whole number."""
