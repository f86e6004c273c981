"""Fixtures of the open inference protocol: a key, an alias, fresh records."""

from collections.abc import Callable, Iterator

import pytest
from django.contrib.auth.models import Permission

from portal.core.actors import Actor
from portal.core.models import User
from portal.registry import services as registry
from portal.registry.models import ModelVersion
from predictions.services import recording, serving
from tests.predictions.v2.asking import Key


@pytest.fixture(autouse=True)
def fresh_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "_redis_paused_until", 0.0)
    monkeypatch.setattr(recording, "tail", recording.Tail())


@pytest.fixture
def key(make_key: Key) -> dict[str, str]:
    return make_key("predict")


@pytest.fixture
def point(db: None) -> Iterator[Callable[[str, ModelVersion], None]]:
    """Give ``point("shadow", version)``: points an alias at a version."""
    user = User.objects.create(username="pointer")
    user.user_permissions.add(Permission.objects.get(codename="request_promotion"))

    def assign(alias: str, version: ModelVersion) -> None:
        registry.assign_alias(
            model=version.model,
            alias=alias,
            version=version,
            reason="a test",
            actor=Actor.of_user(user, via="person"),
        )

    yield assign
    serving.quality.stop()
