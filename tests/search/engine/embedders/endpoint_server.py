"""An endpoint on the loopback that answers as a test says."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, dict[str, str], bytes]


@dataclass
class Endpoint:
    """What the server saw and how it answers; answers are used up in order, the last one stays."""

    answers: list[Callable[[dict[str, Any]], Answer]]
    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def answer(self, body: dict[str, Any], headers: dict[str, str]) -> Answer:
        self.bodies.append(body)
        self.headers.append(headers)
        chosen = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
        return chosen(body)


@contextmanager
def running(*answers: Callable[[dict[str, Any]], Answer]) -> Iterator[Endpoint]:
    """Serve on a free port of the loopback."""
    endpoint = Endpoint(list(answers))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            status, headers, content = endpoint.answer(
                json.loads(self.rfile.read(length)) | {"path": self.path}, dict(self.headers)
            )
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    endpoint.url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield endpoint
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def counted(body: dict[str, Any]) -> Answer:
    """Answer each text with its counts of three words, in reverse order as endpoints may."""
    entries = [
        {"index": n, "embedding": [text.count("기공"), text.count("수축"), text.count("금형"), 0.1]}
        for n, text in enumerate(body["input"])
    ]
    return 200, {}, json.dumps({"data": entries[::-1]}).encode()


def fixed(
    status: int, content: bytes = b"{}", **headers: str
) -> Callable[[dict[str, Any]], Answer]:
    """Answer everything alike."""
    return lambda _: (status, headers, content)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"


@contextmanager
def dripping(head: bytes = HEAD) -> Iterator[str]:
    """Serve one caller an answer that comes byte by byte; gives the address without a path.

    Parameters
    ----------
    head
        What comes at once; a part of the headers leaves the rest of them to drip.
    """
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)
        thread = threading.Thread(target=_drip, args=(server, head), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        thread.join(60)


def _drip(server: socket.socket, head: bytes) -> None:
    """Send a byte now and then until nobody listens any more."""
    connection, _address = server.accept()
    with connection, suppress(OSError):
        connection.sendall(head)
        for _ in range(1000):
            connection.sendall(b"x")
            threading.Event().wait(0.1)
