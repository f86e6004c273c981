"""The record of an answered prediction on its way from the web process into the table."""

from collections.abc import Sequence

import msgspec
from django.db import connection

from predictions.models import Prediction

_INSERT = """
    INSERT INTO predictions_prediction
        (id, version_id, at, features, probability, predicted_class, confidence, latent, latency_ms,
         principal, request_id, role, challenger_share)
    SELECT id, version_id, to_timestamp(at), features::jsonb, probability, predicted_class,
           confidence, latent::jsonb, latency_ms, principal, request_id, role, challenger_share
    FROM unnest(%s::uuid[], %s::bigint[], %s::float8[], %s::text[], %s::float8[], %s::text[],
                %s::text[], %s::text[], %s::float8[], %s::text[], %s::text[], %s::text[],
                %s::float8[])
        AS record (id, version_id, at, features, probability, predicted_class, confidence, latent,
                   latency_ms, principal, request_id, role, challenger_share)
    ON CONFLICT (id) DO NOTHING
"""


class Record(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What was asked and answered.

    Attributes
    ----------
    id
        The 16 bytes of the prediction's UUID.
    version_id
        Primary key of the model version that answered.
    at
        Seconds since 1970, a whole number of microseconds.
    features, latent
        JSON text: what was sent, and the latent features of the answer.
    probability
        Of a defect, from 0 to 1.
    predicted_class, confidence
        As answered.
    latency_ms
        From the body's arrival to the answer's content, recording excluded.
    principal
        The key or person that asked.
    request_id
        As in the answer's header.
    role
        Why this version answered; entries written before there were challengers lack it.
    challenger_share
        What the challenger was allowed to answer at that moment.
    """

    id: bytes
    version_id: int
    at: float
    features: str
    probability: float
    predicted_class: str
    confidence: str
    latent: str
    latency_ms: float
    principal: str
    request_id: str
    role: str = Prediction.Role.CHAMPION.value
    challenger_share: float = 0.0


encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Record]).decode


def decode(data: bytes) -> list[Record]:
    """Return the records of one stream entry.

    Raises
    ------
    msgspec.MsgspecError
        When the entry is not a list of records.
    """
    return _decode(data)


def insert(records: Sequence[Record]) -> None:
    """Write records into the table in one statement, leaving alone those that are there."""
    columns = zip(*(_row(record) for record in records), strict=True)
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, [list(column) for column in columns])


def _row(record: Record) -> tuple[object, ...]:
    return (record.id.hex(), *msgspec.structs.astuple(record)[1:])
