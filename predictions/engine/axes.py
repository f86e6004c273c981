"""What an ablation campaign varies; known without loading what trains."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from predictions.engine.autoencoder import LATENT_SIZES
from predictions.engine.features import FEATURE_SETS
from predictions.engine.learners.families import FAMILIES
from predictions.engine.parameters import ParameterProblem, TrainingParams
from predictions.engine.problems import Problem

#: More than this is not a campaign but a search; ours.
MAX_CELLS = 100


@dataclass(frozen=True)
class Axes:
    """What is varied; the product of all is run.

    Attributes
    ----------
    features : sequence of str
        Keys of `features.FEATURE_SETS`.
    n_latent : sequence of int
        0 and sizes of the autoencoder.
    learners : sequence of str
        Keys of `learners.families.FAMILIES`.
    """

    features: Sequence[str] = tuple(FEATURE_SETS)
    n_latent: Sequence[int] = (0, *LATENT_SIZES)
    learners: Sequence[str] = tuple(FAMILIES)

    def cells(self, base: TrainingParams) -> tuple[TrainingParams, ...]:
        """Return the parameters of every cell: the base first, which all are compared with.

        Raises
        ------
        ParameterProblem
            If a value is not allowed, or there are too many cells or none.
        """
        product = itertools.product(self.features, self.n_latent, self.learners)
        given = dict.fromkeys(product)
        if not 1 <= len(given) <= MAX_CELLS:
            params = {"value": len(given), "low": "1", "high": str(MAX_CELLS)}
            raise ParameterProblem([Problem("cells", "parameter_out_of_range", None, params)])
        made = [
            replace(base, features=features, n_latent=n_latent, learner=learner)
            for features, n_latent, learner in given
        ]
        return (base, *(cell for cell in made if cell != base))

    def to_dict(self) -> dict[str, Any]:
        """Return the axes ready for JSON."""
        return {name: list(values) for name, values in asdict(self).items()}

    @classmethod
    def from_dict(cls, content: Mapping[str, Sequence[Any]]) -> "Axes":
        """Rebuild axes from `to_dict`."""
        return cls(**{name: tuple(values) for name, values in content.items()})
