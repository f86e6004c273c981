"""Embeddings from an endpoint that speaks the OpenAI form: ``POST {url}/embeddings``."""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request

import numpy as np

from search.engine.embedders.bounded import build_opener
from search.engine.embedders.contract import Vectors, normalized
from search.engine.options import ENDPOINT
from search.engine.problems import EmbedderProblem

KIND = ENDPOINT
_RETRIED = frozenset((408, 409, 425, 429, 500, 502, 503, 504))
_BATCH = 64
#: What common models read; the rest of a longer text is left out.
_MAX_CHARS = 8_000
#: One number takes at most so many bytes in an answer.
_BYTES_A_NUMBER = 32
_MAX_DIMENSIONS = 8_192
_MAX_WAIT_S = 5.0


@dataclass(frozen=True)
class Settings:
    """Where and how to ask.

    Attributes
    ----------
    url : str
        Base address such as ``https://host/v1``.
    model : str
        As the endpoint names it.
    dimensions : int or None
        Of the vectors; None asks the endpoint once.
    timeout_s : float
        Of one attempt, from the connection to the last byte of the answer.
    attempts : int
        Tries before an outage is reported.
    backoff_s : float
        Waited after the first failed attempt, doubled after each further one.
    """

    url: str
    model: str
    dimensions: int | None = None
    timeout_s: float = 10.0
    attempts: int = 2
    backoff_s: float = 0.5


class EndpointEmbedder:
    """Asks an endpoint for vectors; safe for threads."""

    def __init__(self, settings: Settings, api_key: str = "") -> None:
        if urlsplit(settings.url).scheme not in ("http", "https"):
            raise EmbedderProblem(
                "endpoint_refused", value="an address that is neither http nor https"
            )
        self._settings = settings
        self._api_key = api_key
        self._opener = build_opener(_NoRedirects)
        self._dimensions = settings.dimensions

    @classmethod
    def load(
        cls, parameters: Mapping[str, Any], credentials: Mapping[str, str], dimensions: int | None
    ) -> "EndpointEmbedder":
        """Return the embedder of a specification.

        Raises
        ------
        EmbedderProblem
            If a parameter is unknown or missing.
        """
        try:
            settings = Settings(**{"dimensions": dimensions, **parameters})
        except TypeError as exc:
            raise EmbedderProblem("model_unreadable", value=KIND, reason=str(exc)) from exc
        return cls(settings, credentials.get("api_key", ""))

    @property
    def name(self) -> str:
        """The model's name."""
        return self._settings.model

    @property
    def version(self) -> str:
        """Digest of address, model and dimensions; an endpoint tells no more of itself."""
        parts = (self._settings.url, self._settings.model, str(self.dimensions))
        return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:16]

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        if self._dimensions is None:
            self._dimensions = self._ask(["-"]).shape[1]
        return self._dimensions

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return float32 vectors [n, dimensions]; empty texts give zeros and are not sent."""
        vectors = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        filled = [place for place, text in enumerate(texts) if text.strip()]
        for start in range(0, len(filled), _BATCH):
            places = filled[start : start + _BATCH]
            found = self._ask([texts[place][:_MAX_CHARS] for place in places])
            if found.shape[1] != self.dimensions:
                reason = f"{found.shape[1]} dimensions instead of {self.dimensions}"
                raise EmbedderProblem("endpoint_nonsense", reason=reason)
            vectors[places] = found
        return normalized(vectors)

    def _ask(self, texts: Sequence[str]) -> Vectors:
        body: dict[str, Any] = {"model": self._settings.model, "input": list(texts)}
        if self._settings.dimensions is not None:
            body["dimensions"] = self._settings.dimensions
        data = json.dumps(body).encode()
        wait_s = self._settings.backoff_s
        for attempt in range(1, self._settings.attempts + 1):
            try:
                return _vectors(self._post(data, len(texts)), len(texts))
            except _Outage as exc:
                if attempt == self._settings.attempts:
                    raise EmbedderProblem("endpoint_failed", reason=str(exc)) from exc
                time.sleep(min(_MAX_WAIT_S, exc.retry_after_s or wait_s))
                wait_s *= 2
        raise EmbedderProblem("endpoint_failed", reason="no attempt is allowed")

    def _post(self, data: bytes, n_texts: int) -> bytes:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self._api_key:
            headers["Authorization"] = f"Bearer {self._api_key}"
        address = self._settings.url.rstrip("/") + "/embeddings"
        request = Request(address, data=data, headers=headers)  # noqa: S310 - checked at the start
        limit = (1 << 20) + n_texts * (self._dimensions or _MAX_DIMENSIONS) * _BYTES_A_NUMBER
        try:
            with self._opener.open(request, timeout=self._settings.timeout_s) as answer:
                content: bytes = answer.read(limit + 1)
        except HTTPError as exc:
            with exc:
                if exc.code in _RETRIED:
                    wait = exc.headers.get("Retry-After", "")
                    raise _Outage(f"{exc.code} {exc.reason}", wait) from exc
                value = f"{exc.code} {exc.reason}"
            raise EmbedderProblem("endpoint_refused", value=value) from exc
        except (URLError, OSError, HTTPException) as exc:
            reason = getattr(exc, "reason", None) or exc
            raise _Outage(str(reason) or type(exc).__name__) from exc
        if len(content) > limit:
            raise EmbedderProblem("endpoint_nonsense", reason=f"more than {limit} bytes")
        return content


class _Outage(Exception):
    """An attempt failed in a way that another may not."""

    def __init__(self, reason: str, retry_after: str = "") -> None:
        super().__init__(reason)
        self.retry_after_s = float(retry_after) if retry_after.isdigit() else 0.0


class _NoRedirects(HTTPRedirectHandler):
    """A redirect would carry the key elsewhere."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> None:
        del req, fp, code, msg, headers, newurl


def _vectors(content: bytes, count: int) -> Vectors:
    """Return the vectors of an answer in the order of the texts."""
    try:
        entries = json.loads(content)["data"]
        ordered = sorted(entries, key=lambda entry: int(entry["index"]))
        rows = [entry["embedding"] for entry in ordered]
        vectors = np.array(rows, dtype=np.float32)
        places = [int(entry["index"]) for entry in ordered]
    except (ValueError, TypeError, KeyError, LookupError, OverflowError) as exc:
        reason = f"{type(exc).__name__}: {exc}"[:200].rstrip(".")
        raise EmbedderProblem("endpoint_nonsense", reason=reason) from exc
    if places != list(range(count)) or vectors.ndim != 2 or not vectors.shape[1]:
        reason = f"{len(places)} vectors for {count} texts"
        raise EmbedderProblem("endpoint_nonsense", reason=reason)
    if not np.isfinite(vectors).all():
        raise EmbedderProblem("endpoint_nonsense", reason="a number is not finite")
    return vectors
