"""``python -m monitoring.courier [ALLOWED ...]``: orders in, reports out, one a line."""

import json
import logging
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import requests.sessions

from monitoring.courier import guard
from monitoring.courier.carrying import carry, session
from monitoring.courier.orders import Order

#: Messages carried at once: a receiver that hangs must not hold up the others.
MOST_AT_ONCE = 8
LOOK_FOR_PARENT_S = 2.0

_output = threading.Lock()


def main(allowed: list[str]) -> None:
    """Carry orders until the input ends."""
    guard.install(guard.Allowed(tuple(allowed)))
    # Apprise speaks through ``requests.request``, which opens a session of this name.
    requests.sessions.Session = session  # type: ignore[assignment,misc]  # called for a session
    logging.getLogger("apprise").setLevel(logging.DEBUG)
    logging.getLogger("apprise").propagate = False
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with ThreadPoolExecutor(MOST_AT_ONCE) as pool:
        for line in sys.stdin:
            pool.submit(_carry, json.loads(line))


def _carry(order: dict[str, Any]) -> None:
    report = carry(Order(**order))
    with _output:
        sys.stdout.write(json.dumps(report.to_dict()) + "\n")
        sys.stdout.flush()


def _end_with_parent() -> None:
    """End when whoever gave the orders is dead: a pipe that others inherited stays open."""
    parent = os.getppid()
    pause = threading.Event()
    while os.getppid() == parent:
        pause.wait(LOOK_FOR_PARENT_S)
    os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
