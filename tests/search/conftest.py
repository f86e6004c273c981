"""Fixtures of this part: collections with a few documents, runs done in this process."""

from collections.abc import Callable, Iterator

import pytest
from django.utils import translation

from portal.core.actors import Actor
from portal.core.errors import Unavailable
from portal.runs.models import Run
from portal.runs.tasks.execution import perform
from search import dispatch
from search.models import Collection
from search.services import collections, documents, following, querylog, searching
from search.services.documents import Incoming
from tests.waiting import wait_for

ACTOR = Actor.system("test")
DEFECTS = {
    "blow-hole": "기포 결함은 용탕에 섞인 공기가 빠지지 못해 생긴다. 진공도를 높인다.",
    "shrinkage": "수축공은 응고할 때 용탕 보충이 모자라 생긴다. 증압 압력을 높이면 줄어든다.",
    "cold-shut": "Cold shuts appear where two fronts meet too cold. Raise the mold temperature.",
    "soldering": "Soldering is aluminium that sticks to the die. Cool the die, spray evenly.",
    "flash": "Flash is metal that leaks between the die halves. Check the clamping force.",
    "burn-mark": "소착 자국은 금형 온도가 지나치게 높을 때 생긴다. 냉각수 유량을 확인한다.",
}


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    """Speak English, whatever the product's own language."""
    with translation.override("en"):
        yield


@pytest.fixture(autouse=True)
def followed() -> Iterator[None]:
    """Leave no index and no thread behind."""
    yield
    following.follower.stop()
    querylog.log.stop()


def incoming(texts: dict[str, str], taxonomy: str = "결함") -> list[Incoming]:
    return [
        Incoming(external_id=name, text=text, title=name, taxonomy=f"{taxonomy}/{name}")
        for name, text in texts.items()
    ]


def done(run: Run) -> Run:
    """Do a run in this process and return it as it ended."""
    perform(str(run.pk), worker="test")
    run.refresh_from_db()
    return run


@pytest.fixture
def collection(db: None) -> Collection:
    """Give a collection of six documents that is not indexed."""
    made = collections.create(name="defects", title="Defects", actor=ACTOR)
    documents.upsert(collection=made, documents=incoming(DEFECTS), actor=ACTOR)
    return made


Build = Callable[[], Run]


@pytest.fixture
def build(transactional_db: None, collection: Collection) -> Build:
    """Build the index of the collection in this process, whenever called, and wait for it."""

    def build() -> Run:
        run = done(dispatch.build_index(collection=collection, actor=ACTOR))
        wait_for(lambda: is_held(collection), 60)
        return run

    return build


def is_held(collection: Collection) -> bool:
    """Whether an index of the collection answers in this process, with all changes in it."""
    try:
        held = searching.held(collection.name)
    except Unavailable:
        return False
    collection.refresh_from_db()
    return held.sequence >= collection.sequence
