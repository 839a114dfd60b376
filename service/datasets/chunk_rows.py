"""How a piece of a list's prototypes is stored, with a checksum that tells of bits that changed since."""

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def stored(vectors: Floats) -> dict[str, Any]:
    """The columns of `[C, D]`."""
    data = np.ascontiguousarray(vectors, "<f4").tobytes()
    return {"class_count": len(vectors), "vectors": data, "sha256": hashlib.sha256(data).hexdigest()}


def vectors_of(row: Any) -> Floats | None:
    """`[C, D]` of a row with the columns of `stored`; None where they are not what was stored."""
    if row.sha256 is not None and hashlib.sha256(row.vectors).hexdigest() != row.sha256:
        return None
    vectors: Floats = np.frombuffer(row.vectors, "<f4").reshape(row.class_count, -1)
    return vectors
