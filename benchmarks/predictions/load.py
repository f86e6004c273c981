"""Load over keep-alive connections from one thread: closed loop, and open loop at a given rate.

Latency in the open loop counts from the moment a request was due, not from when a connection was
free for it, so that a slow server cannot hide its queue.
"""

import selectors
import socket
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

END_OF_HEAD = b"\r\n\r\n"
LENGTH = b"content-length:"
END_OF_CHUNKS = b"0\r\n\r\n"
#: A server that answers nothing for so long has failed.
SILENCE_S = 20.0


@dataclass
class Sample:
    """What one run of load saw."""

    latencies_s: list[float] = field(default_factory=list)
    n_bad: int = 0
    elapsed_s: float = 0.0

    @property
    def n(self) -> int:
        return len(self.latencies_s)

    @property
    def per_second(self) -> float:
        return self.n / self.elapsed_s if self.elapsed_s else 0.0

    def percentile_ms(self, share: float) -> float:
        """Return a percentile of latency in milliseconds."""
        return float(np.percentile(self.latencies_s, share) * 1000) if self.n else float("nan")


class Connection:
    """One keep-alive connection that carries one request at a time."""

    def __init__(self, host: str, port: int) -> None:
        self.socket = socket.create_connection((host, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""
        self.since = 0.0

    def send(self, request: bytes, since: float) -> None:
        """Send a request whose latency counts from `since`."""
        self.since = since
        self.received = b""
        self.socket.sendall(request)

    def receive(self) -> int | None:
        """Take what has come; return the status once the answer is complete."""
        piece = self.socket.recv(1 << 20)
        if not piece:
            raise ConnectionError("the server closed a connection")
        self.received += piece
        head, separator, body = self.received.partition(END_OF_HEAD)
        if not separator:
            return None
        return int(head[9:12]) if _is_whole(head.lower(), body) else None


def _is_whole(head: bytes, body: bytes) -> bool:
    start = head.find(LENGTH)
    if start < 0:
        return body.endswith(END_OF_CHUNKS)
    return len(body) >= int(head[start + len(LENGTH) :].split(b"\r\n", 1)[0])


def http_request(
    method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
) -> bytes:
    """Return the bytes of a request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def closed_loop(
    address: tuple[str, int], requests: list[bytes], n_connections: int, duration_s: float
) -> Sample:
    """Keep every connection busy for a time; each sends the next request when answered."""
    sample = Sample()
    with selectors.DefaultSelector() as selector:
        connections = _connect(selector, address, n_connections)
        started = time.perf_counter()
        deadline = started + duration_s
        number = 0
        for connection in connections:
            connection.send(requests[number % len(requests)], time.perf_counter())
            number += 1
        n_waiting = n_connections
        while n_waiting:
            ready = selector.select(SILENCE_S)
            if not ready:
                raise TimeoutError(f"no answer within {SILENCE_S} s")
            for key, _events in ready:
                connection = key.data
                status = connection.receive()
                if status is None:
                    continue
                moment = time.perf_counter()
                _note(sample, status, moment - connection.since)
                if moment >= deadline:
                    n_waiting -= 1
                    continue
                connection.send(requests[number % len(requests)], moment)
                number += 1
        sample.elapsed_s = time.perf_counter() - started
        _close(connections)
    return sample


def open_loop(
    address: tuple[str, int],
    requests: list[bytes],
    arrivals_s: NDArray[np.float64],
    n_connections: int,
) -> Sample:
    """Send each request when it is due (seconds from now), whether or not others are answered."""
    sample = Sample()
    with selectors.DefaultSelector() as selector:
        idle = deque(_connect(selector, address, n_connections))
        connections = list(idle)
        started = time.perf_counter()
        due = deque((started + moment, number) for number, moment in enumerate(arrivals_s))
        n_open = 0
        while due or n_open:
            moment = time.perf_counter()
            while due and idle and due[0][0] <= moment:
                since, number = due.popleft()
                idle.popleft().send(requests[number % len(requests)], since)
                n_open += 1
            for connection in _ready(selector, due, moment, is_full=not idle):
                status = connection.receive()
                if status is None:
                    continue
                _note(sample, status, time.perf_counter() - connection.since)
                idle.append(connection)
                n_open -= 1
        sample.elapsed_s = time.perf_counter() - started
        _close(connections)
    return sample


def poisson(rate: float, duration_s: float, seed: int) -> NDArray[np.float64]:
    """Return arrival times of a Poisson process, in seconds."""
    generator = np.random.default_rng(seed)
    count = int(rate * duration_s)
    return np.cumsum(generator.exponential(1 / rate, size=count))


def _ready(
    selector: selectors.BaseSelector,
    due: deque[tuple[float, int]],
    moment: float,
    *,
    is_full: bool,
) -> Iterator[Connection]:
    must_answer = is_full or not due
    ready = selector.select(SILENCE_S if must_answer else max(0.0, due[0][0] - moment))
    if must_answer and not ready:
        raise TimeoutError(f"no answer within {SILENCE_S} s")
    for key, _events in ready:
        yield key.data


def _connect(
    selector: selectors.BaseSelector, address: tuple[str, int], count: int
) -> list[Connection]:
    connections = [Connection(*address) for _ in range(count)]
    for connection in connections:
        selector.register(connection.socket, selectors.EVENT_READ, connection)
    return connections


def _close(connections: list[Connection]) -> None:
    for connection in connections:
        connection.socket.close()


def _note(sample: Sample, status: int, latency_s: float) -> None:
    sample.latencies_s.append(latency_s)
    sample.n_bad += status != 200
