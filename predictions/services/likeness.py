"""Past shots that resemble the one predicted, and what became of them."""

from dataclasses import dataclass
from uuid import UUID

from django.utils.translation import gettext as _

from portal.core.errors import FieldProblem, InvalidInput
from predictions.models import Prediction
from predictions.services import explainers, lookup

DEFAULT_COUNT = 10
MOST = 50


@dataclass(frozen=True)
class Resembling:
    """One past shot.

    Attributes
    ----------
    origin : str
        ``training``: a shot of the version's data set.
    dataset : int or None
        That data set.
    row : int or None
        Its row there, from 0.
    outcome : str
        ``defect`` or ``ok``.
    distance : float
        Root mean square difference over the features, in robust standard deviations; 0 is a copy.
    features : dict
        Its values by name, null where missing.
    """

    origin: str
    dataset: int | None
    row: int | None
    outcome: str
    distance: float
    features: dict[str, float | None]


@dataclass(frozen=True)
class Likeness:
    """Shots that resemble one.

    Attributes
    ----------
    shots : list of Resembling
        Nearest first.
    n_compared : int
        Shots that were looked at.
    """

    shots: list[Resembling]
    n_compared: int

    @property
    def defect_share(self) -> float | None:
        """Share of the shots that were defective; None without any."""
        if not self.shots:
            return None
        return sum(shot.outcome == Prediction.Label.DEFECT for shot in self.shots) / len(self.shots)


def similar(identifier: UUID, *, count: int = DEFAULT_COUNT) -> Likeness:
    """Return the past shots that resemble a predicted one; the shot counter has no say.

    Raises
    ------
    InvalidInput
        When `count` is not from 1 to ``MOST``.
    NotFound
        When there is no such prediction.
    Conflict
        When its version carries no history.
    """
    if not 1 <= count <= MOST:
        message = _("“count” is %(seen)d: give a number from 1 to %(most)d.") % {
            "seen": count,
            "most": MOST,
        }
        raise InvalidInput(message, problems=[FieldProblem("count", "range", message)])
    prediction = lookup.find(identifier)
    past = explainers.past_shots(prediction.version)
    ready = explainers.ready(prediction.version)
    row = explainers.row_of(prediction, ready.model)
    names = ready.model.signature.names
    dataset = prediction.version.lineage.get("dataset", {}).get("id")
    found = [
        Resembling(
            origin="training",
            dataset=dataset,
            row=int(past.shots.positions[near.position]),
            outcome=_outcome(bool(past.shots.labels[near.position])),
            distance=round(near.distance, 4),
            features=_named(names, past.shots.rows[near.position].tolist()),
        )
        for near in past.search.nearest(explainers.without_counters(row), count)
    ]
    return Likeness(found, len(past.search))


def _outcome(is_defect: bool) -> str:
    return Prediction.Label.DEFECT if is_defect else Prediction.Label.OK


def _named(names: tuple[str, ...], values: list[float]) -> dict[str, float | None]:
    """Return values by name as JSON can hold them: null for NaN, few digits for float32."""
    return {
        name: None if value != value else float(f"{value:.7g}")
        for name, value in zip(names, values, strict=True)
    }
