"""What the registry asks of a kind of model: score a frozen set, warm up, say what it answered."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from portal.core.errors import NotFound
from portal.registry.models import EvaluationSet, ModelVersion


@dataclass(frozen=True)
class Scored:
    """What one version says about the rows of an evaluation set.

    Attributes
    ----------
    y_true
        Labels, 0 or 1, shape (n,).
    probability
        Predicted probability of class 1, shape (n,), in [0, 1], no NaN.
    group_ids
        Rows that are copies of one another share a number; they are resampled together. Shape (n,).
    threshold
        The version's own decision threshold: a row is called 1 when its probability reaches it.
    """

    y_true: NDArray[np.int_]
    probability: NDArray[np.float64]
    group_ids: NDArray[np.int_]
    threshold: float


class Family(Protocol):
    """A kind of model that can be put live."""

    name: str

    def score(self, version: ModelVersion, evaluation_set: EvaluationSet) -> Scored:
        """Score a version on every row of a frozen set, in the order of the set."""
        ...

    def warm(self, version: ModelVersion) -> None:
        """Load a version for serving from verified files; raise ``Corrupt`` when one is damaged."""
        ...


@runtime_checkable
class AnswersPredictions(Protocol):
    """A family that can say which answers a version gave."""

    def affected_predictions(
        self, version: ModelVersion, since: datetime, until: datetime
    ) -> Mapping[str, Any]:
        """Return at least ``count``; further keys (``url``, …) are shown as they are."""
        ...


_families: dict[str, Family] = {}


def register(family: Family) -> None:
    """Make a family known; apps call this from ``AppConfig.ready``."""
    _families[family.name] = family


def get(name: str) -> Family:
    """Return a registered family.

    Raises
    ------
    NotFound
        If no installed app provides it.
    """
    try:
        return _families[name]
    except KeyError as exc:
        known = ", ".join(sorted(_families)) or "none"
        raise NotFound(
            f"No model family is called “{name}”. Known families: {known}.", code="unknown_family"
        ) from exc
