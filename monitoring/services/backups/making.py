"""Make a backup of everything as it is at one moment, while the portal goes on working.

The moment is a snapshot of the database: the dump, the digests of the tables and the list of
artifacts all see it. Artifacts never change, so it is enough that the rows of that list cannot be
deleted before their contents are copied. Contents that an earlier backup holds are left out.
"""

import secrets as random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from django.utils.translation import gettext as _

from monitoring.services.backups import manifests, postgres_tools
from monitoring.services.backups.fingerprints import fingerprints
from monitoring.services.backups.manifests import Manifest
from monitoring.services.backups.vault import OBJECTS, Vault, object_name
from portal.core import alerts
from portal.core.errors import Conflict, Corrupt
from portal.lib import clock
from portal.lib.hashing import canonical_json, sha256_stream
from portal.runs import artifacts
from portal.runs.provenance import code_revision

#: Names the one backup that may be under way on a database (any number would do).
LOCK = 7_262_151
DAMAGED_ALERT = "backup.damaged_artifacts"

Progress = Callable[[float, str], None]


@dataclass
class Watch:
    """How the work tells of itself and learns that it must stop."""

    progress: Progress
    check: Callable[[], None]


def silent() -> Watch:
    """Return a watch that nobody looks at."""
    return Watch(lambda _fraction, _phase: None, lambda: None)


def make(vault: Vault, watch: Watch | None = None) -> Manifest:
    """Add a backup to a vault.

    Raises
    ------
    Conflict
        When another backup of this database is under way.
    OutOfSpace, Unavailable
        When the vault or the database cannot be written or read. What was copied stays for the next
        attempt; without its description it is no backup.
    """
    watch = watch or silent()
    server = postgres_tools.own_server()
    with server.connect() as opened:
        _take_turn(opened)
        moment = clock.now().astimezone(UTC)
        name = f"{moment:%Y%m%dT%H%M%SZ}-{random.token_hex(4)}"
        snapshot, wanted = _frozen(opened)
        seconds: dict[str, float] = {}
        with _timed(seconds, "artifacts"):
            damaged = _copy(vault, wanted, watch)
        with _timed(seconds, "dump"):
            watch.progress(0.6, _("Dumping the database"))
            dumped = _dump(vault, name, server, snapshot, opened, watch)
        with _timed(seconds, "digests"):
            watch.progress(0.85, _("Taking the digests of all tables"))
            tables = fingerprints(opened)
        manifest = Manifest(
            name=name,
            created_at=moment.isoformat(),
            revision=code_revision(),
            postgres_major=postgres_tools.major_of(opened),
            dump=dumped,
            secrets=_keep_secrets(vault, name),
            tables=tables,
            migrations=_migrations(opened),
            artifacts={one: size for one, size in wanted.items() if one not in damaged},
            damaged=damaged,
            seconds=seconds,
        )
        manifests.write(vault, manifest)
    _tell(damaged)
    return manifest


def remove_old(vault: Vault, *, keep: timedelta) -> list[str]:
    """Remove backups older than `keep`, never the latest, and contents no backup refers to.

    Returns
    -------
    list of str
        The names of the removed backups.
    """
    before = clock.now() - keep
    found = list(manifests.all(vault))
    old = [one for one in found[1:] if one.moment < before]
    gone = {one.name for one in old}
    for one in old:
        vault.place.remove(manifests.folder(one.name) + manifests.MANIFEST)
    complete = {one.name for one in found} - gone
    for name in list(vault.place.names("backups/")):
        if name.split("/")[1] not in complete:
            vault.place.remove(name)
    kept = {sha256 for one in found if one.name not in gone for sha256 in one.artifacts}
    for name in list(vault.place.names(OBJECTS)):
        if name.rpartition("/")[2] not in kept:
            vault.place.remove(name)
    return sorted(gone)


@contextmanager
def turn() -> Iterator[None]:
    """Hold the place of the one that may write to the vault."""
    with postgres_tools.own_server().connect() as opened:
        _take_turn(opened)
        yield


def _take_turn(opened: "psycopg.Connection[Any]") -> None:
    taken = opened.execute("SELECT pg_try_advisory_lock(%s)", [LOCK]).fetchone()
    if taken != (True,):
        raise Conflict(_("Another backup is under way: wait for its end."), code="backup_running")


def _frozen(opened: "psycopg.Connection[Any]") -> tuple[str, dict[str, int]]:
    """Begin the transaction that sees one moment; return its snapshot and the artifacts in it."""
    for _attempt in range(5):
        opened.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        try:
            rows = opened.execute("SELECT sha256, size_bytes FROM runs_artifact FOR KEY SHARE")
            wanted = {str(row[0]): int(row[1]) for row in rows.fetchall()}
            exported = opened.execute("SELECT pg_export_snapshot()").fetchone()
        except psycopg.errors.SerializationFailure:  # an artifact was removed just now
            opened.execute("ROLLBACK")
            continue
        return str(exported and exported[0]), wanted
    raise Conflict(_("Artifacts are being removed all the time: try again a little later."))


def _copy(vault: Vault, wanted: dict[str, int], watch: Watch) -> list[str]:
    """Copy the contents the vault lacks; return those that cannot be read."""
    there = {name.rpartition("/")[2] for name in vault.place.names(OBJECTS)}
    missing = [sha256 for sha256 in wanted if sha256 not in there]
    damaged = []
    for position, sha256 in enumerate(missing):
        watch.check()
        watch.progress(0.6 * position / len(missing), _("Copying artifacts"))
        try:
            with artifacts.open_verified(sha256) as path:
                vault.put(object_name(sha256), path)
        except Corrupt:
            damaged.append(sha256)
    return damaged


def _dump(
    vault: Vault,
    name: str,
    server: postgres_tools.Server,
    snapshot: str,
    opened: "psycopg.Connection[Any]",
    watch: Watch,
) -> dict[str, Any]:
    file = vault.scratch / "database.dump"
    major = postgres_tools.major_of(opened)
    postgres_tools.dump(server, file, snapshot=snapshot, major=major, check=watch.check)
    return _keep(vault, manifests.folder(name) + "database.dump", file)


def _keep(vault: Vault, name: str, file: Path) -> dict[str, Any]:
    with file.open("rb") as stream:
        described = {"sha256": sha256_stream(stream), "size_bytes": file.stat().st_size}
    vault.put(name, file)
    file.unlink()
    return described


def _keep_secrets(vault: Vault, name: str) -> dict[str, Any]:
    """Keep what the database needs and does not hold: the key that seals the audit log."""
    file = vault.scratch / "secrets.json"
    file.touch(mode=0o600)
    file.write_bytes(canonical_json({"secret_key": settings.SECRET_KEY}))
    return _keep(vault, manifests.folder(name) + "secrets.json", file)


def _migrations(opened: "psycopg.Connection[Any]") -> list[str]:
    rows = opened.execute("SELECT app || '.' || name FROM django_migrations ORDER BY 1")
    return [str(row[0]) for row in rows.fetchall()]


def _tell(damaged: list[str]) -> None:
    if not damaged:
        alerts.resolve_alert(DAMAGED_ALERT)
        return
    alerts.raise_alert(DAMAGED_ALERT, "critical", lambda: _message(damaged))


def _message(damaged: list[str]) -> str:
    return _(
        "The latest backup lacks %(count)d artifacts that are damaged or missing in the storage, "
        "the first is %(first)s: restore them from an earlier backup, or make them again."
    ) % {"count": len(damaged), "first": damaged[0]}


@contextmanager
def _timed(seconds: dict[str, float], part: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    seconds[part] = round(time.perf_counter() - began, 3)
