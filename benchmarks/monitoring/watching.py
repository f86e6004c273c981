"""Asks for one address again and again while something else happens.

The asking is done by a process of its own: in a thread beside the load generator it would wait for
that one's interpreter lock, and the figure would tell of the client.
"""

import multiprocessing
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.predictions import load
from benchmarks.predictions.load import Sample
from benchmarks.predictions.targets import Target, free_port, wait_for

PATIENCE_S = 30.0


@contextmanager
def watched(target: Target, path: str, sample: Sample, pause_s: float) -> Iterator[None]:
    """Ask for an address over new connections until the block ends; every answer is kept."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    words = (target.address, path, pause_s, theirs)
    watcher = context.Process(target=_watch, args=words, daemon=True)
    watcher.start()
    try:
        ours.recv()  # it asks from now on
        yield
        ours.send(None)
        latencies_s, n_bad = ours.recv()
        sample.latencies_s += latencies_s
        sample.n_bad += n_bad
    finally:
        watcher.join(PATIENCE_S)
        watcher.kill()


def _watch(address: tuple[str, int], path: str, pause_s: float, theirs: Connection) -> None:
    request, sample = load.http_request("GET", path), Sample()
    load.closed_loop(address, [request], 1, 0.0)
    theirs.send(None)
    while not theirs.poll(pause_s):
        one = load.closed_loop(address, [request], 1, 0.0)
        sample.latencies_s += one.latencies_s
        sample.n_bad += one.n_bad
    theirs.send((sample.latencies_s, sample.n_bad))


@contextmanager
def empty_server() -> Iterator[Target]:
    """Answer the same 2,500 bytes to whoever asks: what the machine and the client cost alone."""
    port = free_port()
    context = multiprocessing.get_context("spawn")
    server = context.Process(target=_answer, args=(port,), daemon=True)
    server.start()
    try:
        wait_for(f"http://127.0.0.1:{port}/", PATIENCE_S)
        yield Target("empty", ("127.0.0.1", port), "/", {}, {})
    finally:
        server.kill()
        server.join(PATIENCE_S)


def _answer(port: int) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2500\r\n\r\n" + bytes(2500)
    with socket.create_server(("127.0.0.1", port), backlog=64) as listening:
        while True:
            connection, _address = listening.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(answer)


def idle(target: Target, path: str, pause_s: float, seconds: float) -> Sample:
    """Ask for an address while nothing else is asked."""
    sample = Sample()
    with watched(target, path, sample, pause_s):
        time.sleep(seconds)
    return sample


def told(sample: Sample) -> dict[str, Any]:
    """Return the figures of a sample."""
    return {
        "n": sample.n,
        "n_bad": sample.n_bad,
        "p50_ms": sample.percentile_ms(50),
        "p99_ms": sample.percentile_ms(99),
    }
