"""What those who watch the predictions need to know of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

import msgspec
import numpy as np
from django.db import connection
from numpy.typing import NDArray

from portal.registry import services as registry
from portal.registry.models import ModelVersion
from predictions.engine import baseline
from predictions.engine.baseline import DriftBaseline
from predictions.models import Prediction
from predictions.selectors import live

#: The family of models whose answers are recorded as predictions of shots.
RECORDED_FAMILY = "quality"


class Answered(NamedTuple):
    """A recorded prediction as whoever watches the stream needs it.

    Attributes
    ----------
    id : UUID
    version_id : int
    at_s : float
        Seconds since 1970.
    features : str
        JSON, as sent.
    probability : float
    is_defect : bool
        Whether it was called a defect.
    principal : str
        Who asked: ``key:7`` or ``user:3``.
    """

    id: UUID
    version_id: int
    at_s: float
    features: str
    probability: float
    is_defect: bool
    principal: str


_ANSWERED = """
    SELECT id, version_id, extract(epoch FROM at)::float8, features::text, probability,
           predicted_class = 'defect', principal
    FROM predictions_prediction WHERE id = ANY(%s) ORDER BY id
"""


def answered(ids: Sequence[UUID]) -> list[Answered]:
    """Return recorded predictions in the order of their ids, which is about that of time.

    Ids without a row are left out. The features stay text: decoding them here would cost every
    watcher a dictionary for each prediction.
    """
    with connection.cursor() as cursor:
        cursor.execute(_ANSWERED, [list(ids)])
        return list(map(Answered._make, cursor.fetchall()))


def drift_baseline(version: ModelVersion) -> DriftBaseline | None:
    """Return what a version looked like in training, None for one that was made without.

    Raises
    ------
    Corrupt
        When the file differs from what was registered.
    """
    if baseline.FILE not in version.artifact_digests:
        return None
    return DriftBaseline.from_dict(
        msgspec.json.decode(registry.read_artifact(version, baseline.FILE))
    )


@dataclass(frozen=True, eq=False)
class Matured:
    """Labelled predictions that are old enough for most outcomes to have come.

    Attributes
    ----------
    at_s : float array, shape [n]
        Seconds since 1970, ascending.
    probability : float array, shape [n]
    is_defect : bool array, shape [n]
        What became of it.
    called : bool array, shape [n]
        What was said of it.
    coverage : float or None
        Share of the predictions of that time whose outcome is known; None without any.
    """

    at_s: NDArray[np.float64]
    probability: NDArray[np.float64]
    is_defect: NDArray[np.bool_]
    called: NDArray[np.bool_]
    coverage: float | None


def matured(version: ModelVersion, *, now: datetime, most: int) -> Matured:
    """Return the latest labelled predictions of a version that :func:`live_quality` would judge."""
    until = now - live.maturity_of(version)
    found = live.labelled(version, datetime.fromtimestamp(0, UTC), until, most)
    scored = found.scored
    coverage = None
    if scored.n_rows:
        since = datetime.fromtimestamp(found.at_s[0], UTC)
        of_time = Prediction.objects.filter(version=version, at__gte=since, at__lt=until)
        coverage = min(1.0, scored.n_rows / max(of_time.count(), 1))
    return Matured(found.at_s, scored.probability, scored.labels, scored.called, coverage)
