"""People in their roles, signed in, and a small world of runs, data sets, versions and requests."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from portal.core.models import User
from portal.lib import clock
from portal.registry.models import (
    Alias,
    AliasMove,
    ModelVersion,
    PromotionRequest,
    RegisteredModel,
)
from portal.runs.models import Artifact, Run, State
from predictions.models import Dataset
from tests.console import world


@pytest.fixture
def person(db: None) -> Callable[..., User]:
    """Give ``person("operator")``: an account in a role, allowed into the console."""

    def make(role: str, name: str = "", **fields: Any) -> User:
        user = User.objects.create_user(
            name or role, password="correct horse", is_staff=True, **fields
        )
        user.groups.set(Group.objects.filter(name=role))
        return user

    return make


@pytest.fixture
def signed_in(person: Callable[..., User]) -> Callable[..., Client]:
    """Give ``signed_in("approver")``: a browser without scripts, signed in, reading English."""

    def make(role: str, **fields: Any) -> Client:
        known = User.objects.filter(username=role).first()
        client = Client(headers={"accept-language": "en"})
        client.force_login(known or person(role, **fields))
        return client

    return make


@pytest.fixture
def artifact(db: None) -> Artifact:
    return world.artifact()


@pytest.fixture
def dataset(artifact: Artifact) -> Dataset:
    return world.dataset(artifact)


@pytest.fixture
def model(db: None) -> RegisteredModel:
    return world.model()


@pytest.fixture
def version(model: RegisteredModel, artifact: Artifact) -> ModelVersion:
    return world.version(model, artifact, number=1)


@pytest.fixture
def request_of(
    version: ModelVersion, artifact: Artifact, person: Callable[..., User]
) -> PromotionRequest:
    """Give an open request for the first version, asked for by the operator."""
    asker = User.objects.filter(username="operator").first() or person("operator")
    return world.promotion(version, artifact, asker)


@pytest.fixture
def champion(version: ModelVersion) -> AliasMove:
    """Put the first version live as the demo does."""
    return AliasMove.objects.create(
        model=version.model,
        alias=Alias.CHAMPION,
        kind=AliasMove.Kind.BOOTSTRAP,
        to_version=version,
        actor="millwright",
        reason="First start.",
    )


@pytest.fixture
def run(db: None) -> Run:
    return Run.objects.create(
        kind="predictions.train_quality",
        queue="train",
        title="Train on May",
        state=State.RUNNING,
        lease_expires_at=clock.now(),
        started_at=clock.now(),
        attempt=1,
        progress_fraction=0.4,
        progress_phase="fit",
    )
