"""Identifiers of predictions: version 7 UUIDs, which begin with the time they were made.

Rows arrive in the order of the index, and whoever looks for a prediction that was answered a moment
ago knows where in the stream to look. Layout: RFC 9562, section 5.7.
"""

import hashlib
import os
from uuid import UUID

_VERSION = 0x70
_VARIANT = 0x80


def new_ids(count: int, at_s: float) -> list[bytes]:
    """Return `count` identifiers of 16 bytes that carry the moment `at_s` (seconds since 1970)."""
    stamp = int(at_s * 1000).to_bytes(6, "big")
    noise = os.urandom(10 * count)
    return [_stamped(stamp, noise[start : start + 10]) for start in range(0, 10 * count, 10)]


def repeated_ids(count: int, at_s: float, name: bytes) -> list[bytes]:
    """Return the identifiers that a request has under its caller's own name, however often asked.

    Parameters
    ----------
    count
        How many.
    at_s
        When the request was first made, in seconds since 1970.
    name
        Of the request.
    """
    stamp = int(at_s * 1000).to_bytes(6, "big")
    root = hashlib.blake2b(name, digest_size=32, salt=int(at_s * 1e6).to_bytes(8, "big"))
    return [_stamped(stamp, _noise(root, number)) for number in range(count)]


def _noise(root: "hashlib.blake2b", number: int) -> bytes:
    own = root.copy()
    own.update(number.to_bytes(4, "big"))
    return own.digest()[:10]


def _stamped(stamp: bytes, noise: bytes) -> bytes:
    marks = (_VERSION | noise[0] & 0x0F, noise[1], _VARIANT | noise[2] & 0x3F)
    return stamp + bytes(marks) + noise[3:]


def text(identifier: bytes) -> str:
    """Return the usual spelling; several times quicker than through :class:`uuid.UUID`."""
    digits = identifier.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def made_at_ms(identifier: UUID) -> int | None:
    """Return the milliseconds since 1970 that a version 7 identifier carries, else None."""
    return identifier.int >> 80 if identifier.version == 7 else None
