"""Signatures of what goes out to programs and comes back from them; nothing heavy is imported."""

import hashlib
import hmac
import secrets
import time

from monitoring.courier.orders import Order

SIGNED = "v1"


def signature(order: Order, body: bytes) -> dict[str, str]:
    """Return the headers that prove where a message comes from, and tell apart repeated ones."""
    known = {"X-Millwright-Delivery": str(order.content.get("id", order.id))}
    if not order.secret:
        return known
    moment, nonce = str(int(time.time())), secrets.token_hex(16)
    signed = sign(order.secret, moment, nonce, body)
    return known | {
        "X-Millwright-Timestamp": moment,
        "X-Millwright-Nonce": nonce,
        "X-Millwright-Signature": signed,
    }


def sign(secret: str, moment: str, nonce: str, body: bytes) -> str:
    """Return HMAC-SHA256 over version, time, nonce and body, as both directions use it."""
    text = b":".join((SIGNED.encode(), moment.encode(), nonce.encode(), body))
    return f"{SIGNED}={hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()}"
