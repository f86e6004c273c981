"""Idempotency-Key: the first answer to a POST is given again to whoever repeats it.

A record is claimed before the work and filled after it. While it is claimed, a duplicate is told to
come back; a claim whose process died is taken over after :data:`TAKEOVER`. Answers of 500 and above
free the key, all others are kept for :data:`KEPT`.
"""

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from django.utils.translation import gettext as _

from portal.core.errors import Conflict, FieldProblem, InvalidInput
from portal.core.models import IdempotencyRecord
from portal.lib import clock
from portal.lib.hashing import digest_json

HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotency-Replayed"
TAKEOVER = timedelta(minutes=2)
KEPT = timedelta(hours=24)
KEPT_HEADERS = ("Content-Type", "Location")
WELL_FORMED = re.compile(r"[\x21-\x7e]{1,255}")
TOO_MANY_REQUESTS = 429


class InProgress(Conflict):
    """The first request with this key is still being answered."""

    code = "in_progress"
    retryable = True


@dataclass(frozen=True)
class Answer:
    """An answer as it is kept."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Claim:
    """The right and duty to do the work and to fill or free the record.

    Attributes
    ----------
    record_id, token
        Of the record.
    since
        When the key was first used for this request.
    is_second
        Whether the process that used it then died over the work, perhaps after it was done.
    """

    record_id: int
    token: uuid.UUID
    since: datetime
    is_second: bool = False

    def finish(self, answer: Answer) -> None:
        """Keep the answer, unless it is one that a repetition may better."""
        if answer.status >= 500 or answer.status == TOO_MANY_REQUESTS:
            self.free()
            return
        self._own().update(status=answer.status, headers=dict(answer.headers), body=answer.body)

    def free(self) -> None:
        """Let the next request with this key do the work."""
        self._own().delete()

    def _own(self) -> Any:
        return IdempotencyRecord.objects.filter(
            pk=self.record_id, claim=self.token, status__isnull=True
        )


def begin(principal: str, key: str, request: Mapping[str, Any]) -> Claim | Answer:
    """Claim a key, or return the answer that was given before.

    Parameters
    ----------
    principal
        Who asks; keys of different principals have nothing to do with one another.
    key
        The header's value.
    request
        What makes the request this one and not another: method, path and body, as JSON.

    Raises
    ------
    InvalidInput
        When the key is not 1 to 255 visible ASCII characters.
    Conflict
        When the key was used for another request.
    InProgress
        When the first request is still being answered.
    """
    if not WELL_FORMED.fullmatch(key):
        message = _("An idempotency key is 1 to 255 visible ASCII characters.")
        raise InvalidInput(message, problems=[FieldProblem(HEADER, "format", message)])
    fingerprint = digest_json(request)
    token = uuid.uuid4()
    fresh = IdempotencyRecord(principal=principal, key=key, fingerprint=fingerprint, claim=token)
    IdempotencyRecord.objects.bulk_create([fresh], ignore_conflicts=True)
    record = IdempotencyRecord.objects.filter(principal=principal, key=key).first()
    if record is None:
        # Freed between the two statements: its first request failed just now.
        raise _in_progress()
    if record.claim == token:
        return Claim(record.pk, token, record.created_at)
    return _second(record, fingerprint, token)


def _second(record: IdempotencyRecord, fingerprint: str, token: uuid.UUID) -> Claim | Answer:
    moment = clock.now()
    if record.created_at <= moment - KEPT:
        return _take_over(record, fingerprint, token, since=moment)
    if record.fingerprint != fingerprint:
        raise Conflict(
            _("This idempotency key was used for another request; take a new key for a new one."),
            code="idempotency_key_reused",
        )
    if record.status is not None:
        return Answer(record.status, record.headers, bytes(record.body or b""))
    if record.claimed_at <= moment - TAKEOVER:
        return _take_over(record, fingerprint, token, since=record.created_at)
    raise _in_progress()


def _take_over(
    record: IdempotencyRecord, fingerprint: str, token: uuid.UUID, *, since: datetime
) -> Claim:
    moment = clock.now()
    as_seen = IdempotencyRecord.objects.filter(pk=record.pk, claim=record.claim)
    won = as_seen.filter(Q(status__isnull=True) | Q(created_at__lte=moment - KEPT)).update(
        claim=token,
        claimed_at=moment,
        created_at=since,
        fingerprint=fingerprint,
        status=None,
        headers={},
        body=None,
    )
    if not won:
        raise _in_progress()
    return Claim(record.pk, token, since, is_second=since == record.created_at)


def _in_progress() -> InProgress:
    return InProgress(
        _("The first request with this idempotency key is still being answered; try again."),
    )


def remove_expired() -> int:
    """Delete what is no longer given again; return how many records."""
    n_deleted, _by_model = IdempotencyRecord.objects.filter(
        created_at__lte=clock.now() - KEPT
    ).delete()
    return n_deleted
