"""The sidecar: nothing is lost while the portal is away, and the command watches a real engine."""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection
from pytest_django.live_server_helper import LiveServer

from portal.core import keys
from portal.core.actors import Actor
from portal.core.errors import Unavailable
from portal.lib import clock
from tests.tuning.live.beside import writing
from tests.tuning.people import person
from tests.waiting import wait_for
from tuning.engine.live.figures import Sample
from tuning.models import Instance, InstanceSample
from tuning.services import instances, sidecar
from tuning.services.instances import About

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
ABOUT = About(host="db1", folder="/data/db", version="9.8.4", pid=7)


class Place:
    """A portal that is away, refuses or takes, as it is told."""

    def __init__(self) -> None:
        self.trouble: Exception | None = None
        self.n_asked = 0
        self.taken: list[Sample] = []

    def deliver(self, name: str, about: About, samples: Sequence[Sample]) -> None:
        self.n_asked += 1
        if self.trouble is not None:
            raise self.trouble
        self.taken += samples


class Watched:
    """An engine that always runs."""

    options, version, pid = None, "9.8.4", 7

    def look(self, at: datetime) -> Sample:
        return Sample(at, rate=1.0)

    def close(self) -> None:
        return None


def sample(n: int) -> Sample:
    return Sample(NOON + timedelta(seconds=n), rate=float(n))


def courier(place: Place, buffer: sidecar.Buffer) -> sidecar.Courier:
    return sidecar.Courier("db1", place, buffer, lambda: ABOUT)


def test_nothing_is_lost_while_the_portal_is_away() -> None:
    place, buffer = Place(), sidecar.Buffer()
    place.trouble = Unavailable("away")
    working = courier(place, buffer)
    working.start()
    for n in range(700):
        buffer.add(sample(n))
    wait_for(lambda: place.n_asked >= 2, 30)
    assert len(buffer) == 700
    place.trouble = None
    wait_for(lambda: len(buffer) == 0, 30)
    working.stopping.set()
    working.join(30)
    assert [one.rate for one in place.taken] == [float(n) for n in range(700)]


def test_the_buffer_is_bounded_and_says_what_gave_way() -> None:
    buffer = sidecar.Buffer(room=3)
    for n in range(5):
        buffer.add(sample(n))
    assert ([one.rate for one in buffer.first()], buffer.n_lost) == ([2.0, 3.0, 4.0], 2)


def test_what_was_delivered_goes_also_when_the_clock_was_set_back() -> None:
    buffer = sidecar.Buffer()
    for n in (100, 101, 5, 6):
        buffer.add(sample(n))
    buffer.remove(buffer.first())
    assert len(buffer) == 0


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_sidecar_ends_when_nothing_is_delivered_any_more() -> None:
    place = Place()
    place.trouble = RuntimeError("not foreseen")
    ends = sidecar.Sidecar("db1", Watched(), place, ABOUT)  # type: ignore[arg-type]
    with pytest.raises(sidecar.Refusal, match="not foreseen"):
        ends.run(threading.Event(), 30)


def test_a_refusal_ends_the_sidecar() -> None:
    place, buffer = Place(), sidecar.Buffer()
    place.trouble = sidecar.Refusal("HTTP 403")
    buffer.add(sample(1))
    working = courier(place, buffer)
    working.start()
    working.join(30)
    assert working.refusal == "HTTP 403"


def test_a_database_that_is_away_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(**_words: object) -> None:
        raise DatabaseError("the connection is lost")

    monkeypatch.setattr(instances, "take", away)
    monkeypatch.setattr(connection, "close", lambda: None)
    with pytest.raises(Unavailable, match="lost"):
        sidecar.OwnDatabase().deliver("db1", ABOUT, [sample(1)])


@pytest.mark.django_db(transaction=True)
def test_samples_are_delivered_to_a_portal_on_another_host(live_server: LiveServer) -> None:
    _key, plain = keys.create_key(
        user=person("operator"), name="sidecar", scopes=["tune"], actor=Actor.system("test")
    )
    seen = [Sample(clock.now(), rate=5.0, rate_source="wal")]
    for _again in range(2):
        sidecar.OtherPortal(live_server.url, plain).deliver("far", ABOUT, seen)
    assert InstanceSample.objects.get().rate == 5.0
    assert Instance.objects.get().host == "db1"
    with pytest.raises(sidecar.Refusal, match="401"):
        sidecar.OtherPortal(live_server.url, "wrong").deliver("far", ABOUT, seen)
    with pytest.raises(Unavailable):
        sidecar.OtherPortal("http://127.0.0.1:9", plain).deliver("far", ABOUT, seen)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--workload", "sonar"], "sonar"),
        (["--send-readings"], "name the one"),
        (["--portal", "http://127.0.0.1:1"], "--key-file"),
        (["--portal", "http://127.0.0.1:1", "--key-file", "/nowhere/key"], "/nowhere/key"),
        (["--name", "a b"], "no name"),
    ],
)
def test_what_the_command_cannot_do_is_said_before_it_looks(words: list[str], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        call_command("watch_rocksdb", "/nowhere", *words, "--seconds", "0")


@pytest.mark.integration
@pytest.mark.django_db(transaction=True)
def test_the_command_watches_a_real_engine(tmp_path: Path) -> None:
    folder = tmp_path / "db"
    with writing(folder, "statistics"):
        wait_for((folder / "LOG").exists, 60)
        call_command("watch_rocksdb", str(folder), "--name", "real", "--seconds", "8")
    found = Instance.objects.get(name="real")
    assert found.version == "9.8.4"
    assert found.options["compression"] is not None
    rows = InstanceSample.objects.filter(instance=found)
    assert rows.filter(rate__gt=0, size_bytes__gt=0).exists()
