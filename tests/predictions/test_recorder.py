"""The recorder: every entry of the stream becomes rows once, whatever dies on the way."""

import subprocess
import sys
import time
from collections.abc import Callable
from uuid import UUID

import pytest
import redis

from portal.core.models import Alert
from portal.runs.models import Heartbeat
from predictions.models import Prediction
from predictions.services import recorder, recording, records, stream
from predictions.services.recorder import Recorder
from tests.predictions.records import make_record

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, redis_client: redis.Redis) -> None:
    """Wait for nothing longer than a test can bear."""
    monkeypatch.setattr(recorder, "BLOCK_MS", 20)
    monkeypatch.setattr(recorder, "LINGER_S", 0.0)
    monkeypatch.setattr(recorder, "CLAIM_EVERY_S", 0.0)
    monkeypatch.setattr(recording, "_redis_paused_until", 0.0)


def drain(one: Recorder) -> None:
    while one.turn() or stream.waiting():
        pass


def test_entries_become_rows_and_leave_the_stream() -> None:
    wanted = [make_record() for _ in range(250)]
    recording.record(wanted)

    drain(Recorder("one"))

    found = set(Prediction.objects.values_list("id", flat=True))
    assert found == {UUID(bytes=record.id) for record in wanted}
    assert stream.waiting() == 0


def test_a_row_that_is_there_already_is_left_alone() -> None:
    record = make_record()
    records.insert([record])
    recording.record([record])

    drain(Recorder("one"))

    assert Prediction.objects.count() == 1


def test_entries_of_a_dead_recorder_are_claimed(
    monkeypatch: pytest.MonkeyPatch, redis_client: redis.Redis
) -> None:
    recording.record([make_record()])
    Recorder("first").turn()
    recording.record([make_record()])
    redis_client.xreadgroup(stream.GROUP, "dead", {stream.STREAM: ">"})
    monkeypatch.setattr(recorder, "CLAIM_IDLE_MS", 0)

    drain(Recorder("second"))

    assert Prediction.objects.count() == 2


def test_an_entry_of_a_living_recorder_is_not_taken_from_it(redis_client: redis.Redis) -> None:
    Recorder("first").turn()
    recording.record([make_record()])
    redis_client.xreadgroup(stream.GROUP, "busy", {stream.STREAM: ">"})

    Recorder("second").turn()

    assert stream.waiting() == 1


@pytest.mark.django_db(transaction=True)
def test_a_poisoned_entry_is_set_aside_with_an_alert_and_blocks_nothing() -> None:
    good = [make_record() for _ in range(5)]
    for record in good[:3]:
        recording.record([record])
    recording.record([make_record(probability=7.0)])
    stream.append([b"rubbish"])
    for record in good[3:]:
        recording.record([record])

    drain(Recorder("one"))

    assert Prediction.objects.count() == 5
    assert stream.dead() == 2
    assert Alert.objects.open().get().key == recorder.DEAD_ALERT


def test_entries_set_aside_can_be_put_back() -> None:
    record = make_record()
    stream.client().xadd(stream.DEAD, {stream.FIELD: records.encode([record])})

    assert recorder.retry_dead() == 1
    drain(Recorder("one"))

    assert Prediction.objects.get().id == UUID(bytes=record.id)
    assert stream.dead() == 0


def test_a_lost_group_is_made_again(redis_client: redis.Redis) -> None:
    one = Recorder("one")
    one.turn()
    redis_client.delete(stream.STREAM)
    recording.record([make_record()])

    drain(one)

    assert Prediction.objects.count() == 1


def test_a_recorder_says_that_it_lives() -> None:
    Recorder("one").turn()

    assert Heartbeat.objects.get(role="recorder").detail["waiting"] == 0


@pytest.mark.integration
def test_a_killed_recorder_loses_nothing_and_a_stopped_one_leaves_cleanly(
    child_environment: dict[str, str], wait_for: Callable[..., object]
) -> None:
    def start() -> subprocess.Popen[bytes]:
        words = [sys.executable, "manage.py", "record_predictions"]
        return subprocess.Popen(words, env=child_environment)  # noqa: S603 - the words are ours

    process = start()
    sent = []
    for turn in range(30):
        recording.record(batch := [make_record() for _ in range(40)])
        sent += batch
        time.sleep(0.05)
        if turn == 15:
            wait_for(Prediction.objects.exists, 20)
            process.kill()
            process.wait()
            process = start()
    try:
        wait_for(lambda: Prediction.objects.count() == len(sent), 30)
        process.terminate()
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()
    assert stream.waiting() == 0
    assert not Heartbeat.objects.filter(role="recorder").filter(pid=process.pid).exists()
