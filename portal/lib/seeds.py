"""Random generators derived from one recorded seed."""

import numpy as np


def generator(seed: int) -> np.random.Generator:
    """Return the generator every engine is handed: PCG64 from a recorded seed."""
    return np.random.default_rng(seed)
