"""HTTP calls that are over by a deadline, however slowly the other side sends.

The timeout of a socket counts for each piece that comes, so an endpoint that sends a byte now and
then, of its headers or of its answer, would hold a caller for hours. Here it counts for the call.
"""

import io
import time
from functools import partial
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from socket import socket
from typing import Any
from urllib.request import BaseHandler, HTTPHandler, HTTPSHandler, OpenerDirector, Request
from urllib.request import build_opener as plain_opener


def build_opener(*handlers: type[BaseHandler]) -> OpenerDirector:
    """Return an opener whose timeouts count from the connection to the last byte of the answer.

    A call that takes longer ends with ``TimeoutError``, also while the answer is read.
    """
    return plain_opener(_Http, _Https, *handlers)


class _Http(HTTPHandler):
    def http_open(self, req: Request) -> HTTPResponse:
        return self.do_open(_Connection, req)


class _Https(HTTPSHandler):
    def https_open(self, req: Request) -> HTTPResponse:
        return self.do_open(_SecureConnection, req)


class _Bounded(HTTPConnection):
    """A connection for one call."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not isinstance(self.timeout, int | float):
            raise TypeError("a call needs a timeout in seconds")
        deadline = time.monotonic() + self.timeout
        self.response_class = partial(_Response, deadline)  # type: ignore[assignment] # only called


class _Connection(_Bounded):
    pass


class _SecureConnection(_Bounded, HTTPSConnection):
    pass


class _Response(HTTPResponse):
    def __init__(self, deadline: float, sock: socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_Pieces(sock, self.fp, deadline))


class _Pieces(io.RawIOBase):
    """What comes over a socket, as long as the deadline allows."""

    def __init__(self, sock: socket, source: io.BufferedReader, deadline: float) -> None:
        self._sock, self._source, self._deadline = sock, source, deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left_s = self._deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("no whole answer came in time")
        self._sock.settimeout(left_s)
        return self._source.readinto1(buffer)

    def close(self) -> None:
        self._source.close()
        super().close()
