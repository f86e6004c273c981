"""How a stated number of false alarms a month is spent on what is watched.

Expected numbers of false alarms add up whatever depends on what, so a budget is simply divided:
half goes to the scores of the whole model, a quarter to its columns, classes and rows, a quarter to
the slices. Slices share by traffic, which makes the rate per value the same in all of them, however
many there are. The division is ours.
"""

from dataclasses import dataclass

#: A quiet stream of 10,000 values alarms in at most 4 of 100, however little traffic there is.
MOST_PER_VALUE = 4e-6
SCORE_SHARE, OTHER_SHARE, SLICE_SHARE = 0.5, 0.25, 0.25


@dataclass(frozen=True)
class Budget:
    """False alarms that may be given.

    Attributes
    ----------
    per_month : float
        Expected false alarms of a model in thirty days, above 0.
    values_per_month : float
        Its traffic.
    n_slicings : int
        Ways in which the stream is sliced.
    """

    per_month: float
    values_per_month: float
    n_slicings: int = 0

    def _rate(self, share: float) -> float:
        return min(share * self.per_month / max(self.values_per_month, 1.0), MOST_PER_VALUE)

    @property
    def score(self) -> float:
        """False alarms per value on the scores of the whole model."""
        return self._rate(SCORE_SHARE)

    @property
    def other(self) -> float:
        """False alarms per value on all else of the whole model."""
        return self._rate(OTHER_SHARE)

    @property
    def slice(self) -> float:
        """False alarms per value within one slice, on everything watched there."""
        return self._rate(SLICE_SHARE / max(self.n_slicings, 1))
