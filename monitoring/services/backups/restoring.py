"""Bring a backup back: verified first, built beside what is there, exchanged in one step.

Nothing live is touched before every byte of the backup was verified and the restored database was
compared with it. What was live stays as a database of another name until it is dropped.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.utils.translation import gettext as _
from psycopg import sql

from monitoring.services.backups import manifests, postgres_tools
from monitoring.services.backups.fingerprints import differences, fingerprints
from monitoring.services.backups.making import Watch, silent
from monitoring.services.backups.manifests import Manifest
from monitoring.services.backups.postgres_tools import Server
from monitoring.services.backups.vault import Vault, object_name
from portal.core import audit
from portal.core.actors import Actor
from portal.core.errors import Conflict, Corrupt, InvalidInput, NotFound, Unavailable
from portal.lib import clock
from portal.registry import live
from portal.registry.models import RegisteredModel
from portal.runs import artifacts

BEFORE = "_before_"
FRESH = "_restored_"
#: Databases one may connect to while another is renamed.
NEUTRAL = ("postgres", "template1")
MIGRATE_TIMEOUT_S = 3600


@dataclass(frozen=True)
class Restored:
    """What a restoration did.

    Attributes
    ----------
    manifest
        Of the backup.
    previous
        The database that was live before.
    n_artifacts
        Contents that were missing or damaged and are back.
    secret_key_file
        Where the key of the backup was put; None when it is the one in use.
    """

    manifest: Manifest
    previous: str
    n_artifacts: int
    secret_key_file: Path | None


def verify(vault: Vault, manifest: Manifest, watch: Watch | None = None) -> list[str]:
    """Compare every file of a backup with its digest; return a line for each that is wrong."""
    watch = watch or silent()
    prefix = manifests.folder(manifest.name)
    files = {
        prefix + "database.dump": manifest.dump["sha256"],
        prefix + "secrets.json": manifest.secrets["sha256"],
        **{object_name(sha256): sha256 for sha256 in manifest.artifacts},
    }
    wrong = []
    for position, (name, sha256) in enumerate(files.items()):
        watch.check()
        watch.progress(position / len(files), _("Verifying the backup"))
        try:
            with vault.verified(name, sha256):
                pass
        except (Corrupt, NotFound) as exc:
            wrong.append(str(exc))
    return wrong


def fill(vault: Vault, manifest: Manifest, server: Server, watch: Watch) -> None:
    """Load a backup's database into an empty one and compare them.

    Raises
    ------
    Corrupt
        When what was loaded is not what was dumped.
    """
    dump = manifests.folder(manifest.name) + "database.dump"
    with server.connect() as opened:
        major = postgres_tools.major_of(opened)
    with vault.verified(dump, manifest.dump["sha256"]) as path:
        postgres_tools.load(
            server, path, major=max(major, manifest.postgres_major), check=watch.check
        )
    with server.connect() as opened:
        wrong = differences(manifest.tables, fingerprints(opened))
    if wrong:
        raise Corrupt(
            _("The restored database differs from the backup: %(lines)s.")
            % {"lines": "; ".join(wrong[:10])}
        )


def restore(vault: Vault, name: str, actor: Actor, watch: Watch | None = None) -> Restored:
    """Put a backup in the place of what is live.

    Web and workers may go on: their connections are cut in the moment of the exchange, and they
    come back to the restored database.

    Raises
    ------
    Corrupt
        When the backup is damaged; nothing was changed.
    InvalidInput
        When the backup is of a newer release than this code; nothing was changed.
    Unavailable, OutOfSpace
        When the server may not make databases, or has no room.
    """
    watch = watch or silent()
    manifest = manifests.read(vault, name)
    _refuse_newer(manifest)
    wrong = verify(vault, manifest, watch)
    if wrong:
        raise Corrupt(
            _("Backup %(name)s is damaged, nothing was changed: %(lines)s")
            % {"name": name, "lines": " ".join(wrong[:10])}
        )
    own = postgres_tools.own_server()
    stamp = f"{clock.now():%Y%m%d%H%M%S}"
    fresh, previous = own.database + FRESH + stamp, own.database + BEFORE + stamp
    with ExitStack() as undo:
        watch.progress(0.4, _("Loading the database beside the one in use"))
        _create(own, fresh)
        undo.callback(_drop, own, fresh)
        fill(vault, manifest, own.renamed(fresh), watch)
        _migrate(own.renamed(fresh))
        watch.progress(0.8, _("Restoring artifacts"))
        n_artifacts = _restore_contents(vault, manifest)
        watch.check()
        connection.close()
        _exchange(own, fresh, previous)
        undo.pop_all()
    key = _restore_secrets(vault, manifest)
    _announce(manifest, previous, actor)
    return Restored(manifest, previous, n_artifacts, key)


def previous_databases() -> list[str]:
    """Return the databases that restorations set aside."""
    own = postgres_tools.own_server()
    with own.connect() as opened:
        rows = opened.execute(
            "SELECT datname FROM pg_database WHERE starts_with(datname, %s) ORDER BY datname",
            [own.database + BEFORE],
        )
        return [str(row[0]) for row in rows.fetchall()]


def drop_previous() -> list[str]:
    """Drop the databases that restorations set aside; return their names."""
    own, names = postgres_tools.own_server(), previous_databases()
    for name in names:
        _drop(own, name)
    return names


def _refuse_newer(manifest: Manifest) -> None:
    known = {
        ".".join(key) for key in MigrationLoader(None, ignore_no_migrations=True).disk_migrations
    }
    unknown = [name for name in manifest.migrations if name not in known]
    if unknown:
        raise InvalidInput(
            _(
                "Backup %(name)s was made by a newer release (%(revision)s): it has the migration "
                "%(migration)s, which is not known here. Install that release first."
            )
            % {
                "name": manifest.name,
                "revision": manifest.revision,
                "migration": unknown[0],
            }
        )


def _neutral(own: Server) -> "psycopg.Connection[Any]":
    problem: Unavailable | None = None
    for name in NEUTRAL:
        try:
            return own.renamed(name).connect()
        except Unavailable as exc:
            problem = exc
    raise problem or Unavailable(_("No database of the server can be used to rename another."))


def _create(own: Server, name: str) -> None:
    with _neutral(own) as opened:
        try:
            opened.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(
                    sql.Identifier(name)
                )
            )
        except psycopg.errors.InsufficientPrivilege as exc:
            raise Unavailable(
                _(
                    "The user %(user)s may not make databases: grant it CREATEDB for the time of "
                    "the restoration."
                )
                % {"user": own.user}
            ) from exc


def _drop(own: Server, name: str) -> None:
    with _neutral(own) as opened:
        opened.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        )


def _migrate(server: Server) -> None:
    """Bring an older backup's tables to this release, before anybody sees them."""
    environment = os.environ | {"DATABASE_URL": server.url(), "REDIS_URL": settings.REDIS_URL}
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, os.fspath(settings.BASE_DIR / "manage.py"), "migrate", "--no-input"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=MIGRATE_TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        raise Conflict(
            _("The tables of the backup could not be brought to this release: %(reason)s")
            % {"reason": done.stderr.strip()[-500:]}
        )


def _restore_contents(vault: Vault, manifest: Manifest) -> int:
    n_restored = 0
    for sha256 in manifest.artifacts:
        if artifacts.is_stored(sha256):
            continue
        with vault.verified(object_name(sha256), sha256) as path:
            artifacts.restore(sha256, path)
        n_restored += 1
    return n_restored


def _exchange(own: Server, fresh: str, previous: str) -> None:
    """Rename both databases in one transaction, having cut the connections to the live one."""
    live_name, fresh_name, old_name = map(sql.Identifier, (own.database, fresh, previous))
    rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
    with _neutral(own) as opened:
        for attempt in range(20):
            try:
                with opened.transaction():
                    opened.execute(
                        sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(live_name)
                    )
                for name in (own.database, fresh):
                    _cut(opened, name)
                with opened.transaction():
                    opened.execute(rename.format(live_name, old_name))
                    opened.execute(rename.format(fresh_name, live_name))
                    opened.execute(
                        sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(old_name)
                    )
            except psycopg.errors.ObjectInUse:
                if attempt == 19:
                    _allow(opened, own.database)
                    raise
                continue
            return


def _cut(opened: "psycopg.Connection[Any]", name: str) -> None:
    opened.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", [name]
    )


def _allow(opened: "psycopg.Connection[Any]", name: str) -> None:
    opened.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(sql.Identifier(name)))


def _restore_secrets(vault: Vault, manifest: Manifest) -> Path | None:
    """Put the key that sealed the audit log where the portal reads it at its next start."""
    kept: Mapping[str, str] = vault.json(manifests.folder(manifest.name) + "secrets.json")
    if kept["secret_key"] == settings.SECRET_KEY:
        return None
    file = settings.HOME / "secrets" / "secret_key"
    if file.exists():
        file.replace(file.with_name(f"secret_key.before-{clock.now():%Y%m%d%H%M%S}"))
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as opened:
        opened.write(kept["secret_key"])
    return Path(file)


def _announce(manifest: Manifest, previous: str, actor: Actor) -> None:
    audit.record(
        actor,
        "backup.restore",
        manifest.name,
        detail={"created_at": manifest.created_at, "previous": previous},
    )
    for name in _models():
        live.publish(name)


def _models() -> Iterator[str]:
    yield from RegisteredModel.objects.values_list("name", flat=True)
