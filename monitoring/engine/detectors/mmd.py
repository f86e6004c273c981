"""Maximum mean discrepancy of whole rows: drift that no single column shows.

Gretton et al., A Kernel Two-Sample Test (2012), with the Gaussian kernel of median width, by random
Fourier features (Rahimi and Recht 2007; Zhao and Meng, FastMMD, 2015): the squared distance between
two mean embeddings. Columns enter by their rank in the reference, so no unit and no outlier rules;
a missing value takes the middle rank, since each column's own detector watches the missing share.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from monitoring.engine.detectors.contract import Additive, drawn_sums
from monitoring.engine.reference import Floats, Rows

N_FEATURES = 128
#: Draws the embedding; the same for all, so that summaries of different processes add up.
SEED = 20_071_203
#: Pairs of rows from which the kernel's width is taken.
N_PAIRS = 2_000


@dataclass(frozen=True, eq=False)
class MeanDiscrepancy(Additive):
    """The discrepancy from one reference; a summary is the number of rows and sums of features.

    Attributes
    ----------
    rows : Rows
        The reference.
    """

    rows: Rows

    @cached_property
    def _sorted(self) -> list[Floats]:
        columns = self.rows.values.T
        return [np.sort(column[~np.isnan(column)]) for column in columns]

    def ranked(self, values: Floats) -> Floats:
        """Return rows as ranks within the reference from -0.5 to 0.5, float [n, d]."""
        ranks = np.zeros(values.shape)
        for index, known in enumerate(self._sorted):
            if len(known):
                column = values[:, index]
                low = np.searchsorted(known, column, side="left")
                high = low
                # Looking up is most of a step, and few values of a measurement were met before.
                if (known.take(low, mode="clip") == column).any():
                    high = np.searchsorted(known, column, side="right")
                ranks[:, index] = (low + high) / (2 * len(known)) - 0.5
        ranks[np.isnan(values)] = 0.0
        return ranks

    @cached_property
    def _waves(self) -> tuple[Floats, Floats]:
        """Directions and phases of the random features."""
        rng = np.random.default_rng(SEED)
        ranks = self.ranked(self.rows.values)
        pairs = rng.integers(0, len(ranks), (2, N_PAIRS))
        distances = np.linalg.norm(ranks[pairs[0]] - ranks[pairs[1]], axis=1)
        apart = distances[distances > 0]
        width = float(np.median(apart)) if len(apart) else 1.0
        directions = rng.normal(size=(ranks.shape[1], N_FEATURES)) / width
        return directions, rng.uniform(0, 2 * np.pi, N_FEATURES)

    def features(self, values: Floats) -> Floats:
        """Return rows of one and of the random features, float [n, 1 + N_FEATURES]."""
        directions, phases = self._waves
        waves = np.sqrt(2 / N_FEATURES) * np.cos(self.ranked(values) @ directions + phases)
        return np.concatenate([np.ones((len(values), 1)), waves], axis=1)

    @cached_property
    def _embedded(self) -> Floats:
        return self.features(self.rows.values)

    def summary(self, values: Floats) -> Floats:
        total: Floats = self.features(values).sum(axis=0)
        return total

    @cached_property
    def _total(self) -> Floats:
        total: Floats = self._embedded.sum(axis=0)
        return total

    @property
    def reference(self) -> Floats:
        return self._total

    @property
    def n_reference(self) -> int:
        return len(self.rows.values)

    def draw(self, rng: np.random.Generator, n_values: int, size: tuple[int, ...]) -> Floats:
        return drawn_sums(rng, self._embedded, n_values, size)

    def distance(self, reference: Floats, window: Floats) -> Floats:
        gap = window[..., 1:] / np.maximum(window[..., :1], 1)
        gap = gap - reference[..., 1:] / np.maximum(reference[..., :1], 1)
        squared: Floats = (gap**2).sum(axis=-1)
        return squared


@dataclass(frozen=True)
class MMD:
    """The detector of whole rows."""

    name: str = "mmd"
    is_ordered: bool = False

    def fit(self, reference: Rows) -> MeanDiscrepancy:
        """Return the detector for one reference of at least two rows."""
        return MeanDiscrepancy(reference)
