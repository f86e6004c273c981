"""Find a prediction by its identifier, wherever it is on its way."""

import time
from datetime import UTC, datetime
from uuid import UUID

import msgspec
import redis
from django.utils.translation import gettext as _

from portal.core.errors import NotFound, Unavailable
from portal.registry.models import ModelVersion
from predictions.models import Prediction
from predictions.services import prediction_ids, stream
from predictions.services.records import Record

#: A prediction as young as this may be in neither place for a moment, so it is looked for again.
YOUNG_S = 10.0
WAIT_S = 1.0
PAUSE_S = 0.05
#: While Redis is away, whether a prediction younger than this exists cannot be told.
UNCERTAIN_S = 24 * 3600.0


def find(identifier: UUID) -> Prediction:
    """Return a prediction as it was answered.

    Raises
    ------
    NotFound
        When nothing of that identifier was recorded.
    Unavailable
        When it may be in the stream and Redis does not answer.
    """
    age_s = _age_s(identifier)
    deadline = time.monotonic() + (WAIT_S if age_s < YOUNG_S else 0)
    while True:
        found = _in_table(identifier) or _in_stream(identifier, age_s) or _in_table(identifier)
        if found is not None:
            return found
        if time.monotonic() > deadline:
            raise NotFound(_("There is no prediction %(id)s.") % {"id": identifier})
        time.sleep(PAUSE_S)


def find_now(identifier: UUID) -> Prediction:
    """Return a prediction without waiting for one that is only just being answered.

    Raises
    ------
    NotFound, Unavailable
        As :func:`find`.
    """
    found = _in_table(identifier) or _in_stream(identifier, _age_s(identifier))
    if found is None:
        raise NotFound(_("There is no prediction %(id)s.") % {"id": identifier})
    return found


def _age_s(identifier: UUID) -> float:
    made_at_ms = prediction_ids.made_at_ms(identifier)
    if made_at_ms is None:
        return float("inf")
    age_s = time.time() - made_at_ms / 1000
    return age_s if age_s > -YOUNG_S else float("inf")


def _in_table(identifier: UUID) -> Prediction | None:
    return Prediction.objects.select_related("version__model").filter(pk=identifier).first()


def _in_stream(identifier: UUID, age_s: float) -> Prediction | None:
    try:
        record = stream.find(identifier)
    except redis.RedisError as exc:
        if age_s > UNCERTAIN_S:
            return None
        raise Unavailable(
            _("The prediction is not in the table yet and Redis does not answer: try again."),
            code="redis_unavailable",
        ) from exc
    return _as_row(record) if record else None


def _as_row(record: Record) -> Prediction:
    """Return the row as the recorder will write it; not saved."""
    return Prediction(
        id=UUID(bytes=record.id),
        version=ModelVersion.objects.select_related("model").get(pk=record.version_id),
        at=datetime.fromtimestamp(record.at, UTC),
        features=msgspec.json.decode(record.features),
        probability=record.probability,
        predicted_class=record.predicted_class,
        confidence=record.confidence,
        latent=msgspec.json.decode(record.latent),
        latency_ms=record.latency_ms,
        principal=record.principal,
        request_id=record.request_id,
        role=record.role,
        challenger_share=record.challenger_share,
    )
