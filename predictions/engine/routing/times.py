"""Setup and run minutes of a step, with an interval that four in five actual times fall into.

For every operation three quantiles (10, 50, 90 %) of the logarithm of either time are modelled on
the item's attributes, the work centre and the day, then the outer two are moved by a margin that
was measured on items the trees had not seen: conformalized quantile regression (Romano, Patterson,
Candès, NeurIPS 2019). NumPy only; `learning.times` fits.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from predictions.engine.routing.encoding import Floats
from predictions.engine.routing.trees import Forest

QUANTILES = (0.1, 0.5, 0.9)
COVERAGE = 0.8
TARGETS = ("setup", "run")
N_OUTPUTS = len(QUANTILES) * len(TARGETS)
#: Minutes below which a time is not told apart from zero.
LEAST_MINUTES = 0.01


@dataclass(frozen=True)
class StepTimes:
    """Times of some steps.

    Attributes
    ----------
    setup, run : float64 arrays, shape [n, 3]
        Lower end, median and upper end in minutes.
    """

    setup: NDArray[np.float64]
    run: NDArray[np.float64]


@dataclass(frozen=True)
class TimeModel:
    """Quantiles of setup and run time by operation.

    Attributes
    ----------
    operations : tuple of str
    places : tuple of mappings
        For every operation its work centres (by number) → code in the trees.
    trees : Forest
        For every operation six outputs: setup 10, 50, 90 %, run 10, 50, 90 %, as log minutes.
    margins : float64 array, shape [n_operations, 2]
        What the ends of setup and run interval are moved outwards, in log minutes.
    reference_day : int
        Day that counts as zero for the trees.
    total_margins : tuple of float
        Factors from the total of the medians to the ends of the total's interval.
    """

    operations: tuple[str, ...]
    places: tuple[Mapping[int, int], ...]
    trees: Forest
    margins: NDArray[np.float64]
    reference_day: int
    total_margins: tuple[float, float]

    @cached_property
    def number(self) -> Mapping[str, int]:
        """Operation → number."""
        return {operation: index for index, operation in enumerate(self.operations)}

    def predict(
        self,
        operation: str,
        design: Floats,
        work_centers: NDArray[np.integer],
        day: NDArray[np.floating],
    ) -> StepTimes:
        """Return times of one operation for several items.

        Parameters
        ----------
        operation : str
            One of `operations`.
        design : float32 array, shape [n, n_columns]
            The items (see `Encoder.design`).
        work_centers : int array, shape [n]
            Numbers of the work centres.
        day : float array, shape [n]
            When, in days since 1970-01-01.
        """
        number = self.number[operation]
        rows = time_design(design, work_centers, day, self.places[number], self.reference_day)
        outputs = number * N_OUTPUTS + np.arange(N_OUTPUTS)
        logs = np.sort(self.trees.predict(rows, outputs).reshape(-1, 2, len(QUANTILES)), axis=2)
        margin = self.margins[number][:, None] * np.array([-1.0, 0.0, 1.0])
        # A negative margin may not pull an end past the median.
        logs = np.sort(logs + margin, axis=2)
        minutes = np.maximum(np.exp(logs), LEAST_MINUTES)
        return StepTimes(minutes[:, 0], minutes[:, 1])


def time_design(
    design: Floats,
    work_centers: NDArray[np.integer],
    day: NDArray[np.floating],
    places: Mapping[int, int],
    reference_day: int,
) -> Floats:
    """Return the columns the time trees see: work centre, the item, years since a day."""
    codes = np.array([places.get(int(place), np.nan) for place in work_centers], dtype=np.float32)
    years = ((day.astype(np.float64) - reference_day) / 365.25).astype(np.float32)
    return np.concatenate([codes[:, None], design, years[:, None]], axis=1)
