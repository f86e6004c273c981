"""Indexes that are opened before anybody asks: at the start of a process and when one goes live."""

import pytest

from portal.core.errors import Unavailable
from portal.core.models import Alert
from portal.registry import selectors
from search import dispatch
from search.models import Collection
from search.services import counts, folders, following, searching
from tests.search.conftest import ACTOR, Build, done
from tests.waiting import wait_for

PATIENCE_S = 60.0


def test_a_process_that_starts_opens_what_is_live(build: Build, collection: Collection) -> None:
    build()
    following.follower.stop()
    assert following.follower.known("defects") is None
    assert following.follower.open_all(PATIENCE_S)
    assert following.opening() == []
    slot = following.follower.known("defects")
    assert slot is not None
    assert slot.held is not None
    assert slot.held.version == 1


def test_a_process_is_not_ready_while_it_opens_its_indexes(
    build: Build, collection: Collection
) -> None:
    build()
    version = selectors.champion(collection.model_name)
    assert version is not None
    following.follower.stop()
    with folders.sole(folders.of(version)):  # as another process does that fetches the files
        assert not following.follower.open_all(0.2) or following.follower.known("defects") is None
        wait_for(lambda: following.follower.known("defects"), PATIENCE_S)
        following.follower.open_all(0.0)
        assert following.opening() == ["defects"]
        finding = counts.look_at_indexes()
        assert finding.is_starting
        assert "defects" in finding.detail
    assert following.follower.open_all(PATIENCE_S)
    wait_for(lambda: not counts.look_at_indexes().is_starting, PATIENCE_S)
    assert searching.held("defects").version == 1


def test_an_index_that_goes_live_is_waited_for(
    transactional_db: None, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "FIRST_LOAD_S", PATIENCE_S)
    with pytest.raises(Unavailable) as refused:
        searching.held("defects")
    assert refused.value.specific_code == "no_index"
    monkeypatch.setattr(following, "POLL_S", 3600.0)  # nobody looks by himself
    assert done(dispatch.build_index(collection=collection, actor=ACTOR)).state == "succeeded"
    assert searching.held("defects").version == 1


def test_an_index_that_stays_put_off_is_told_of_until_it_is_open(
    build: Build, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    build()
    following.follower.stop()
    slot, short = following.Slot("defects"), Unavailable("No file can be opened any more.")
    told = Alert.objects.open().filter(key="search.index.defects")
    following.follower._put_off(slot, 1, short)
    assert not told.exists()

    monkeypatch.setattr(following, "PUT_OFF_S", 0.0)
    following.follower._put_off(slot, 1, short)
    assert told.get().severity == Alert.Severity.WARNING
    assert "No file can be opened any more." in told.get().message

    assert following.follower.open_all(PATIENCE_S)
    wait_for(lambda: not told.exists(), PATIENCE_S)
