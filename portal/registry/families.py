"""What the registry asks of a kind of model: score a frozen set, warm up, say what it answered."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from portal.core.errors import NotFound
from portal.registry.engine.rowwise import Parts
from portal.registry.engine.scored import RowScores, Scored
from portal.registry.models import EvaluationSet, ModelVersion

__all__ = [
    "AnswersPredictions",
    "Describes",
    "Family",
    "Parts",
    "Retrains",
    "RowScores",
    "Scored",
    "Serves",
    "get",
    "register",
]


class Family(Protocol):
    """A kind of model that can be put live."""

    name: str

    def score(self, version: ModelVersion, evaluation_set: EvaluationSet) -> Scored | RowScores:
        """Score a version on every row of a frozen set, in the order of the set.

        Probabilities for labelled rows, or what was achieved on each row; the metrics of the gate
        policy must be of that kind.
        """
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


@runtime_checkable
class Serves(Protocol):
    """A family whose champion answers in the web process."""

    def held(self, model_name: str) -> int | None:
        """Return the number of the version that answers in this process, without waiting for it."""
        ...


@runtime_checkable
class Retrains(Protocol):
    """A family whose models can be trained again on what came since."""

    def retrain_page(self, model_name: str) -> str:
        """Return the address of the page that asks for a retraining."""
        ...


@runtime_checkable
class Describes(Protocol):
    """A family that writes the model card of a version in the reader's language."""

    def card(self, version: ModelVersion) -> str:
        """Return the card as Markdown, in the current language."""
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
