"""The audit log: who did or was refused what, in a chain that shows every later change.

Each entry carries the SHA-256 of its own content and of the entry before it; the end of the chain is kept
beside it under a seal made with the portal's secret. Triggers refuse UPDATE, DELETE and TRUNCATE; whoever
gets round the triggers breaks a digest, and whoever computes all digests anew lacks the secret for the seal.
"""

import hashlib
import hmac
import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, cast

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.utils.translation import gettext as _

from portal.core.actors import Actor
from portal.core.errors import Conflict, PortalError
from portal.core.models import AuditEntry
from portal.core.request_context import current_request_id
from portal.lib import clock
from portal.lib.hashing import digest_json

logger = logging.getLogger(__name__)

Outcome = Literal["done", "refused"]
GENESIS = "0" * 64
LOCK = 0x41554449  # "AUDI", the advisory lock that keeps writers in line
OWN_CONNECTION_WAIT_MS = 2000
BATCH = 2000
MOST_BREAKS = 100


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
    """Append a refusal that outlives the caller's transaction; the caller raises `error` afterwards.

    Outside a transaction this is :func:`record`. Inside one the entry goes through a connection of its own;
    only when this very transaction already holds the end of the chain does the entry share its fate, and
    then the log line is what remains. Prefer :func:`refusals`, which waits for the transaction to end.
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
    """Whether a transaction of the product's is open; the one a test case wraps around all does not count."""
    blocks = connection.atomic_blocks
    return bool(blocks) and not blocks[-1]._from_testcase


def _append_apart(content: dict[str, Any]) -> None:
    with connection.cursor() as cursor:
        if _holds_lock(cursor):
            logger.error("refusal recorded inside its own transaction: %s", content)
            with transaction.atomic():
                _append(cursor, content)
            return
    apart = connection.copy()
    try:
        with apart.cursor() as cursor:
            cursor.execute(f"SET lock_timeout = {OWN_CONNECTION_WAIT_MS}")
        _append_alone(apart, content)
    except DatabaseError:
        # The refusal itself must reach the caller whatever happens to its record.
        logger.exception("refusal not recorded: %s", content)
    finally:
        apart.close()


def _append_alone(apart: BaseDatabaseWrapper, content: dict[str, Any]) -> None:
    apart.set_autocommit(False)
    with apart.cursor() as cursor:
        _append(cursor, content)
    apart.commit()


def _holds_lock(cursor: CursorWrapper) -> bool:
    cursor.execute(
        "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND objid = %s",
        [LOCK],
    )
    return cursor.fetchone() is not None


def _content(
    actor: Actor,
    action: str,
    target: object,
    outcome: str,
    reason: str,
    detail: Mapping[str, Any] | None,
) -> dict[str, Any]:
    return {
        "actor": _clean(actor.name)[:150],
        "actor_id": actor.user_id,
        "via": _clean(actor.via)[:20],
        "action": _clean(action)[:80],
        "outcome": outcome,
        "target": _clean(target)[:200],
        "reason": _clean(reason),
        "detail": _cleaned(_about(actor) | dict(detail or {})),
        "request_id": _clean(actor.request_id or current_request_id())[:64],
    }


def _about(actor: Actor) -> dict[str, Any]:
    return {"key": actor.key_prefix} if actor.key_prefix else {}


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
    cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
    # Read back as Postgres will give it later: jsonb writes some numbers another way.
    cursor.execute("SELECT %s::jsonb", [json.dumps(content["detail"])])
    content = content | {"detail": json.loads(cursor.fetchone()[0])}
    head = _read_head(cursor)
    entry = AuditEntry(
        **content,
        number=head.number + 1,
        at=clock.now().astimezone(UTC),
        previous_digest=head.digest,
    )
    entry.digest = digest_of(entry)
    cursor.execute(
        "INSERT INTO core_auditentry (number, at, actor, actor_id, via, action, outcome, target, reason,"
        " detail, request_id, previous_digest, digest)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s::jsonb, %s, %s, %s)",
        [
            entry.number,
            entry.at,
            entry.actor,
            entry.actor_id,
            entry.via,
            entry.action,
            entry.outcome,
            entry.target,
            entry.reason,
            json.dumps(entry.detail),
            entry.request_id,
            entry.previous_digest,
            entry.digest,
        ],
    )
    _write_head(cursor, Head(entry.number, entry.digest, seal=head.next_seal(entry)))
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


def digest_of(entry: AuditEntry) -> str:
    """Return the SHA-256 of an entry's content and of the digest before it, as canonical JSON."""
    return digest_json(
        {
            "number": entry.number,
            "at": cast(datetime, entry.at).astimezone(UTC).isoformat(),
            "actor": entry.actor,
            "actor_id": entry.actor_id,
            "via": entry.via,
            "action": entry.action,
            "outcome": entry.outcome,
            "target": entry.target,
            "reason": entry.reason,
            "detail": entry.detail,
            "request_id": entry.request_id,
            "previous": entry.previous_digest,
        }
    )


@dataclass(frozen=True)
class Head:
    """The end of the chain as it is kept beside it."""

    number: int
    digest: str
    seal: str

    @property
    def is_sealed(self) -> bool:
        """Whether the seal was made with this portal's secret, or one it had before."""
        secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
        wanted = (seal_of(self.number, self.digest, secret) for secret in secrets)
        return any(hmac.compare_digest(self.seal, seal) for seal in wanted)

    def next_seal(self, entry: AuditEntry) -> str:
        """Return the seal after one more entry: none when this one is broken, so that a break stays."""
        return seal_of(entry.number, entry.digest) if self.is_sealed else ""


def seal_of(number: int, digest: str, secret: str | None = None) -> str:
    """Return the seal of a chain that ends with this entry."""
    key = hashlib.sha256(b"audit seal:" + (secret or settings.SECRET_KEY).encode()).digest()
    return hmac.new(key, f"{number}:{digest}".encode(), hashlib.sha256).hexdigest()


def _read_head(cursor: CursorWrapper) -> Head:
    cursor.execute("SELECT number, digest, seal FROM core_audithead WHERE id = 1")
    row = cursor.fetchone()
    if row is None:
        # Somebody removed it: go on after what is left, without a seal, so that verifying says so.
        cursor.execute(
            "SELECT number, digest, '' FROM core_auditentry ORDER BY number DESC LIMIT 1"
        )
        row = cursor.fetchone() or (0, GENESIS, "")
    return Head(*row)


def _write_head(cursor: CursorWrapper, head: Head) -> None:
    cursor.execute(
        "INSERT INTO core_audithead (id, number, digest, seal) VALUES (1, %s, %s, %s)"
        " ON CONFLICT (id) DO UPDATE SET number = excluded.number, digest = excluded.digest,"
        " seal = excluded.seal",
        [head.number, head.digest, head.seal],
    )


@dataclass(frozen=True)
class Report:
    """What verifying the log found.

    Attributes
    ----------
    n_entries
        How many entries were read.
    end
        The last one, as ``number:digest``: note it elsewhere and ask for it later.
    breaks
        What is wrong, one sentence each; at most :data:`MOST_BREAKS`.
    is_chain_intact
        Whether the entries themselves are, whatever the seal says.
    """

    n_entries: int
    end: str
    breaks: tuple[str, ...]
    is_chain_intact: bool

    @property
    def is_intact(self) -> bool:
        """Whether nothing was changed, removed, added or moved."""
        return not self.breaks


def verify(anchors: Iterable[tuple[int, str]] = ()) -> Report:
    """Read the whole log and compare every digest, the order, the end and its seal.

    Parameters
    ----------
    anchors
        Numbers and digests noted elsewhere earlier, which must still be there.
    """
    walk = _Walk(dict(anchors))
    while True:
        n_read = walk.go_on()
        head = current_head()
        # Whoever appended meanwhile has moved the end: read on to there.
        if head.number <= walk.number or n_read == 0:
            break
    chain = [*walk.breaks, *walk.compare(head)]
    seal = [] if head.is_sealed else ["The seal of the end was not made with this portal's secret."]
    return Report(
        n_entries=walk.n_entries,
        end=f"{walk.number}:{walk.digest}",
        breaks=tuple([*chain[:MOST_BREAKS], *seal]),
        is_chain_intact=not chain,
    )


class _Walk:
    """One reading of the log from its first entry on."""

    def __init__(self, anchors: dict[int, str]) -> None:
        self.anchors = anchors
        self.number = 0
        self.digest = GENESIS
        self.n_entries = 0
        self.breaks: list[str] = []

    def go_on(self) -> int:
        """Read what is there after the last entry read; return how many entries that was."""
        before = self.n_entries
        while batch := AuditEntry.objects.filter(number__gt=self.number).order_by("number")[:BATCH]:
            for entry in batch:
                self._take(entry)
        return self.n_entries - before

    def _take(self, entry: AuditEntry) -> None:
        if entry.number != self.number + 1:
            self.breaks.append(f"Entries {self.number + 1} to {entry.number - 1} are missing.")
        elif entry.previous_digest != self.digest:
            self.breaks.append(f"Entry {entry.number} does not follow the one before it.")
        if digest_of(entry) != entry.digest:
            self.breaks.append(f"Entry {entry.number} was changed.")
        if self.anchors.get(entry.number) == entry.digest:
            del self.anchors[entry.number]
        self.number, self.digest = entry.number, entry.digest
        self.n_entries += 1

    def compare(self, head: Head) -> Iterator[str]:
        """Say what the end of the log and the anchors have against what was read."""
        if (head.number, head.digest) != (self.number, self.digest):
            yield (
                f"The log ends with entry {self.number}, its kept end is entry {head.number}: "
                "entries were removed or added at the end."
            )
        for number in sorted(self.anchors):
            yield f"Entry {number} is not the one that was noted elsewhere."


def current_head() -> Head:
    """Return the end of the chain."""
    with connection.cursor() as cursor:
        return _read_head(cursor)


def reseal(actor: Actor, reason: str) -> AuditEntry:
    """Seal the end again after the portal's secret was changed, and record that.

    Raises
    ------
    Conflict
        When the entries themselves are not intact: no seal may hide that.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        report = verify()
        if not report.is_chain_intact:
            raise Conflict(
                _("The audit log itself is broken, and a new seal must not hide it: %(first)s")
                % {"first": report.breaks[0]},
                code="audit_broken",
            )
        head = _read_head(cursor)
        _write_head(cursor, Head(head.number, head.digest, seal_of(head.number, head.digest)))
        return record(actor, "audit.reseal", "audit log", reason=reason)
