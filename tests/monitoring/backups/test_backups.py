"""Backups of a real database and real files, brought back and compared."""

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.core.files.storage import storages
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import override_settings
from moto.server import ThreadedMotoServer

from monitoring.selectors import backups as selectors
from monitoring.services import backups
from monitoring.services.backups import manifests, places, postgres_tools, restoring
from monitoring.services.backups.fingerprints import differences, fingerprints
from monitoring.services.backups.making import turn
from monitoring.services.backups.vault import Vault, object_name
from monitoring.tasks import backups as tasks
from portal.core import audit, audit_verification
from portal.core.actors import Actor
from portal.core.errors import Conflict, Corrupt, InvalidInput, NotFound, Unavailable
from portal.core.models import Alert, AuditEntry
from portal.lib import clock
from portal.runs import artifacts, services
from portal.runs.models import Artifact, Run, State
from portal.runs.tasks import perform

SYSTEM = Actor.system("tests")
PASSPHRASE = "correct horse battery"

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    with backups.opened(str(tmp_path / "vault"), "", is_new_allowed=True) as one:
        yield one


@pytest.fixture
def portal_of_something() -> Artifact:
    audit.record(SYSTEM, "test.do", "x", reason="이유")
    return artifacts.save(b"a model", "test/onnx")


def stored(artifact: Artifact) -> Path:
    return Path(storages["artifacts"].path(artifact.storage_name))


def test_a_backup_holds_rows_artifacts_and_what_proves_them(
    vault: Vault, portal_of_something: Artifact
) -> None:
    made = backups.make(vault)

    assert manifests.read(vault, made.name) == made
    assert made.artifacts == {portal_of_something.sha256: 7}
    assert made.tables["core_auditentry"]["rows"] == AuditEntry.objects.count()
    assert restoring.verify(vault, made) == []
    assert manifests.names(vault) == [made.name]


def test_a_second_backup_copies_no_content_again(
    vault: Vault, portal_of_something: Artifact
) -> None:
    backups.make(vault)
    content = Path(vault.place.root) / object_name(portal_of_something.sha256)  # type: ignore[attr-defined]
    before = content.stat().st_mtime_ns

    backups.make(vault)

    assert content.stat().st_mtime_ns == before
    assert len(manifests.names(vault)) == 2


def test_a_sealed_vault_shows_nothing_and_needs_its_passphrase(
    tmp_path: Path, portal_of_something: Artifact
) -> None:
    where = str(tmp_path / "vault")
    with backups.opened(where, PASSPHRASE, is_new_allowed=True) as vault:
        made = backups.make(vault)
    files = [path for path in Path(where).rglob("*") if path.is_file()]

    assert not any(b"a model" in path.read_bytes() for path in files)
    with backups.opened(where, PASSPHRASE) as vault:
        assert restoring.verify(vault, manifests.read(vault, made.name)) == []
    for wrong in ("", "another passphrase"):
        with pytest.raises(InvalidInput), backups.opened(where, wrong):
            pass


def test_a_plain_vault_takes_no_passphrase_and_a_short_one_is_refused(
    vault: Vault, tmp_path: Path
) -> None:
    backups.make(vault)
    with pytest.raises(InvalidInput, match="vault"):  # noqa: SIM117 - what is entered raises
        with backups.opened(str(tmp_path / "vault"), PASSPHRASE, is_new_allowed=True):
            pass
    with pytest.raises(InvalidInput, match="12"):  # noqa: SIM117 - as above
        with backups.opened(str(tmp_path / "other"), "short", is_new_allowed=True):
            pass


@pytest.mark.parametrize("place", ["backups", "ftp://host/x", "s3://"])
def test_a_place_that_is_none_is_named(place: str) -> None:
    with (
        pytest.raises(InvalidInput, match=place.split(":", maxsplit=1)[0]),
        backups.opened(place, ""),
    ):
        pass


@pytest.mark.parametrize("part", ["database.dump", "secrets.json", "object"])
def test_one_changed_byte_anywhere_is_found(
    vault: Vault, portal_of_something: Artifact, part: str
) -> None:
    made = backups.make(vault)
    name = manifests.folder(made.name) + part
    if part == "object":
        name = object_name(portal_of_something.sha256)
    file = Path(vault.place.root) / name  # type: ignore[attr-defined]
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)

    assert len(restoring.verify(vault, made)) == 1
    with pytest.raises(Corrupt):
        backups.restore(vault, made.name, SYSTEM)


def test_a_changed_description_is_not_believed(vault: Vault) -> None:
    made = backups.make(vault)
    file = Path(vault.place.root) / manifests.folder(made.name) / "manifest.json"  # type: ignore[attr-defined]
    file.write_text(file.read_text().replace(made.revision or made.created_at, "another", 1))

    with pytest.raises(Corrupt):
        manifests.read(vault, made.name)


def test_an_unknown_name_and_an_empty_vault_say_what_to_do(vault: Vault) -> None:
    with pytest.raises(NotFound, match="nothing"):
        manifests.read(vault, "nothing")
    with pytest.raises(NotFound):
        manifests.newest(vault)


def test_two_backups_at_once_are_one_too_many(vault: Vault) -> None:
    with turn(), pytest.raises(Conflict):
        backups.make(vault)


def test_damaged_content_is_left_out_named_and_alerted(
    vault: Vault, portal_of_something: Artifact
) -> None:
    stored(portal_of_something).write_bytes(b"rotten")

    made = backups.make(vault)

    assert made.damaged == [portal_of_something.sha256]
    assert Alert.objects.open().filter(key="backup.damaged_artifacts").exists()
    stored(portal_of_something).write_bytes(b"a model")
    assert backups.make(vault).damaged == []
    assert not Alert.objects.open().filter(key="backup.damaged_artifacts").exists()


def test_old_backups_go_with_what_only_they_held(
    vault: Vault, portal_of_something: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = backups.make(vault)
    assert artifacts.remove_unreferenced(portal_of_something.sha256)
    later = clock.now() + timedelta(days=30)
    monkeypatch.setattr(clock, "now", lambda: later)
    new = backups.make(vault)

    assert backups.remove_old(vault, keep=timedelta(days=14)) == [old.name]
    assert manifests.names(vault) == [new.name]
    assert list(vault.place.names("objects/")) == []
    assert backups.remove_old(vault, keep=timedelta(days=0)) == []  # the latest stays


def test_what_an_interrupted_backup_left_is_no_backup_and_goes(vault: Vault) -> None:
    made = backups.make(vault)
    file = vault.scratch / "part"
    file.write_bytes(b"half a dump")
    vault.put("backups/20260101T000000Z-00000000/database.dump", file)

    assert manifests.names(vault) == [made.name]
    backups.remove_old(vault, keep=timedelta(days=1))
    assert {name.split("/")[1] for name in vault.place.names("backups/")} == {made.name}


def test_the_drill_restores_elsewhere_and_compares(
    vault: Vault, portal_of_something: Artifact
) -> None:
    made = backups.make(vault)

    result = backups.drill(vault, made.name)

    assert result["backup"] == made.name
    assert result["n_rows"] == made.n_rows > 0
    assert result["seconds"]["restore"] > 0


def test_a_drill_that_fails_alerts_and_has_the_damage_copied_again(
    vault: Vault, portal_of_something: Artifact
) -> None:
    made = backups.make(vault)
    content = Path(vault.place.root) / object_name(portal_of_something.sha256)  # type: ignore[attr-defined]
    content.write_bytes(b"rotten")

    with pytest.raises(Corrupt):
        backups.drill(vault, made.name)

    assert Alert.objects.open().filter(key="backup.drill").exists()
    again = backups.make(vault)
    assert restoring.verify(vault, again) == []


def test_a_difference_of_one_value_is_seen(portal_of_something: Artifact) -> None:
    with postgres_tools.own_server().connect() as opened:
        before = fingerprints(opened)
        Artifact.objects.update(media_type="test/other")
        after = fingerprints(opened)

    assert differences(before, before) == []
    assert differences(before, after) == ["runs_artifact: 1 rows, but not the same"]
    assert len(differences(before, {})) == len(before)


@pytest.fixture
def other_database() -> Iterator[Callable[[], None]]:
    """Bring the test's own database back under its name, whatever a restoration made of it."""
    own = postgres_tools.own_server()
    yield lambda: None
    connection.close()
    left = restoring.previous_databases()
    if left:
        restoring._drop(own, own.database)
        with restoring._neutral(own) as opened:
            opened.execute(f'ALTER DATABASE "{left[0]}" RENAME TO "{own.database}"')


@pytest.mark.usefixtures("other_database", "redis_client")
def test_a_restoration_brings_rows_and_files_back(
    vault: Vault, portal_of_something: Artifact
) -> None:
    made = backups.make(vault)
    audit.record(SYSTEM, "test.later", "y")
    stored(portal_of_something).unlink()

    restored = backups.restore(vault, made.name, SYSTEM)

    assert restored.n_artifacts == 1
    assert artifacts.read(portal_of_something.sha256) == b"a model"
    actions = list(AuditEntry.objects.order_by("number").values_list("action", flat=True))
    assert "test.later" not in actions
    assert actions[-1] == "backup.restore"
    assert audit_verification.verify_and_alert().is_chain_intact
    assert restoring.previous_databases() == [restored.previous]


def test_a_database_that_is_not_there_is_named() -> None:
    with pytest.raises(Unavailable, match="no_such"):
        postgres_tools.own_server().renamed("no_such").connect()


def test_a_backup_of_a_newer_release_is_refused(vault: Vault) -> None:
    made = backups.make(vault)
    newer = manifests.Manifest(
        **{**made.__dict__, "name": "newer", "migrations": [*made.migrations, "core.9999_future"]}
    )
    manifests.write(vault, newer)

    with pytest.raises(InvalidInput, match="9999_future"):
        backups.restore(vault, "newer", SYSTEM)


def done(kind: str) -> Run:
    run = services.enqueue(kind=kind, actor=SYSTEM)
    perform(str(run.pk), worker="tests:1")
    run.refresh_from_db()
    return run


def test_the_nightly_run_backs_up_and_the_monthly_one_rehearses(
    tmp_path: Path, portal_of_something: Artifact
) -> None:
    with override_settings(BACKUP_TO=str(tmp_path / "nightly")):
        made = done(selectors.MAKE)
        drilled = done(selectors.DRILL)
        checked = done(selectors.CHECK)

    assert (made.state, made.error_message) == (State.SUCCEEDED, "")
    assert made.result["n_artifacts"] == 1
    assert drilled.result["backup"] == made.result["name"]
    assert (checked.result["n_backups"], checked.result["is_overdue"]) == (1, False)
    standing = selectors.standing()
    assert standing.backup.good_at == made.finished_at
    assert standing.drill.figures["n_rows"] == made.result["n_rows"]


def test_a_backup_that_cannot_be_written_alerts_until_one_can(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with override_settings(BACKUP_TO=str(tmp_path / "file" / "vault")):
        failed = done(selectors.MAKE)
    assert failed.state != State.SUCCEEDED
    assert Alert.objects.open().filter(key=tasks.FAILED).exists()

    with override_settings(BACKUP_TO=str(tmp_path / "vault")):
        done(selectors.MAKE)
    assert not Alert.objects.open().filter(key=tasks.FAILED).exists()


def test_a_missed_backup_alerts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with override_settings(BACKUP_TO=str(tmp_path / "vault")):
        done(selectors.MAKE)
        later = clock.now() + timedelta(days=2)
        monkeypatch.setattr(clock, "now", lambda: later)
        assert done(selectors.CHECK).result["is_overdue"]
    assert Alert.objects.open().filter(key=tasks.OVERDUE).exists()


@pytest.mark.parametrize("words", [["--list"], ["--remove-old"]])
def test_the_commands_speak_of_an_empty_vault(
    tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("backup", "--to", str(tmp_path), *words)

    said = capsys.readouterr()
    assert said.out == ""
    assert ("There is no backup" in said.err) == ("--list" in words)


def test_a_passphrase_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "passphrase"
    path.write_bytes(b"\xb5\xff")
    with pytest.raises(CommandError, match="The passphrase cannot be read"):
        call_command("backup", "--to", str(tmp_path), "--list", "--passphrase-file", str(path))


def test_the_commands_make_list_verify_and_rehearse(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("backup", "--to", str(tmp_path))
    call_command("backup", "--to", str(tmp_path), "--list")
    first, second = capsys.readouterr().out.splitlines()
    assert first == second
    name = first.split(":")[0]
    call_command("backup", "--to", str(tmp_path), "--verify", name)
    call_command("restore_drill", "--from", str(tmp_path))
    assert "is whole" in capsys.readouterr().out


@pytest.fixture
def s3_address() -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    yield f"http://127.0.0.1:{port}"
    server.stop()


def test_a_bucket_takes_backups_as_a_folder_does(
    s3_address: str, portal_of_something: Artifact
) -> None:
    own = {"endpoint": s3_address, "region": "us-east-1", "access_key": "a", "secret_key": "b"}
    with override_settings(BACKUP_S3=own):
        places.Bucket("safe", "")._client.create_bucket(Bucket="safe")
        with backups.opened("s3://safe/plant 1", PASSPHRASE, is_new_allowed=True) as vault:
            made = backups.make(vault)
            assert restoring.verify(vault, manifests.read(vault, made.name)) == []
            vault.place.remove(object_name(portal_of_something.sha256))
            assert len(restoring.verify(vault, made)) == 1
        with (
            pytest.raises(Unavailable, match="nowhere"),
            backups.opened("s3://nowhere", "") as vault,
        ):
            manifests.names(vault)


FULL = """
import django, resource, sys
django.setup()
from monitoring.services import backups
from portal.core.errors import OutOfSpace
with backups.opened(sys.argv[1], "", is_new_allowed=True) as vault:
    file = vault.scratch / "big"
    file.write_bytes(b"x" * 1000)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
    import signal
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    vault.put("backups/x/database.dump", file)
"""


def test_a_file_too_large_for_the_disk_leaves_nothing_half_written(
    tmp_path: Path, child_environment: dict[str, str]
) -> None:
    done = subprocess.run(  # noqa: S603 - our own interpreter and script
        [sys.executable, "-c", FULL, str(tmp_path)],
        env=child_environment,
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
    )

    assert "portal.core.errors" in done.stderr
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
