"""A small world for the registry: people, a family of known scores, versions."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from django.contrib.auth.models import Permission
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.utils import translation

from portal.core.actors import Actor
from portal.core.models import User
from portal.lib import clock
from portal.registry import families, services
from portal.registry.families import Scored
from portal.registry.models import EvaluationSet, ModelVersion, PromotionRequest, RegisteredModel
from portal.runs import artifacts
from portal.runs.models import Queue, Run, State

N_ROWS = 600
SYSTEM = Actor.system("millwright")


class Scores:
    """A family whose versions answer with a known skill, kept in their settings.

    A version says label times skill plus noise: the higher the skill, the better it ranks. Every
    load reads its one file through the verified path, as a real family does.
    """

    name = "scores"

    def __init__(self) -> None:
        self.warmed: list[int] = []

    def score(self, version: ModelVersion, evaluation_set: EvaluationSet) -> Scored:
        rng = np.random.default_rng(11)
        y = (rng.random(N_ROWS) < 0.25).astype(int)
        noise = np.random.default_rng(version.settings["noise_seed"]).normal(size=N_ROWS)
        score = y * version.settings["skill"] + noise
        probability = 1 / (1 + np.exp(-(score - version.settings["skill"] / 2)))
        return Scored(y, probability, np.arange(N_ROWS), threshold=0.5)

    def warm(self, version: ModelVersion) -> None:
        services.read_artifact(version, "model")
        self.warmed.append(version.number)

    def affected_predictions(
        self, version: ModelVersion, since: datetime, until: datetime
    ) -> dict[str, Any]:
        return {"count": 7, "since": since.isoformat(), "until": until.isoformat()}


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    """Speak English, whatever the product's own language."""
    with translation.override("en"):
        yield


@pytest.fixture
def family(monkeypatch: pytest.MonkeyPatch) -> Scores:
    one = Scores()
    monkeypatch.setitem(families._families, one.name, one)
    return one


@pytest.fixture
def model(family: Scores, db: None) -> RegisteredModel:
    return services.ensure_model(
        name="castings",
        family=family.name,
        title="Castings",
        gate_policy={"n_resamples": 200},
    )


@pytest.fixture
def evaluation_set(model: RegisteredModel) -> EvaluationSet:
    kept = artifacts.save(b"the frozen rows", "text/plain")
    return services.freeze_evaluation_set(
        model=model, artifact=kept, n_rows=N_ROWS, dataset_fingerprint="f" * 64
    )


@pytest.fixture
def person(db: None) -> Callable[..., User]:
    """Give ``person(name, *codenames)``: an account with these registry permissions."""

    def make(name: str, *codenames: str, **fields: Any) -> User:
        user = User.objects.create_user(name, **fields)
        found = Permission.objects.filter(
            content_type__app_label="registry", codename__in=codenames
        )
        assert found.count() == len(codenames)
        user.user_permissions.set(found)
        return user

    return make


@pytest.fixture
def operator(person: Callable[..., User]) -> User:
    return person("operator", "request_promotion")


@pytest.fixture
def approver(person: Callable[..., User]) -> User:
    return person("approver", "approve_promotion", "apply_promotion", "rollback_model")


@pytest.fixture
def as_operator(operator: User) -> Actor:
    return Actor.of_user(operator, via="person")


@pytest.fixture
def as_approver(approver: User) -> Actor:
    return Actor.of_user(approver, via="person")


def finished_run(user: User | None = None, **fields: Any) -> Run:
    return Run.objects.create(
        kind="scores.train",
        queue=Queue.TRAIN,
        state=State.SUCCEEDED,
        finished_at=clock.now(),
        started_by=user,
        started_via="person" if user else "system",
        **fields,
    )


@pytest.fixture
def version(
    model: RegisteredModel, evaluation_set: EvaluationSet, operator: User
) -> Callable[..., ModelVersion]:
    """Give ``version(skill=2.0)``: a registered version whose run the operator launched."""

    def make(
        skill: float = 2.0,
        *,
        noise_seed: int = 0,
        launcher: User | None = operator,
        is_synthetic: bool = True,
        **fields: Any,
    ) -> ModelVersion:
        given: dict[str, Any] = {
            "model": model,
            "run": finished_run(launcher),
            "artifacts": {"model": artifacts.save(uuid4().bytes, "application/octet-stream")},
            "evaluation_set": evaluation_set,
            "dataset_fingerprint": "f" * 64,
            "lineage": {"dataset": "shots"},
            "signature": {"features": [{"name": "velocity", "unit": "m/s", "low": -0.0}]},
            "evaluation": {"metrics": {"average_precision": {"value": 0.9, "low": 1e-7}}},
            "settings": {"skill": skill, "noise_seed": noise_seed, "threshold": 0.5},
            "card": "# Castings",
            "is_synthetic": is_synthetic,
        }
        return services.register_version(**(given | fields))

    return make


@pytest.fixture
def champion(version: Callable[..., ModelVersion]) -> ModelVersion:
    """Give version 1, live by bootstrap."""
    first = version(1.5)
    services.bootstrap_champion(version=first, reason="first start", actor=SYSTEM)
    return first


@pytest.fixture
def candidate(champion: ModelVersion, version: Callable[..., ModelVersion]) -> ModelVersion:
    """Give version 2, truly better than the champion."""
    return version(2.5)


@pytest.fixture
def request_for(as_operator: Actor) -> Callable[..., PromotionRequest]:
    """Give ``request_for(version)``: a live request that the operator made."""

    def make(version: ModelVersion, actor: Actor | None = None) -> PromotionRequest:
        return services.request_promotion(
            version=version, reason="ranks better", actor=actor or as_operator
        )

    return make


@pytest.fixture
def opened(
    candidate: ModelVersion, request_for: Callable[..., PromotionRequest]
) -> PromotionRequest:
    """Give the operator's request for version 2."""
    return request_for(candidate)


@pytest.fixture
def approved(opened: PromotionRequest, as_approver: Actor) -> PromotionRequest:
    """Give the same request, approved."""
    return services.approve(request_id=opened.pk, digest=opened.digest, actor=as_approver)


@pytest.fixture
def without_guards() -> Callable[[], AbstractContextManager[CursorWrapper]]:
    """Give a cursor for an attacker who is past the triggers, as a database administrator is."""

    @contextmanager
    def open_up() -> Iterator[CursorWrapper]:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            yield cursor
            cursor.execute("SET LOCAL session_replication_role = origin")

    return open_up
