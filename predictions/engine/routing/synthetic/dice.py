"""Draws for the generator, all made from uniform numbers.

NumPy promises stable streams of uniform doubles, but reserves the right to change how normals and
choices are made from them. A frozen set must not move with a library, so those are made here.
"""

from collections.abc import Mapping, Sequence
from math import exp
from statistics import NormalDist
from typing import TypeVar

import numpy as np

T = TypeVar("T")
_BLOCK = 8_192
_NORMAL = NormalDist()
_TAIL = 1e-6


class Dice:
    """One stream of draws from one seed.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of uniform doubles; drawn in blocks because scalar draws are slow.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._block: list[float] = []

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """Return a number in [low, high)."""
        if not self._block:
            self._block = self._rng.random(_BLOCK).tolist()
        return low + (high - low) * self._block.pop()

    def chance(self, probability: float) -> bool:
        """Return True with the given probability."""
        return self.uniform() < probability

    def normal(self, mean: float = 0.0, sd: float = 1.0) -> float:
        """Return a normal number, cut 4.75 standard deviations from the mean."""
        return mean + sd * _NORMAL.inv_cdf(_TAIL + (1 - 2 * _TAIL) * self.uniform())

    def lognormal(self, median: float, sigma: float) -> float:
        """Return a positive number with the given median."""
        return median * exp(self.normal(0.0, sigma))

    def whole(self, low: int, high: int) -> int:
        """Return a whole number in [low, high]."""
        return low + int(self.uniform() * (high - low + 1))

    def one_of(self, options: Sequence[T]) -> T:
        """Return one of the options, each as likely."""
        return options[int(self.uniform() * len(options))]

    def weighted(self, weights: Mapping[T, float]) -> T:
        """Return one of the keys, as likely as its weight says."""
        aim = self.uniform() * sum(weights.values())
        for option, weight in weights.items():
            aim -= weight
            if aim < 0:
                return option
        return option
