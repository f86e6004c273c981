"""An answered prediction is durable: stream first, table when Redis will not."""

import time
from collections.abc import Iterator
from uuid import UUID

import pytest
import redis
from pytest_django import Settings

from portal.core.errors import NotFound, Unavailable
from predictions.models import Prediction
from predictions.services import lookup, prediction_ids, recording, records, stream
from tests.predictions.records import make_record

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no pause or tail of one test reach into the next."""
    monkeypatch.setattr(recording, "_redis_paused_until", 0.0)
    monkeypatch.setattr(recording, "tail", recording.Tail())


@pytest.fixture
def no_redis(settings: Settings) -> Iterator[None]:
    """Point the stream at a Redis that is not there."""
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    stream.client.cache_clear()
    yield
    stream.client.cache_clear()


@pytest.fixture
def full_redis(redis_client: redis.Redis) -> Iterator[None]:
    """Leave Redis no memory to write to."""
    redis_client.config_set("maxmemory", 1)
    yield
    redis_client.config_set("maxmemory", 0)


def test_a_record_goes_to_the_stream_and_not_yet_to_the_table(redis_client: redis.Redis) -> None:
    recording.record([make_record()])

    assert stream.waiting() == 1
    assert not Prediction.objects.exists()


def test_many_records_share_few_entries(redis_client: redis.Redis) -> None:
    recording.record([make_record() for _ in range(2 * stream.ENTRY_RECORDS + 1)])

    assert stream.waiting() == 3


def test_strict_mode_writes_to_the_table_at_once(
    redis_client: redis.Redis, settings: Settings
) -> None:
    settings.STRICT_RECORDING = True

    recording.record([make_record()])

    assert stream.waiting() == 0
    assert Prediction.objects.count() == 1


@pytest.mark.usefixtures("no_redis")
def test_without_redis_the_table_takes_the_record() -> None:
    record = make_record()

    recording.record([record])

    assert Prediction.objects.get().id == UUID(bytes=record.id)


@pytest.mark.usefixtures("full_redis")
def test_with_a_full_redis_the_table_takes_the_record() -> None:
    recording.record([make_record()])

    assert Prediction.objects.count() == 1


@pytest.mark.usefixtures("no_redis")
def test_what_no_store_takes_is_not_answered() -> None:
    with pytest.raises(Unavailable, match="not answered"):
        recording.record([make_record(features="no json")])


def test_what_was_appended_lately_is_owed_when_redis_breaks_off(redis_client: redis.Redis) -> None:
    record = make_record()
    recording.record([record])

    recording.tail.owe()
    n_written = recording.tail.settle()

    assert n_written == 1
    assert Prediction.objects.filter(id=UUID(bytes=record.id)).exists()


def test_the_tail_forgets_what_is_old(
    redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording.record([make_record()])
    later = time.monotonic() + recording.TAIL_S + 1
    monkeypatch.setattr(time, "monotonic", lambda: later)
    recording.record([make_record()])

    recording.tail.owe()

    assert recording.tail.settle() == 1


def test_a_record_comes_back_as_it_was_encoded() -> None:
    record = make_record()

    assert records.decode(records.encode([record])) == [record]


def test_inserting_twice_keeps_one_row() -> None:
    record = make_record()

    records.insert([record, make_record()])
    records.insert([record])

    assert Prediction.objects.count() == 2


def test_an_inserted_row_holds_what_was_answered() -> None:
    record = make_record()

    records.insert([record])

    row = Prediction.objects.get(id=UUID(bytes=record.id))
    assert row.features == {"Velocity_1": 0.144}
    assert row.latent == [0.5, -1.0]
    assert row.at.timestamp() == pytest.approx(record.at, abs=1e-5)


def test_identifiers_are_version_7_and_carry_their_moment() -> None:
    first, second = prediction_ids.new_ids(2, 1_700_000_000.25)

    identifier = UUID(bytes=first)

    assert first != second
    assert (identifier.version, identifier.variant) == (7, "specified in RFC 4122")
    assert prediction_ids.made_at_ms(identifier) == 1_700_000_000_250
    assert prediction_ids.text(first) == str(identifier)


def test_a_prediction_still_in_the_stream_is_found(
    redis_client: redis.Redis, version_row: int
) -> None:
    record = make_record(version_id=version_row)
    recording.record([*(make_record() for _ in range(150)), record])

    found = lookup.find(UUID(bytes=record.id))

    assert found.probability == record.probability
    assert found.features == {"Velocity_1": 0.144}


def test_an_unknown_prediction_is_not_found(redis_client: redis.Redis) -> None:
    with pytest.raises(NotFound):
        lookup.find(UUID("0190a5a4-7000-7000-8000-000000000000"))


@pytest.mark.usefixtures("no_redis")
def test_without_redis_a_young_prediction_is_uncertain() -> None:
    identifier = UUID(bytes=prediction_ids.new_ids(1, time.time())[0])

    with pytest.raises(Unavailable):
        lookup.find(identifier)
