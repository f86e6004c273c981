"""What is said of a failure: enough to mend it, and nothing of an address that is secret."""

import logging
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote, urlsplit

import requests

from monitoring.courier.guard import AddressRefused

LONGEST = 300
SHOWN_OF_DEBUG = "Socket Exception: "
HIDDEN = "…"


def said(exc: BaseException) -> str:
    """Return a failure in words; the messages of requests hold whole addresses and are not used."""
    causes = list(_causes(exc))
    for kind, words in WORDS:
        for cause in causes:
            if isinstance(cause, kind):
                return (words or str(cause))[:LONGEST]
    return type(exc).__name__


def _causes(exc: BaseException | None) -> Iterator[BaseException]:
    """Give an error and all that led to it, whichever way its library keeps them."""
    waiting: list[object] = [exc]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop()
        if not isinstance(one, BaseException) or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]


# The first that fits is said; an empty text stands for the error's own words.
WORDS: tuple[tuple[type[BaseException], str], ...] = (
    (AddressRefused, ""),
    (requests.exceptions.InvalidURL, "The address is malformed."),
    (socket.gaierror, "The name of the host cannot be resolved."),
    (ssl.SSLCertVerificationError, "The certificate of the receiver cannot be verified."),
    (ssl.SSLError, "No TLS connection could be made."),
    (ConnectionRefusedError, "The receiver refuses the connection."),
    (requests.Timeout, "The receiver does not answer in time."),
    (TimeoutError, "The receiver does not answer in time."),
    (ConnectionError, "The connection broke."),
    (requests.ConnectionError, "The connection broke."),
    (requests.RequestException, ""),
)


class Heard(logging.Handler):
    """What a library logs in this thread about a message."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._thread = threading.get_ident()
        self._lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep warnings, and what a socket said."""
        if threading.get_ident() != self._thread:
            return
        line = record.getMessage()
        if line.startswith(SHOWN_OF_DEBUG):
            self._lines.append(line.removeprefix(SHOWN_OF_DEBUG))
        elif record.levelno >= logging.WARNING:
            self._lines.append(line)

    def said(self, address: str) -> str:
        """Return it without any part of the address that could be a secret."""
        text = " ".join(self._lines) or "It was not sent."
        parts = urlsplit(address)
        for hidden in (parts.password, parts.username):
            if hidden:
                text = text.replace(hidden, HIDDEN).replace(unquote(hidden), HIDDEN)
        return text[:LONGEST]


@contextmanager
def heard() -> Iterator[Heard]:
    """Listen to what apprise logs about what is done in the block."""
    logger = logging.getLogger("apprise")
    handler = Heard()
    logger.addHandler(handler)
    try:
        yield handler
    finally:
        logger.removeHandler(handler)
