"""The audit log: who did or was refused what, in a chain that shows every later change.

Triggers refuse UPDATE, DELETE and TRUNCATE; :mod:`portal.core.audit_chain` shows what gets round
them.
"""

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC
from typing import Any, Literal

from django.db import DatabaseError, connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from portal.core.actors import Actor
from portal.core.audit_chain import Head, digest_of, holds_lock, lock, read_head, write_head
from portal.core.errors import PortalError
from portal.core.models import AuditEntry
from portal.core.request_context import current_request_id
from portal.lib import clock

logger = logging.getLogger(__name__)

Outcome = Literal["done", "refused"]
OWN_CONNECTION_WAIT_MS = 2000
COLUMNS = (
    "number",
    "at",
    "actor",
    "actor_id",
    "via",
    "action",
    "outcome",
    "target",
    "reason",
    "detail",
    "request_id",
    "previous_digest",
    "digest",
)
INSERT = (
    f"INSERT INTO core_auditentry ({', '.join(COLUMNS)})"  # noqa: S608 - our own column names
    f" VALUES ({', '.join(f'%({name})s' for name in COLUMNS)})"
)


def record(
    actor: Actor,
    action: str,
    target: object,
    *,
    outcome: Outcome = "done",
    reason: str = "",
    detail: Mapping[str, Any] | None = None,
) -> AuditEntry:
    """Append an entry in the caller's transaction, so that it stands or falls with what it reports.

    Other writers wait from here until that transaction ends: call it last.

    Parameters
    ----------
    actor
        Who acts.
    action
        A verb with its area, as in ``"promotion.approve"``.
    target
        What it was done to, as text.
    outcome
        Whether it was done or refused.
    reason
        What the actor gave as the reason, or why it was refused.
    detail
        Anything else, as JSON.
    """
    content = _content(actor, action, target, outcome, reason, detail)
    with transaction.atomic(), connection.cursor() as cursor:
        return _append(cursor, content)


def refuse(actor: Actor, action: str, target: object, error: PortalError) -> None:
    """Append a refusal that outlives the caller's transaction; the caller raises `error` next.

    Outside a transaction this is :func:`record`. Inside one the entry goes through a connection of
    its own. Only when this very transaction holds the end of the chain already does the entry share
    its fate, and then the log line is what remains. Prefer :func:`refusals`, which waits for the
    transaction to end.
    """
    detail = {"code": error.specific_code}
    content = _content(actor, action, target, "refused", str(error), detail)
    if _in_own_transaction():
        _append_apart(content)
        return
    with transaction.atomic(), connection.cursor() as cursor:
        _append(cursor, content)


@contextmanager
def refusals(actor: Actor, action: str, target: object) -> Iterator[None]:
    """Record any product error that leaves the block as a refusal, and let it go on.

    Put it around the transaction: ``with audit.refusals(...), transaction.atomic(): ...``.
    """
    try:
        yield
    except PortalError as exc:
        refuse(actor, action, target, exc)
        raise


def _in_own_transaction() -> bool:
    """Whether a transaction of the product's is open; the one around a test does not count."""
    blocks: list[Any] = connection.atomic_blocks
    return bool(blocks) and not blocks[-1]._from_testcase


def _append_apart(content: dict[str, Any]) -> None:
    with connection.cursor() as cursor:
        if holds_lock(cursor):
            logger.error("refusal recorded inside its own transaction: %s", content)
            with transaction.atomic():
                _append(cursor, content)
            return
    apart = connection.copy()
    try:
        _append_alone(apart, content)
    except DatabaseError:
        # The refusal itself must reach the caller whatever happens to its record.
        logger.exception("refusal not recorded: %s", content)
    finally:
        apart.close()


def _append_alone(apart: BaseDatabaseWrapper, content: dict[str, Any]) -> None:
    with apart.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = {OWN_CONNECTION_WAIT_MS}")
    apart.set_autocommit(False)
    with apart.cursor() as cursor:
        _append(cursor, content)
    apart.commit()


def _content(
    actor: Actor,
    action: str,
    target: object,
    outcome: str,
    reason: str,
    detail: Mapping[str, Any] | None,
) -> dict[str, Any]:
    key = {"key": actor.key_prefix} if actor.key_prefix else {}
    return {
        "actor": _clean(actor.name)[:150],
        "actor_id": actor.user_id,
        "via": _clean(actor.via)[:20],
        "action": _clean(action)[:80],
        "outcome": outcome,
        "target": _clean(target)[:200],
        "reason": _clean(reason),
        "detail": _cleaned(key | dict(detail or {})),
        "request_id": _clean(actor.request_id or current_request_id())[:64],
    }


def _clean(value: object) -> str:
    """Return text that Postgres takes: no NUL, no lone surrogate."""
    text = str(value).replace("\x00", "\N{REPLACEMENT CHARACTER}")
    return text.encode("utf-8", "replace").decode()


def _cleaned(value: Any) -> Any:
    """Return a copy of a JSON value with every text clean and everything else foreign as text."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if value - value == 0 else str(value)
    if isinstance(value, Mapping):
        return {_clean(key): _cleaned(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_cleaned(item) for item in value]
    return _clean(value)


def _append(cursor: CursorWrapper, content: dict[str, Any]) -> AuditEntry:
    lock(cursor)
    head = read_head(cursor)
    entry = AuditEntry(
        **content | {"detail": _as_stored(cursor, content["detail"])},
        number=head.number + 1,
        at=clock.now().astimezone(UTC),
        previous_digest=head.digest,
    )
    entry.digest = digest_of(entry)
    values = {name: getattr(entry, name) for name in COLUMNS}
    cursor.execute(INSERT, values | {"detail": json.dumps(entry.detail)})
    write_head(cursor, Head(entry.number, entry.digest, head.next_seal(entry)))
    logger.info(
        "audit #%s %s %s %s by %s, digest %s",
        entry.number,
        entry.action,
        entry.outcome,
        entry.target,
        entry.actor,
        entry.digest,
    )
    return entry


def _as_stored(cursor: CursorWrapper, detail: Any) -> Any:
    """Return JSON as Postgres will give it back: it writes some numbers another way."""
    cursor.execute("SELECT %s::jsonb", [json.dumps(detail)])
    return json.loads(cursor.fetchone()[0])
