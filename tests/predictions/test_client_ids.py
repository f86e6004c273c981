"""A request under the caller's own name is answered and recorded once, whatever dies meanwhile."""

import json
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import psycopg
import pytest
from django.test import Client

from portal.core import idempotency
from portal.core.models import IdempotencyRecord
from portal.lib import clock
from portal.registry.models import ModelVersion
from predictions.models import Prediction
from predictions.services import prediction_ids, recording, serving, stream
from predictions.services.recorder import Recorder
from tests.live import LiveStack
from tests.predictions.conftest import SmallModel
from tests.predictions.test_faults import INSTALL
from tests.waiting import wait_for

SINGLE = "/api/v1/predictions/quality/"
BATCH = "/api/v1/predictions/quality/batch/"
TENSORS = "/v2/models/diecasting-quality/infer"

Shots = list[dict[str, float | None]]
Key = Callable[..., dict[str, str]]


def post(client: Client, path: str, body: Any, headers: dict[str, str]) -> Any:
    return client.post(path, json.dumps(body), content_type="application/json", headers=headers)


def record_all() -> None:
    recorder = Recorder("test")
    while recorder.turn() or stream.waiting():
        pass


def died_before_it_answered() -> None:
    """Leave a key as a process does that dies between its record and its answer."""
    long_ago = clock.now() - idempotency.TAKEOVER - timedelta(seconds=1)
    IdempotencyRecord.objects.update(status=None, headers={}, body=None, claimed_at=long_ago)


def body_for(path: str, shots: Shots) -> dict[str, Any]:
    if path == SINGLE:
        return {"features": shots[0]}
    if path == BATCH:
        return {"instances": shots[:5]}
    rows = [list(shot.values()) for shot in shots[:5]]
    tensor = {"name": "features", "shape": [5, 30], "datatype": "FP64", "data": rows}
    return {"inputs": [tensor]}


@pytest.fixture
def fresh_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "_redis_paused_until", 0.0)
    monkeypatch.setattr(recording, "tail", recording.Tail())


@pytest.mark.django_db
@pytest.mark.usefixtures("redis_client", "fresh_recording")
@pytest.mark.parametrize("path", [SINGLE, BATCH, TENSORS])
def test_a_repetition_after_a_death_gets_what_is_on_record(
    client: Client,
    champion: ModelVersion,
    make_version: Callable[..., ModelVersion],
    shots: Shots,
    make_key: Key,
    path: str,
) -> None:
    headers = make_key("predict") | {"Idempotency-Key": "shot-1"}
    first = post(client, path, body_for(path, shots), headers).json()
    record_all()
    died_before_it_answered()
    serving.quality.take(make_version())

    again = post(client, path, body_for(path, shots), headers)
    record_all()

    said = again.json()
    wanted = ("model_version", "outputs", "predictions", "prediction_id", "prediction")
    assert again.status_code == 200
    assert {name: said.get(name) for name in wanted} == {name: first.get(name) for name in wanted}
    assert Prediction.objects.count() == (1 if path == SINGLE else 5)


@pytest.mark.django_db
@pytest.mark.usefixtures("redis_client", "fresh_recording")
def test_a_repetition_that_overtakes_its_record_is_recorded_once(
    client: Client, champion: ModelVersion, shots: Shots, make_key: Key
) -> None:
    headers = make_key("predict") | {"Idempotency-Key": "shot-1"}
    first = post(client, BATCH, body_for(BATCH, shots), headers).json()["predictions"]
    died_before_it_answered()  # and the recorder has not passed yet

    again = post(client, BATCH, body_for(BATCH, shots), headers).json()["predictions"]
    record_all()

    assert [row["prediction_id"] for row in again] == [row["prediction_id"] for row in first]
    assert Prediction.objects.count() == 5


def test_identifiers_of_a_name_are_its_own_and_carry_their_moment() -> None:
    moment = 1_700_000_000.25
    one = prediction_ids.repeated_ids(3, moment, b"key:1 a")

    assert one == prediction_ids.repeated_ids(3, moment, b"key:1 a")
    assert len({*one, *prediction_ids.repeated_ids(3, moment, b"key:2 a")}) == 6
    assert not {*one} & {*prediction_ids.repeated_ids(3, moment + 1e-6, b"key:1 a")}
    assert all(identifier[6] >> 4 == 7 and identifier[8] >> 6 == 2 for identifier in one)
    assert {int.from_bytes(identifier[:6], "big") for identifier in one} == {1_700_000_000_250}


# --- The whole product ----------------------------------------------------------------------------
class Asking(threading.Thread):
    """Asks the same under one name until it is answered."""

    def __init__(self, request: Request) -> None:
        super().__init__(daemon=True)
        self.request = request
        self.answer: dict[str, Any] | None = None
        self.stop = threading.Event()

    def run(self) -> None:
        while self.answer is None and not self.stop.is_set():
            try:
                with urlopen(self.request, timeout=20) as answer:  # noqa: S310 - our own loopback
                    self.answer = json.loads(answer.read())
            except HTTPError as exc:
                if exc.code not in {409, 503}:  # in progress, or Redis is away
                    return
                self.stop.wait(0.1)
            except (URLError, OSError):
                self.stop.wait(0.1)


@pytest.fixture
def secret(live_stack: LiveStack, small_model: SmallModel) -> str:
    """Give a key of a product that has a champion: the small model unless there was one."""
    path = live_stack.home.parent / "small.onnx"
    path.write_bytes(small_model.data)
    live_stack.manage("shell", "-v", "0", "-c", INSTALL.format(path=str(path)))
    said = live_stack.manage("create_key", "once", "--user", "admin", "--scopes", "predict,read")
    return said.strip().splitlines()[-1]


def ask_at_once(stack: LiveStack, secret: str, path: str, body: Any, name: str) -> list[Any]:
    headers = {
        "Authorization": f"Bearer {secret}",
        "Content-Type": "application/json",
        "Idempotency-Key": name,
    }
    request = Request(f"{stack.url}{path}", json.dumps(body).encode(), headers)  # noqa: S310 - as above
    asking = [Asking(request) for _ in range(6)]
    for one in asking:
        one.start()
    for one in asking:
        one.join(60)
        one.stop.set()
    return [one.answer for one in asking]


@pytest.mark.integration
@pytest.mark.timeout(240)
def test_one_name_is_one_prediction_in_all_processes_and_when_redis_restarts(
    live_stack: LiveStack, secret: str, shots: Shots
) -> None:
    def ask() -> dict[str, list[Any]]:
        return {
            path: ask_at_once(live_stack, secret, path, body_for(path, shots), f"one{path}")
            for path in (SINGLE, BATCH)
        }

    before = ask()
    live_stack.restart("redis")
    after = ask()

    wanted = set()
    for path in (SINGLE, BATCH):
        answers = before[path] + after[path]
        assert None not in answers
        assert all(answer == answers[0] for answer in answers)
        rows = answers[0].get("predictions", [answers[0]])
        wanted |= {row["prediction_id"] for row in rows}
    assert len(wanted) == 6
    principal = wait_for(lambda: asked_by(live_stack, wanted), 60, pause=0.5)
    assert recorded_for(live_stack, principal) == wanted


def asked_by(stack: LiveStack, wanted: set[str]) -> str:
    """Return who asked for these predictions, once all of them are in the table."""
    sql = """
        SELECT min(principal) FROM predictions_prediction
        WHERE id = ANY(%s::uuid[]) HAVING count(*) = %s
    """
    with psycopg.connect(stack.state()["database_url"]) as connection:
        row = connection.execute(sql, [list(wanted), len(wanted)]).fetchone()
    return str(row[0]) if row else ""


def recorded_for(stack: LiveStack, principal: str) -> set[str]:
    """Return everything that a key has on record."""
    sql = "SELECT id::text FROM predictions_prediction WHERE principal = %s"
    with psycopg.connect(stack.state()["database_url"]) as connection:
        return {row[0] for row in connection.execute(sql, [principal]).fetchall()}
