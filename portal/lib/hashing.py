"""Content digests: files, streams and canonical JSON."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any, BinaryIO

CHUNK_BYTES = 1 << 20


def sha256_bytes(data: bytes) -> str:
    """Return the hexadecimal SHA-256 of a byte string."""
    return hashlib.sha256(data).hexdigest()


def chunks(stream: BinaryIO, size_bytes: int = CHUNK_BYTES) -> Iterable[bytes]:
    """Yield a binary stream piece by piece."""
    while piece := stream.read(size_bytes):
        yield piece


def sha256_stream(stream: BinaryIO) -> str:
    """Return the hexadecimal SHA-256 of a binary stream, read in bounded memory."""
    digest = hashlib.sha256()
    for piece in chunks(stream):
        digest.update(piece)
    return digest.hexdigest()


def canonical_json(value: Any) -> bytes:
    """Serialise to JSON that is equal for equal values: sorted keys, no spaces, no NaN.

    Raises
    ------
    ValueError
        If the value holds NaN or infinity.
    """
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode()


def digest_json(value: Any) -> str:
    """Return the SHA-256 of a value's canonical JSON."""
    return sha256_bytes(canonical_json(value))
