"""The whole product under a stream of predictions while its servers are killed."""

import json
import threading
import time
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import psycopg
import pytest

from tests.live import LiveStack
from tests.predictions.conftest import SmallModel
from tests.waiting import wait_for

pytestmark = pytest.mark.integration

INSTALL = """
from pathlib import Path
from portal.core.actors import Actor
from portal.registry import selectors, services as registry
from portal.runs import artifacts
from predictions.services.models import quality_model
from predictions.services.serving import SERVING_FORM
model = quality_model()
if selectors.champion(model.name) is None:
    version = registry.register_version(
        model=model, run=None, evaluation_set=None, dataset_fingerprint="0" * 64,
        artifacts={{SERVING_FORM: artifacts.save(Path({path!r}), "application/onnx")}},
        lineage={{}}, signature={{}}, evaluation={{}}, settings={{}}, card="", is_synthetic=True,
    )
    registry.bootstrap_champion(
        version=version, reason="fault test", actor=Actor.system("test")
    )
"""


class Asker(threading.Thread):
    """Asks for predictions one after the other and notes what was answered."""

    def __init__(self, url: str, key: str, body: bytes) -> None:
        super().__init__(daemon=True)
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        address = f"{url}/api/v1/predictions/quality/"
        self.request = Request(address, body, headers)  # noqa: S310 - our own loopback
        self.answered: list[str] = []
        self.n_refused = 0
        self.stop = threading.Event()

    def run(self) -> None:
        while not self.stop.is_set():
            try:
                with urlopen(self.request, timeout=20) as answer:  # noqa: S310 - as above
                    self.answered.append(json.loads(answer.read())["prediction_id"])
            except (URLError, OSError):
                self.n_refused += 1
                time.sleep(0.05)


@pytest.fixture(scope="module")
def key(live_stack: LiveStack, small_model: SmallModel) -> str:
    """Give a key of a product that has a champion: the small model unless there was one."""
    path = live_stack.home.parent / "small.onnx"
    path.write_bytes(small_model.data)
    live_stack.manage("shell", "-v", "0", "-c", INSTALL.format(path=str(path)))
    said = live_stack.manage("create_key", "faults", "--user", "admin", "--scopes", "predict,read")
    return said.strip().splitlines()[-1]


def recorded(live_stack: LiveStack) -> set[str]:
    """Return the ids in the table; none while Postgres recovers."""
    try:
        return _in_table(live_stack)
    except psycopg.OperationalError:
        return set()


def _in_table(live_stack: LiveStack) -> set[str]:
    with psycopg.connect(live_stack.state()["database_url"]) as connection:
        rows = connection.execute("SELECT id::text FROM predictions_prediction").fetchall()
    return {row[0] for row in rows}


@pytest.mark.timeout(240)
def test_no_answered_prediction_is_lost_when_redis_and_postgres_are_killed(
    live_stack: LiveStack, key: str, shots: list[dict[str, Any]]
) -> None:
    bodies = [json.dumps({"features": shot}).encode() for shot in shots[:4]]
    askers = [Asker(live_stack.url, key, body) for body in bodies]
    for asker in askers:
        asker.start()
    wait_for(lambda: all(asker.answered for asker in askers), 20)

    for member in ("redis", "postgres", "recorder", "redis"):
        time.sleep(1)
        live_stack.restart(member)
    time.sleep(1)
    both = [(name, live_stack.kill(name)) for name in ("redis", "postgres")]
    for name, pid in both:
        live_stack.wait_restarted(name, pid)
    time.sleep(2)
    for asker in askers:
        asker.stop.set()
    for asker in askers:
        asker.join(30)

    answered = {one for asker in askers for one in asker.answered}
    assert len(answered) > 200
    wait_for(lambda: answered <= recorded(live_stack), 60, pause=0.5)


@pytest.mark.timeout(120)
def test_predictions_go_on_without_redis(
    live_stack: LiveStack, key: str, shots: list[dict[str, Any]]
) -> None:
    asker = Asker(live_stack.url, key, json.dumps({"features": shots[0]}).encode())
    live_stack.hold("redis")
    try:
        asker.start()
        wait_for(lambda: len(asker.answered) > 20, 30)
        asker.stop.set()
        asker.join(20)
        assert set(asker.answered) <= recorded(live_stack)
    finally:
        live_stack.release("redis")
