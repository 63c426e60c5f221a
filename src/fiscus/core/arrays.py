"""Array types and the one way arrays become read-only."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


def frozen(array: npt.ArrayLike, dtype: npt.DTypeLike = np.float64) -> npt.NDArray[Any]:
    """Contiguous read-only copy, so that immutable objects can share arrays safely."""
    copy = np.array(array, dtype=dtype, order="C")
    copy.setflags(write=False)
    return copy
