"""How long until the portal answers again after `kill -9` of its processes.

    .venv/bin/python -m benchmarks.recovery --rounds 3

Starts a product of its own in a throw-away folder. Each round kills the web alone, then the web,
Redis and Postgres together, and asks every tenth of a second until the sign-in page and `/readyz`
answer.
"""

import argparse
import os
import signal
import sys
import time
from urllib.error import URLError
from urllib.request import urlopen

from tests.live import LiveStack, live
from tests.waiting import wait_for

KILLED = (("web",), ("web", "redis", "postgres"))
PAGES = ("/admin/login/", "/readyz")
GIVE_UP_S = 120.0
PAUSE_S = 0.1


def main() -> None:
    """Measure and print one line for each kill."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    with live() as stack:
        for _number in range(rounds):
            for names in KILLED:
                wait_for(stack.is_complete, 60)
                load = os.getloadavg()[0]
                took = measured(stack, names)
                said = ", ".join(f"{page} {seconds:.1f} s" for page, seconds in took.items())
                sys.stdout.write(f"{' + '.join(names)}: {said} (load {load:.1f})\n")


def measured(stack: LiveStack, names: tuple[str, ...]) -> dict[str, float]:
    """Kill members at once and return the seconds until each page answers."""
    pids = {name: stack.pid(name) for name in names}
    for pid in pids.values():
        os.kill(pid, signal.SIGKILL)
    begun = time.monotonic()
    took: dict[str, float] = {}
    while len(took) < len(PAGES) and time.monotonic() - begun < GIVE_UP_S:
        is_new = stack.state()["members"].get("web") not in {None, pids["web"]}
        for page in PAGES if is_new else ():
            if page not in took and is_well(stack.url + page):
                took[page] = time.monotonic() - begun
        time.sleep(PAUSE_S)
    return took


def is_well(url: str) -> bool:
    """Whether an address answers with 200."""
    try:
        with urlopen(url, timeout=2) as answer:  # noqa: S310 - our own loopback
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


if __name__ == "__main__":
    main()
