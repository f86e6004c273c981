"""The watch on the queries of search indexes: baseline, state, alarm, pages."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import numpy as np
import pytest
from django.test import Client
from django.urls import reverse

from monitoring.engine import queries
from monitoring.models import QueryWatch
from monitoring.services import gauges
from monitoring.services.drift import query_watches
from portal.core.models import Alert
from portal.lib import clock
from portal.registry.models import AliasAssignment
from search import dispatch, selectors
from search.models import Collection, SearchRecord
from search.services import collections, documents, following, querylog
from tests.monitoring.drift import world
from tests.search.conftest import ACTOR, DEFECTS, done, incoming

USUAL = ("기포 결함 원인", "수축공 증압 압력", "용탕 공기", "진공도", "응고 보충", "cold front")
OTHER = ("clamping force", "die halves leak", "metal that leaks", "spray evenly", "cool the die")


DAY = timedelta(days=1)


@pytest.fixture
def collection(transactional_db: None) -> Iterator[Collection]:
    """Give a collection of six documents that is not indexed."""
    made = collections.create(name="defects", title="Defects", actor=ACTOR)
    documents.upsert(collection=made, documents=incoming(DEFECTS), actor=ACTOR)
    yield made
    following.follower.stop()
    querylog.log.stop()


def ask(to: Collection, texts: tuple[str, ...], count: int, start: datetime) -> None:
    """Log queries, one a millisecond."""
    rng = np.random.default_rng(count)
    SearchRecord.objects.bulk_create(
        SearchRecord(
            id=querylog.new_id(),
            collection=to,
            at=start + timedelta(milliseconds=place),
            query=texts[int(rng.integers(len(texts)))],
            mode="hybrid",
            top_k=10,
            version=1,
            n_hits=1,
            took_ms=1.0,
        )
        for place in range(1, count + 1)
    )


def built(made: Collection) -> AliasAssignment:
    """Build the index and return what says since when it is live."""
    run = done(dispatch.build_index(collection=made, actor=ACTOR))
    assert run.error_message == ""
    ((_row, live),) = selectors.live_indexes()
    return live


def look() -> QueryWatch:
    figures = query_watches.look_all(clock.now(), 1, lambda: None)
    assert (figures["n_indexes"], figures["n_failed"]) == (1, 0)
    return QueryWatch.objects.get()


@pytest.mark.django_db(transaction=True)
def test_an_index_built_before_anybody_asked_has_no_baseline_and_says_so(
    collection: Collection,
) -> None:
    live = built(collection)

    row = look()

    assert row.state == QueryWatch.State.NO_BASELINE
    assert (row.version, row.n_baseline, row.ratio) == (live.version, 0, None)


@pytest.mark.django_db(transaction=True)
def test_other_queries_than_before_the_build_alarm_and_usual_ones_end_it(
    collection: Collection,
) -> None:
    ask(collection, USUAL, queries.MIN_PAST, clock.now() - DAY)
    live = built(collection)
    assert live.version.evaluation["n_queries"] == queries.MIN_PAST
    assert look().state == QueryWatch.State.NOT_ENOUGH

    ask(collection, USUAL, queries.WINDOW, live.since)
    quiet = look()
    assert (quiet.state, quiet.exceeded_at) == (QueryWatch.State.WATCHING, None)
    assert quiet.ratio is not None
    assert quiet.ratio < 1

    ask(collection, OTHER, queries.WINDOW, live.since + timedelta(minutes=1))
    assert look().exceeded_at is not None
    alert = Alert.objects.get(key=f"monitoring.queries.{quiet.version_id}")
    assert (alert.resolved_at, "Defects" in alert.message or "defects" in alert.message) == (
        None,
        True,
    )
    shows_it()
    assert gauged("portal_drift_query_ratio") > 1
    assert gauged("portal_drift_queries_exceeded") == 1

    ask(collection, USUAL, queries.WINDOW, live.since + timedelta(minutes=2))
    assert look().exceeded_at is None
    alert.refresh_from_db()
    assert alert.resolved_at is not None


def shows_it() -> None:
    """The drift page, the watch's own page and the API tell of it."""
    client = Client(headers={"accept-language": "en"})
    client.force_login(
        world.person("watcher", "monitoring.view_driftwindow", "monitoring.view_querywatch")
    )
    row = QueryWatch.objects.get()
    drift = client.get(reverse("admin:monitoring_driftwindow_changelist")).text
    assert "other queries than before" in drift
    page = client.get(reverse("admin:monitoring_querywatch_change", args=[row.pk])).text
    assert "People ask for other things since" in page
    (told,) = client.get("/api/v1/drift/queries/").json()
    assert (told["collection"], told["drift_detected"]) == ("defects", True)


def gauged(name: str) -> float:
    """Return what Prometheus is told of the only collection."""
    (found,) = [one for one in gauges.queries() if one.name == name]
    (sample,) = found.samples
    assert sample.labels == {"collection": "defects"}
    return float(sample.value)


@pytest.mark.django_db(transaction=True)
def test_without_enough_past_queries_the_watch_is_calibrating_and_never_alarms(
    collection: Collection,
) -> None:
    ask(collection, USUAL, queries.MIN_BASELINE, clock.now() - DAY)
    live = built(collection)
    ask(collection, OTHER, queries.WINDOW, live.since)

    row = look()

    assert (row.state, row.exceeded_at) == (QueryWatch.State.CALIBRATING, None)
    assert row.statistic is not None
