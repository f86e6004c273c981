"""Retention removes what is old and unused, and only that."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.core.files.storage import storages

from portal.core.actors import Actor
from portal.core.errors import Conflict
from portal.core.models import AuditEntry, User
from portal.lib import clock
from portal.registry import services, tasks
from portal.registry.models import ModelVersion, PromotionRequest
from portal.registry.services.upkeep import Removed
from portal.runs import artifacts, kinds
from portal.runs.models import Artifact, RunArtifact, Schedule
from portal.runs.services import schedules
from tests.registry.conftest import finished_run

pytestmark = pytest.mark.django_db

Make = Callable[..., ModelVersion]
FIRE = "needed for the next test step"


@pytest.fixture
def years_later(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Give a function that moves the clock past retention."""

    def go() -> None:
        later = clock.now() + settings.RETENTION + timedelta(days=1)
        monkeypatch.setattr(clock, "now", lambda: later)

    return go


def left() -> list[int]:
    rows = ModelVersion.objects.exclude(state="removed").order_by("number")
    return list(rows.values_list("number", flat=True))


def content(digest: str) -> Path:
    return Path(storages["artifacts"].path(f"sha256/{digest[:2]}/{digest}"))


def test_an_old_unused_version_loses_its_files_and_keeps_its_row(
    version: Make, years_later: Callable[[], None]
) -> None:
    run = finished_run()
    made = version(run=run)
    digest = made.artifact_digests["model"]
    RunArtifact.objects.create(run=run, name="model", artifact_id=digest)
    years_later()

    removed = services.remove_old_versions()

    assert removed == Removed(n_versions=1, n_artifacts=1, freed_bytes=16)
    made.refresh_from_db()
    assert (made.state, made.artifact_digests) == ("removed", {"model": digest})
    assert not Artifact.objects.filter(pk=digest).exists()
    assert not content(digest).exists()
    assert AuditEntry.objects.get(action="version.remove").detail["digest"] == made.digest


def test_a_young_version_stays(version: Make) -> None:
    version()

    assert services.remove_old_versions() == Removed(0, 0, 0)


def test_a_file_that_something_else_refers_to_stays(
    version: Make, years_later: Callable[[], None]
) -> None:
    shared = artifacts.save(b"shared by both", "text/plain")
    version(artifacts={"model": shared})
    RunArtifact.objects.create(run=finished_run(), name="input", artifact=shared)
    years_later()

    removed = services.remove_old_versions()

    assert removed == Removed(n_versions=1, n_artifacts=0, freed_bytes=0)
    assert artifacts.read(shared.pk) == b"shared by both"


def test_aliases_and_live_requests_are_spared(
    opened: PromotionRequest,
    version: Make,
    years_later: Callable[[], None],
    as_operator: Actor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shadow, unused = version(), version()
    services.assign_alias(
        model=shadow.model, alias="shadow", version=shadow, reason="watch", actor=as_operator
    )
    years_later()
    services.remove_old_versions()

    assert left() == [1, 2, shadow.number]
    unused.refresh_from_db()
    assert unused.state == "removed"


def test_the_last_rollback_targets_are_spared(
    champion: ModelVersion,
    version: Make,
    person: Callable[..., User],
    years_later: Callable[[], None],
) -> None:
    fireman = Actor.of_user(person("fireman", "break_glass"), via="person")
    for _time in range(4):
        services.break_glass(version=version(), reason=FIRE, actor=fireman)
    champion.model.n_rollback_targets = 2
    champion.model.save(update_fields=["n_rollback_targets"])
    years_later()
    services.remove_old_versions()

    assert left() == [3, 4, 5]


def test_a_removed_version_cannot_be_asked_for(
    champion: ModelVersion,
    version: Make,
    years_later: Callable[[], None],
    request_for: Callable[..., PromotionRequest],
) -> None:
    made = version(3.0)
    years_later()
    services.remove_old_versions()

    with pytest.raises(Conflict, match="cannot go live"):
        request_for(made)


def test_an_artifact_in_use_is_not_removed(version: Make) -> None:
    digest = version().artifact_digests["model"]

    assert not artifacts.remove_unreferenced(digest)
    assert content(digest).exists()
    assert not artifacts.remove_unreferenced("0" * 64)


def test_an_artifact_nothing_refers_to_is_removed_and_can_be_saved_again() -> None:
    kept = artifacts.save(b"by itself", "text/plain")

    assert artifacts.remove_unreferenced(kept.pk)
    assert not content(kept.pk).exists()
    assert artifacts.read(artifacts.save(b"by itself", "text/plain").pk) == b"by itself"


@pytest.mark.parametrize("kind", [tasks.EXPIRE, tasks.RETAIN])
def test_upkeep_is_scheduled(kind: str) -> None:
    schedules.ensure_declared()

    assert kinds.get(kind).queue == "maintenance"
    assert Schedule.objects.filter(kind=kind, periodic_task__enabled=True).count() == 1
