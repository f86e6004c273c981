"""Receivers of messages on this machine, channels that lead to them, and rules."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.contrib.auth.models import Permission

from monitoring.models import AlertRule, Channel, RuleStep
from monitoring.services.alerting import channels
from monitoring.services.alerting.courier import Courier
from portal.core.actors import Actor
from portal.core.models import User

Answer = tuple[int, dict[str, str], bytes]


@dataclass
class Got:
    """One request that a receiver got."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """A small server; answers are given in turn, the last one for ever."""

    port: int = 0
    got: list[Got] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=lambda: [(200, {}, b"ok")])
    hold: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answer(self) -> Answer:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            receiver.got.append(Got(self.command, self.path, dict(self.headers), body))
            receiver.hold.wait(60)
            code, headers, content = receiver.answer()
            self.send_response(code)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    return Handler


@pytest.fixture
def receivers() -> Iterator[Callable[[], Receiver]]:
    """Give ``receivers()``: another receiver on a port of its own."""
    servers: list[tuple[ThreadingHTTPServer, Receiver]] = []

    def start() -> Receiver:
        receiver = Receiver()
        receiver.hold.set()
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(receiver))
        server.daemon_threads = True
        receiver.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        servers.append((server, receiver))
        return receiver

    yield start
    for server, receiver in servers:
        receiver.hold.set()
        server.shutdown()
        server.server_close()


@pytest.fixture
def receiver(receivers: Callable[[], Receiver]) -> Receiver:
    return receivers()


@pytest.fixture
def courier(settings: Any) -> Iterator[Courier]:
    """Give a courier that may talk to this machine."""
    settings.ALERT_ALLOW_HOSTS = ["127.0.0.1"]
    one = Courier()
    yield one
    one.kill()


@pytest.fixture
def admin(db: None) -> User:
    """Give who may do everything here; roles are gone once a test that commits was cleaned up."""
    user = User.objects.create(username="mina", is_staff=True)
    models = ("alert", "alertrule", "channel", "silence")
    user.user_permissions.set(Permission.objects.filter(content_type__model__in=models))
    return user


@pytest.fixture
def actor(admin: User) -> Actor:
    return Actor.of_user(admin, via="person")


@pytest.fixture
def channel(actor: Actor, receiver: Receiver) -> Channel:
    """Give a webhook in English."""
    return webhook(actor, receiver)


def webhook(actor: Actor, receiver: Receiver, name: str = "line 3", **words: Any) -> Channel:
    wanted = channels.Wanted(
        name=name,
        **({"kind": "webhook", "language": "en", "address": f"{receiver.url}/hook"} | words),
    )
    return channels.create(wanted=wanted, actor=actor)[0]


def rule(*told: Channel, name: str = "all", **words: Any) -> AlertRule:
    """Make a rule that tells at once, unless said otherwise."""
    wanted = {"group_wait_s": 0, "cooldown_s": 0, "closes_after_s": 0} | words
    one = AlertRule.objects.create(name=name, **wanted)
    RuleStep.objects.create(rule=one).channels.set(told)
    return one
