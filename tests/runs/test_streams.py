"""Live events as server-sent events."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from portal.core.errors import Unavailable
from portal.runs import events, leases, selectors
from portal.runs.api import streams
from portal.runs.models import Run, RunEvent, State

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _own_budget(settings: Any) -> Iterator[None]:
    settings.RUN_STREAMS = 2
    streams.budget.cache_clear()
    yield
    streams.budget.cache_clear()


def messages(body: bytes) -> list[dict[str, str]]:
    found = []
    for block in body.decode().split("\n\n"):
        lines = [line.partition(": ")[::2] for line in block.splitlines()]
        if lines and lines[0][0] in {"id", "event"}:
            found.append(dict(lines))
    return found


def stream(run: Run, after: int = 0) -> streams.EventStream:
    return streams.EventStream(run.pk, after, streams.budget().take())


def test_a_stream_tells_all_and_ends_with_the_run(settled: Any) -> None:
    run = settled(steps=2)
    told = messages(b"".join(stream(run)))
    assert [int(message["id"]) for message in told[:-1]] == list(
        run.events.order_by("pk").values_list("pk", flat=True)
    )
    assert json.loads(told[0]["data"])["name"] == "queued"
    assert (told[-1]["event"], told[-1]["data"]) == ("end", '{"state":"succeeded"}')


def test_a_stream_resumes_after_the_last_event_seen(settled: Any) -> None:
    run = settled(steps=2)
    numbers = list(run.events.order_by("pk").values_list("pk", flat=True))
    told = messages(b"".join(stream(run, numbers[2])))
    assert [int(message["id"]) for message in told[:-1]] == numbers[3:]


def test_a_stream_follows_a_run_at_work(claimed: Any) -> None:
    run = claimed()
    live = stream(run)
    next(live)
    assert len(messages(next(live))) == 2
    events.log_event(run.pk, "half-way\nthrough")
    (said,) = messages(next(live))
    assert json.loads(said["data"])["message"] == "half-way\nthrough"
    leases.settle(run, leases.Outcome(State.SUCCEEDED))
    assert [message["event"] for message in messages(b"".join(live))] == ["state", "end"]


def test_a_silent_stream_sends_signs_of_life_and_ends_in_time(
    claimed: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.RUN_STREAM_S = 0.5
    monkeypatch.setattr(streams, "KEEP_ALIVE_S", 0.1)
    monkeypatch.setattr(streams, "POLL_S", 0.1)
    body = b"".join(stream(claimed()))
    assert b": keep-alive\n\n" in body
    assert b"event: end" not in body


def test_streams_over_the_budget_are_refused_and_slots_come_back(claimed: Any) -> None:
    run = claimed()
    first, second = stream(run), stream(run)
    with pytest.raises(Unavailable, match="2 event streams"):
        stream(run)
    first.close()
    first.close()
    third = stream(run)
    with pytest.raises(Unavailable):
        stream(run)
    for live in (second, third):
        live.close()


def test_the_address_streams_and_says_when_it_is_full(
    settled: Any, claimed: Any, admin_client: Any
) -> None:
    run, busy = settled(steps=1), claimed()
    answer = admin_client.get(
        f"/api/v1/runs/{run.pk}/events/", headers={"accept": "text/event-stream"}
    )
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/event-stream")
    assert b"event: end" in b"".join(answer.streaming_content)
    held = [stream(busy), stream(busy)]
    refused = admin_client.get(f"/api/v1/runs/{busy.pk}/events/")
    assert (refused.status_code, refused.json()["code"]) == (503, "too_many_streams")
    assert int(refused["Retry-After"]) > 0
    for live in held:
        live.close()


def test_a_browser_that_has_seen_the_end_is_told_to_stay_away(
    settled: Any, admin_client: Any
) -> None:
    run = settled(steps=1)
    last = RunEvent.objects.latest("pk").pk
    answer = admin_client.get(
        f"/api/v1/runs/{run.pk}/events/", headers={"Last-Event-ID": str(last)}
    )
    assert answer.status_code == 204


@pytest.mark.parametrize("last", ["soon", "-1", "9" * 19, "1.5"])
def test_a_senseless_last_event_is_refused(enqueue: Any, admin_client: Any, last: str) -> None:
    answer = admin_client.get(f"/api/v1/runs/{enqueue().pk}/events/?after={last}")
    assert answer.status_code == 422


def test_a_feed_is_over_only_when_its_last_event_was_read(settled: Any) -> None:
    run = settled(steps=5)
    assert not selectors.feed(run.pk, 0, most=3).is_over
    assert selectors.feed(run.pk, 0).is_over
