"""Predictions while the champion changes: how many requests fail, and how soon the other answers.

Starts the portal, trains a second version of its demonstration model, then moves the alias to and
fro under load on several connections. Counts answers that are not 200, and looks in each answer
which version gave it.

    .venv/bin/python -m benchmarks.predictions.promotion --moves 10
"""

import argparse
import json
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import numpy as np

from benchmarks.predictions import targets
from benchmarks.predictions.http import bodies, machine

MOVE = """
from django.contrib.auth.models import Permission
from portal.core.actors import Actor
from portal.core.models import User
from portal.registry import services
from portal.registry.models import ModelVersion
user = User.objects.get(username="admin")
user.user_permissions.add(Permission.objects.get(codename="break_glass"))
version = ModelVersion.objects.get(model__name="{model}", number={number})
actor = Actor.of_user(User.objects.get(pk=user.pk), via="command")
import time
began = time.time()
services.break_glass(version=version, reason="A benchmark of the exchange.", actor=actor)
print(began, time.time())
"""


class Client(threading.Thread):
    """One connection that asks again and again and notes what it was told."""

    def __init__(self, target: targets.Target, shots: list[bytes], stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self._url = f"http://{target.address[0]}:{target.address[1]}{target.path}"
        self._headers = dict(target.headers) | {"Content-Type": "application/json"}
        self._shots, self._end = shots, stop
        self.answers: list[tuple[float, int]] = []
        self.failures: list[str] = []

    def run(self) -> None:
        """Ask until told to stop."""
        number = 0
        while not self._end.is_set():
            number += 1
            body = self._shots[number % len(self._shots)]
            asked = Request(self._url, body, self._headers)  # noqa: S310 - our own loopback
            try:
                with urlopen(asked, timeout=20) as answer:  # noqa: S310 - our own loopback
                    version = int(json.loads(answer.read())["model_version"])
                self.answers.append((time.time(), version))
            except OSError as exc:
                self.failures.append(str(exc))


def second_version(portal: targets.Portal) -> None:
    """Train another version of the demonstration model."""
    portal.manage("train", targets.MODEL, "--dataset", "latest", "--params", '{"n_estimators": 60}')


def moved(portal: targets.Portal, number: int) -> tuple[float, float, int]:
    """Move the alias; return when that began and was done, in seconds since 1970, and to what."""
    said = portal.manage("shell", "-c", MOVE.format(model=targets.MODEL, number=number))
    began, done = map(float, said.split())
    return began, done, number


def lags(moves: list[tuple[float, float, int]], clients: list[Client]) -> list[float]:
    """Return, for each move, the seconds until the last answer of the version before."""
    every = sorted(answer for client in clients for answer in client.answers)
    ends = [began for began, _done, _number in moves[1:]] + [every[-1][0]]
    found = []
    for (_began, done, number), end in zip(moves, ends, strict=True):
        late = [at - done for at, version in every if done < at < end and version != number]
        found.append(max(late, default=0.0))
    return found


def measure(portal: targets.Portal, n_moves: int, n_connections: int) -> dict[str, Any]:
    """Move the alias under load and return what the clients saw."""
    stop = threading.Event()
    clients = [Client(portal.target(), bodies(), stop) for _ in range(n_connections)]
    for client in clients:
        client.start()
    time.sleep(3)
    moves = []
    for turn in range(n_moves):
        moves.append(moved(portal, 2 - turn % 2))
        time.sleep(4)
    stop.set()
    for client in clients:
        client.join()
    waits = lags(moves, clients)
    return {
        "moves": n_moves,
        "connections": n_connections,
        "requests": sum(len(client.answers) for client in clients),
        "failed": sum(len(client.failures) for client in clients),
        "failures": [text for client in clients for text in client.failures][:5],
        "versions_seen": sorted({v for client in clients for _at, v in client.answers}),
        "seconds_until_all_answer_by_it": {
            "median": round(float(np.median(waits)), 3),
            "most": round(max(waits), 3),
        },
    }


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--moves", type=int, default=10)
    parser.add_argument("--connections", type=int, default=8)
    given = parser.parse_args()
    with ExitStack() as stack:
        temporary = tempfile.TemporaryDirectory(prefix="millwright-bench-")
        folder = Path(stack.enter_context(temporary))
        folder.chmod(0o711)
        portal = targets.Portal(folder, stack)
        portal.wait_for_champion()
        second_version(portal)
        where = machine()
        result = measure(portal, given.moves, given.connections)
    sys.stdout.write(json.dumps(where | result, indent=2) + "\n")


if __name__ == "__main__":
    main()
