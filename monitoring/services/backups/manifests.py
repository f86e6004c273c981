"""The description of one backup, written last and protected by its own digest."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from monitoring.services.backups.fingerprints import Fingerprints
from monitoring.services.backups.vault import Vault
from portal.core.errors import Corrupt, NotFound
from portal.lib.hashing import digest_json

FORMAT = 1
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """What one backup holds.

    Attributes
    ----------
    name
        Of the backup: the moment and a few random digits.
    created_at
        ISO 8601, UTC; everything is as it was at this moment.
    revision
        Of the code that made it.
    postgres_major
        Of the server it came from.
    dump
        ``sha256`` and ``size_bytes`` of the database's dump.
    secrets
        ``sha256`` and ``size_bytes`` of what is needed beside the database.
    tables
        Rows and digest of every table.
    migrations
        ``app.name`` of every applied migration.
    artifacts
        Size in bytes of every artifact, by SHA-256.
    damaged
        Artifacts that could not be read when the backup was made; they are not in it.
    seconds
        What each part took.
    """

    name: str
    created_at: str
    revision: str
    postgres_major: int
    dump: dict[str, Any]
    secrets: dict[str, Any]
    tables: Fingerprints
    migrations: list[str]
    artifacts: dict[str, int]
    damaged: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def moment(self) -> datetime:
        """When it was made."""
        return datetime.fromisoformat(self.created_at)

    @property
    def n_rows(self) -> int:
        """Rows of all tables."""
        return sum(table["rows"] for table in self.tables.values())

    @property
    def artifact_bytes(self) -> int:
        """Bytes of all artifacts, whether another backup has them too or not."""
        return sum(self.artifacts.values())

    def summary(self) -> dict[str, Any]:
        """Return what a list of backups shows."""
        return {
            "name": self.name,
            "created_at": self.created_at,
            "n_rows": self.n_rows,
            "dump_bytes": self.dump["size_bytes"],
            "n_artifacts": len(self.artifacts),
            "artifact_bytes": self.artifact_bytes,
            "n_damaged": len(self.damaged),
            "seconds": self.seconds,
        }


def folder(name: str) -> str:
    """Return the prefix of a backup's own files."""
    return f"backups/{name}/"


def write(vault: Vault, manifest: Manifest) -> None:
    """Make a backup valid."""
    content = asdict(manifest) | {"format": FORMAT}
    vault.put_json(
        folder(manifest.name) + MANIFEST, {"content": content, "digest": digest_json(content)}
    )


def read(vault: Vault, name: str) -> Manifest:
    """Return the description of a backup.

    Raises
    ------
    NotFound
        When there is no complete backup of that name.
    Corrupt
        When the description was changed.
    """
    try:
        kept = vault.json(folder(name) + MANIFEST)
    except NotFound as exc:
        raise NotFound(
            _("There is no backup “%(name)s”; backup --list names those there are.")
            % {"name": name}
        ) from exc
    try:
        content = dict(kept["content"])
        is_whole = kept["digest"] == digest_json(content) and content.pop("format") == FORMAT
        manifest = Manifest(**content) if is_whole else None
    except (KeyError, TypeError, ValueError):
        manifest = None
    if manifest is None:
        raise Corrupt(_("The description of backup %(name)s is damaged.") % {"name": name})
    return manifest


def names(vault: Vault) -> list[str]:
    """Return the names of all complete backups, the latest first."""
    return sorted(
        (name.split("/")[1] for name in vault.place.names("backups/") if _is_manifest(name)),
        reverse=True,
    )


def all(vault: Vault) -> Iterator[Manifest]:
    """Yield the description of every complete backup, the latest first."""
    for name in names(vault):
        yield read(vault, name)


def newest(vault: Vault) -> str:
    """Return the name of the latest backup.

    Raises
    ------
    NotFound
        When there is none.
    """
    found = names(vault)
    if not found:
        raise NotFound(_("There is no backup there yet: make one with the command backup."))
    return found[0]


def _is_manifest(name: str) -> bool:
    parts = name.split("/")
    return len(parts) == 3 and parts[2] == MANIFEST
