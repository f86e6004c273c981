"""The one way of this process to speak HTTP: no proxy of the environment, no redirect, no flood."""

import time
from email.utils import parsedate_to_datetime
from typing import Any

import requests
from requests import Response, Session

#: More of an answer than this is not read; it only says whether the message was taken.
MOST_BYTES = 65_536
CHUNK_BYTES = 8_192


class RedirectRefused(requests.RequestException):
    """The receiver points elsewhere."""


class AnswerTooLarge(requests.RequestException):
    """The answer does not end."""


class GuardedSession(Session):
    """A session that keeps to one address and remembers how it was answered.

    Attributes
    ----------
    status_code, retry_after
        Of the last answer.
    """

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False
        self.max_redirects = 0
        self.status_code: int | None = None
        self.retry_after = ""

    def request(self, method: Any, url: Any, **kwargs: Any) -> Response:  # type: ignore[override]  # all by name
        """Make one request, its answer read up to a limit and within the time-out."""
        kwargs |= {"allow_redirects": False, "stream": True}
        started = time.monotonic()
        timeout_s = float(kwargs.get("timeout") or 10.0)
        kwargs["timeout"] = timeout_s
        response = super().request(method, url, **kwargs)
        try:
            self.status_code = response.status_code
            self.retry_after = response.headers.get("Retry-After", "")
            response._content = _read(response, started + 2 * timeout_s)
        finally:
            response.close()
        if 300 <= response.status_code < 400:
            raise RedirectRefused("The receiver redirects; enter the address it points to.")
        return response


def _read(response: Response, until: float) -> bytes:
    """Return the body, or as much as was sent until a monotonic time."""
    body = b""
    for chunk in response.iter_content(CHUNK_BYTES):
        body += chunk
        if len(body) > MOST_BYTES:
            raise AnswerTooLarge(f"The answer is longer than {MOST_BYTES} bytes.")
        if time.monotonic() > until:
            raise requests.Timeout("The answer came too slowly.")
    return body


def seconds_to_wait(retry_after: str, now: float | None = None) -> float | None:
    """Return what a Retry-After header asks for: seconds, or until a date."""
    text = retry_after.strip()
    if not text:
        return None
    if text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError):
        return None
    return max(0.0, moment - (time.time() if now is None else now))
