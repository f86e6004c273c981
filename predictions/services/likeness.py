"""Past shots that resemble the one predicted, and what became of them."""

from dataclasses import dataclass
from uuid import UUID

import numpy as np
from django.utils.translation import gettext as _

from portal.core.errors import FieldProblem, InvalidInput
from predictions.models import Outcome, Prediction
from predictions.services import explainers, lookup
from predictions.services.explainers import Matrix, PastShots, Ready

DEFAULT_COUNT = 10
MOST = 50
#: Reported shots that are looked at, the latest; ours: they are read from the table each time.
MOST_REPORTED = 2_000


@dataclass(frozen=True)
class Resembling:
    """One past shot.

    Attributes
    ----------
    origin : str
        ``training``: a shot of the version's data set; ``reported``: one that was predicted, and
        whose outcome was reported.
    dataset, row : int or None
        That data set, and the row there, from 0.
    prediction_id : UUID or None
        Of the one that was predicted.
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
    prediction_id: UUID | None
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
    row = explainers.without_counters(explainers.row_of(prediction, ready.model))
    reported = _reported(prediction, past, ready, row)
    found = [*_learned(prediction, past, ready, row, count), *reported]
    found.sort(key=lambda one: one.distance)
    return Likeness(found[:count], len(past.search) + len(reported))


def _learned(
    prediction: Prediction, past: PastShots, ready: Ready, row: Matrix, count: int
) -> list[Resembling]:
    """Return the nearest shots of the version's data set."""
    dataset = prediction.version.lineage.get("dataset", {}).get("id")
    shots, names = past.shots, ready.model.signature.names
    return [
        Resembling(
            origin="training",
            dataset=dataset,
            row=int(shots.positions[near.position]),
            prediction_id=None,
            outcome=_outcome(bool(shots.labels[near.position])),
            distance=round(near.distance, 4),
            features=_named(names, shots.rows[near.position].tolist()),
        )
        for near in past.search.nearest(row, count)
    ]


def _reported(
    prediction: Prediction, past: PastShots, ready: Ready, row: Matrix
) -> list[Resembling]:
    """Return the shots of the model whose outcome was reported last, with their distances."""
    known = (
        Outcome.objects.current()
        .filter(prediction__version__model=prediction.version.model_id)
        .exclude(prediction=prediction.pk)
        .select_related("prediction")
        .defer("prediction__latent")
        .order_by("-recorded_at", "-pk")[:MOST_REPORTED]
    )
    names = set(ready.model.signature.names)
    pairs = [
        (one, one.prediction)
        for one in known
        if one.prediction is not None and names <= one.prediction.features.keys()
    ]
    if not pairs:
        return []
    rows = np.stack([explainers.row_of(shot, ready.model) for _one, shot in pairs])
    distances = past.search.distances(row, explainers.without_counters(rows))
    return [
        Resembling(
            origin="reported",
            dataset=None,
            row=None,
            prediction_id=shot.pk,
            outcome=one.label,
            distance=round(float(distance), 4),
            features=shot.features,
        )
        for (one, shot), distance in zip(pairs, distances, strict=True)
    ]


def _outcome(is_defect: bool) -> str:
    return Prediction.Label.DEFECT if is_defect else Prediction.Label.OK


def _named(names: tuple[str, ...], values: list[float]) -> dict[str, float | None]:
    """Return values by name as JSON can hold them: null for NaN, few digits for float32."""
    return {
        name: None if value != value else float(f"{value:.7g}")
        for name, value in zip(names, values, strict=True)
    }
