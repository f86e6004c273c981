"""The chain under the audit log: digests, the kept end and its seal.

Each entry carries the SHA-256 of its own content and of the entry before it. The end of the chain
is kept beside it under a seal made with the portal's secret: whoever gets round the triggers and
computes all digests anew still lacks the secret, and a tail cut off leaves an end without its
entry.
"""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC

from django.conf import settings
from django.db import connection
from django.db.backends.utils import CursorWrapper

from portal.core.models import AuditEntry
from portal.lib.hashing import digest_json

GENESIS = "0" * 64
LOCK = 0x41554449  # "AUDI", the advisory lock that keeps writers in line


def digest_of(entry: AuditEntry) -> str:
    """Return the SHA-256 of an entry's content and of the digest before it, as canonical JSON."""
    return digest_json(
        {
            "number": entry.number,
            "at": entry.at.astimezone(UTC).isoformat(),
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
        secrets = ["", *map(str, settings.SECRET_KEY_FALLBACKS)]
        wanted = (seal_of(self.number, self.digest, secret) for secret in secrets)
        return any(hmac.compare_digest(self.seal, seal) for seal in wanted)

    def next_seal(self, entry: AuditEntry) -> str:
        """Return the seal after one more entry: none if this one is broken, so a break stays."""
        return seal_of(entry.number, entry.digest) if self.is_sealed else ""


def seal_of(number: int, digest: str, secret: str = "") -> str:
    """Return the seal of a chain that ends so, by default with the portal's secret of today."""
    key = hashlib.sha256(b"audit seal:" + (secret or settings.SECRET_KEY).encode()).digest()
    return hmac.new(key, f"{number}:{digest}".encode(), hashlib.sha256).hexdigest()


def lock(cursor: CursorWrapper) -> None:
    """Make other writers wait until this transaction ends."""
    cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])


def holds_lock(cursor: CursorWrapper) -> bool:
    """Whether this connection's transaction is the one others wait for."""
    cursor.execute(
        "SELECT 1 FROM pg_locks"
        " WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND objid = %s",
        [LOCK],
    )
    return cursor.fetchone() is not None


def read_head(cursor: CursorWrapper) -> Head:
    """Return the kept end of the chain."""
    cursor.execute("SELECT number, digest, seal FROM core_audithead WHERE id = 1")
    row = cursor.fetchone()
    if row is None:
        # Somebody removed it: go on after what is left, without a seal, so that verifying says so.
        cursor.execute(
            "SELECT number, digest, '' FROM core_auditentry ORDER BY number DESC LIMIT 1"
        )
        row = cursor.fetchone() or (0, GENESIS, "")
    return Head(*row)


def write_head(cursor: CursorWrapper, head: Head) -> None:
    """Keep the end of the chain."""
    cursor.execute(
        "INSERT INTO core_audithead (id, number, digest, seal) VALUES (1, %s, %s, %s)"
        " ON CONFLICT (id) DO UPDATE SET number = excluded.number, digest = excluded.digest,"
        " seal = excluded.seal",
        [head.number, head.digest, head.seal],
    )


def current_head() -> Head:
    """Return the end of the chain, for reading only."""
    with connection.cursor() as cursor:
        return read_head(cursor)
