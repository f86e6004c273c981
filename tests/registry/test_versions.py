"""Versions are immutable, their digest covers them, and damage shows before anything is loaded."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.files.storage import storages

from portal.core.errors import Conflict, Corrupt, InvalidInput, NotFound, Refused
from portal.core.models import Alert, AuditEntry, User
from portal.registry import selectors, services
from portal.registry.models import AliasMove, ModelVersion, RegisteredModel
from portal.runs import artifacts
from tests.registry.conftest import SYSTEM, Scores, finished_run

pytestmark = pytest.mark.django_db

Make = Callable[..., ModelVersion]


def tamper(version: ModelVersion) -> None:
    """Overwrite the stored file of a version behind the portal's back."""
    sha256 = version.artifact_digests["model"]
    path = Path(storages["artifacts"].path(f"sha256/{sha256[:2]}/{sha256}"))
    path.chmod(0o600)
    path.write_bytes(b"something else")


def test_the_second_registration_of_a_run_returns_the_first_version(version: Make) -> None:
    run = finished_run()
    first, second = version(run=run), version(run=run)

    assert first.pk == second.pk
    assert ModelVersion.objects.count() == 1


def test_numbers_count_up_for_each_model(version: Make) -> None:
    assert [version().number, version().number] == [1, 2]


def test_the_digest_survives_the_round_trip_through_the_database(version: Make) -> None:
    odd = {"tiny": 1e-300, "huge": 1e22, "zero": -0.0, "whole": 3.0, "text": "측정", 5: [1.5]}
    made = version(evaluation=odd)

    services.verify(ModelVersion.objects.get(pk=made.pk))

    assert made.digest == ModelVersion.objects.get(pk=made.pk).digest


def test_a_version_without_files_is_refused(version: Make) -> None:
    with pytest.raises(InvalidInput):
        version(artifacts={})


def test_a_report_that_holds_nan_is_refused(version: Make) -> None:
    with pytest.raises(InvalidInput, match="evaluation"):
        version(evaluation={"auc": float("nan")})


def test_lineage_names_everyone_behind_the_run(version: Make, person: Callable[..., User]) -> None:
    ann, bob, eve = person("ann"), person("bob"), person("eve")
    first = finished_run(ann)
    again = finished_run(bob, retry_of=first)

    made = version(run=finished_run(eve, parent=again))

    assert {who["name"] for who in made.lineage["launched_by"]} == {"ann", "bob", "eve"}
    assert made.lineage["launcher_ids"] == sorted([ann.pk, bob.pk, eve.pk])


def test_a_tampered_file_is_not_loaded_and_raises_an_alert(version: Make) -> None:
    made = version()
    tamper(made)

    with pytest.raises(Corrupt, match="v1"):
        services.read_artifact(made, "model")

    assert Alert.objects.open().filter(key="registry.damaged.castings.v1", severity="critical")


def test_reading_a_file_that_was_never_registered_names_those_there_are(version: Make) -> None:
    with pytest.raises(NotFound, match="model"):
        services.read_artifact(version(), "baseline")


def test_a_file_added_later_is_noticed(version: Make) -> None:
    made = version()
    made.version_artifacts.create(name="extra", artifact=artifacts.save(b"x", "text/plain"))

    with pytest.raises(Corrupt, match="list of files"):
        services.verify(made)


def test_an_existing_model_keeps_what_was_edited(model: RegisteredModel) -> None:
    again = services.ensure_model(name=model.name, family="scores", title="Other title")

    assert (again.pk, again.title) == (model.pk, "Castings")


def test_a_name_taken_by_another_family_is_refused(model: RegisteredModel) -> None:
    with pytest.raises(Conflict, match="scores"):
        services.ensure_model(name=model.name, family="routing", title="Routing")


def test_a_policy_with_an_unknown_metric_is_refused(family: Scores) -> None:
    with pytest.raises(InvalidInput, match="size_mb"):
        services.ensure_model(
            name="m", family="scores", title="M", gate_policy={"primary": "size_mb"}
        )


def test_a_synthetic_first_version_goes_live_by_itself(champion: ModelVersion) -> None:
    assert selectors.champion("castings") == champion
    assert AuditEntry.objects.filter(action="alias.bootstrap", outcome="done").exists()


def test_a_second_bootstrap_is_refused_and_audited(champion: ModelVersion, version: Make) -> None:
    with pytest.raises(Refused, match="champion before"):
        services.bootstrap_champion(version=version(), reason="again", actor=SYSTEM)

    assert AuditEntry.objects.filter(action="alias.bootstrap", outcome="refused").count() == 1
    assert AliasMove.objects.count() == 1


def test_a_version_of_real_data_never_starts_live(version: Make) -> None:
    with pytest.raises(Refused, match="synthetic"):
        services.bootstrap_champion(version=version(is_synthetic=False), reason="go", actor=SYSTEM)


def test_a_damaged_first_version_does_not_go_live(version: Make) -> None:
    made = version()
    tamper(made)

    with pytest.raises(Corrupt):
        services.bootstrap_champion(version=made, reason="go", actor=SYSTEM)

    assert selectors.champion("castings") is None


def test_a_version_restored_from_a_backup_resolves_its_alert(version: Make) -> None:
    kept = artifacts.save(b"the model", "application/octet-stream")
    made = version(artifacts={"model": kept})
    tamper(made)
    with pytest.raises(Corrupt):
        services.verify(made)
    artifacts.save(b"the model", "application/octet-stream")
    services.verify(made)

    assert not Alert.objects.open().filter(key="registry.damaged.castings.v1").exists()


def test_a_restored_file_resolves_every_alert_when_it_is_loaded(version: Make) -> None:
    kept = artifacts.save(b"the model", "application/octet-stream")
    made = version(artifacts={"model": kept})
    tamper(made)
    with pytest.raises(Corrupt):
        services.read_artifact(made, "model")
    assert Alert.objects.open().count() == 2
    artifacts.save(b"the model", "application/octet-stream")

    services.read_artifact(made, "model")

    assert not Alert.objects.open().exists()


def test_a_whole_file_resolves_nothing_while_another_is_damaged(version: Make) -> None:
    files = {
        "model": artifacts.save(b"the model", "application/octet-stream"),
        "report": artifacts.save(b"the report", "application/octet-stream"),
    }
    made = version(artifacts=files)
    tamper(made)
    with pytest.raises(Corrupt):
        services.verify(made)

    services.read_artifact(made, "report")

    assert Alert.objects.open().filter(key="registry.damaged.castings.v1").exists()


def test_what_was_restored_resolves_its_alerts_though_nobody_loads_it(version: Make) -> None:
    kept = artifacts.save(b"the model", "application/octet-stream")
    made = version(artifacts={"model": kept})
    tamper(made)
    with pytest.raises(Corrupt):
        services.verify(made)
    assert services.check_damaged() == 0
    artifacts.save(b"the model", "application/octet-stream")

    assert services.check_damaged() == 2

    assert not Alert.objects.open().exists()
