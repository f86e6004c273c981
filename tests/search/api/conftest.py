"""Fixtures of the HTTP tests: an indexed collection, keys, callers."""

import json
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import pytest
import redis
from django.apps import apps
from django.contrib.auth.models import Group
from django.test import Client

from portal.core import keys
from portal.core.actors import Actor
from portal.core.models import User
from portal.core.roles import OPERATOR, VIEWER
from search.engine import building, cutting
from search.engine.documents import from_text
from search.engine.index import Index, open_index
from search.models import Collection
from search.services import (
    admission,
    following,
    generation,
    querylog,
    quotas,
    replies,
    serving,
)
from search.services.holding import Held
from tests.search.conftest import DEFECTS, incoming

Key = Callable[..., dict[str, str]]
Ask = Callable[..., Any]


@pytest.fixture(autouse=True)
def fresh_service(redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Begin with empty caches, open gates and whole quotas.

    What is asked is logged by no thread, which would see another transaction.
    """
    log = querylog.Log()
    monkeypatch.setattr(querylog, "EVERY_S", 3600.0)
    monkeypatch.setattr(querylog, "note", log.note)
    monkeypatch.setattr(querylog, "flush", log.flush)
    made = (serving.kept, replies.kept, admission.gate, quotas._limiter, generation._breaker)
    for one in made:
        one.cache_clear()
    yield
    for one in made:
        one.cache_clear()


def group_of(role: str) -> Group:
    """Return a role; a test that emptied the tables took what the migrations gave along."""
    if not Group.objects.filter(name=role).exists():
        import_module("search.migrations.0002_roles").give(apps, None)
    return Group.objects.get(name=role)


@pytest.fixture
def make_key() -> Key:
    """Make a key of a person with a role; returns the header."""

    def make_key(*scopes: str, role: str = OPERATOR) -> dict[str, str]:
        user, _created = User.objects.get_or_create(username=f"{role}-of-tests")
        user.groups.add(group_of(role))
        _key, plain = keys.create_key(
            user=user, name="test", scopes=scopes or ("search",), actor=Actor.system("test")
        )
        return {"Authorization": f"Bearer {plain}"}

    return make_key


@pytest.fixture
def ask(client: Client, make_key: Key) -> Ask:
    """POST JSON with a key that may search; returns the answer."""
    headers = make_key("search", role=VIEWER)

    def ask(path: str, body: Any, **more: str) -> Any:
        content = body if isinstance(body, bytes | str) else json.dumps(body)
        return client.post(
            path, content, content_type="application/json", headers={**headers, **more}
        )

    return ask


@pytest.fixture(scope="session")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """Build the index of the six documents once for all tests that only read it."""
    passages = [
        passage
        for one in incoming(DEFECTS)
        for passage in cutting.cut(
            from_text(one.text, title=one.title),
            document_id=one.external_id,
            title=one.title,
            taxonomy=one.taxonomy,
            metadata={"n": len(one.text)},
        )
    ]
    folder = tmp_path_factory.mktemp("search") / "index"
    building.build(passages, folder)
    return open_index(folder)


@pytest.fixture
def indexed(collection: Collection, opened: Index) -> Collection:
    """Give the collection with its index held in this process, as if it had been built."""
    serving._collection_ids.clear()
    held = Held("defects", 1, 1, "d" * 64, opened, cutting.Cutting(), collection.sequence)
    following.follower._slots["defects"] = following.Slot("defects", held=held)
    return collection
