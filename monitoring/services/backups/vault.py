"""A vault: a place with backups in it, sealed all together or not at all.

backups/<name>/manifest.json    written last: without it there is no backup of that name
backups/<name>/database.dump    pg_dump's custom format
backups/<name>/secrets.json     what is needed beside the database
objects/<aa>/<sha256>           contents of artifacts, once for all backups
keyring.json                    only in a sealed vault
"""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from monitoring.services.backups import sealing
from monitoring.services.backups.places import Place, place_of
from portal.core.errors import Corrupt, InvalidInput, NotFound
from portal.lib.hashing import sha256_stream

KEYRING = "keyring.json"
OBJECTS = "objects/"
SHORTEST_PASSPHRASE = 12


class Vault:
    """Files of backups, opened with their passphrase where they are sealed."""

    def __init__(self, place: Place, sealer: sealing.Sealer | None, scratch: Path) -> None:
        self.place = place
        self.sealer = sealer
        self.scratch = scratch

    @property
    def is_sealed(self) -> bool:
        """Whether the files are encrypted."""
        return self.sealer is not None

    def put(self, name: str, source: Path) -> None:
        """Keep a file, sealed if the vault is."""
        if self.sealer is None:
            self.place.put(name, source)
            return
        with self._temporary() as sealed:
            with source.open("rb") as read, sealed.open("wb") as write:
                self.sealer.seal(read, write)
            self.place.put(name, sealed)

    def put_json(self, name: str, value: Any) -> None:
        """Keep a JSON value."""
        with self._temporary() as file:
            file.write_text(json.dumps(value, indent=2, ensure_ascii=False))
            self.put(name, file)

    @contextmanager
    def opened(self, name: str) -> Iterator[Path]:
        """Give a private copy of a file's content.

        Raises
        ------
        NotFound
            When the vault has no such file.
        Corrupt
            When its seal is broken.
        """
        with self._temporary() as kept, self._temporary() as content:
            try:
                self.place.get(name, kept)
            except FileNotFoundError as exc:
                raise NotFound(_("The vault holds no %(name)s.") % {"name": name}) from exc
            if self.sealer is None:
                yield kept
                return
            try:
                with kept.open("rb") as read, content.open("wb") as write:
                    self.sealer.open(read, write)
            except sealing.SealBroken as exc:
                raise Corrupt(
                    _("%(name)s in the vault is damaged: %(reason)s.")
                    % {"name": name, "reason": exc}
                ) from exc
            yield content

    @contextmanager
    def verified(self, name: str, sha256: str) -> Iterator[Path]:
        """Give a private copy of a file whose digest was checked.

        Raises
        ------
        NotFound, Corrupt
            When it is missing, or is not what was kept.
        """
        with self.opened(name) as path:
            with path.open("rb") as stream:
                seen = sha256_stream(stream)
            if seen != sha256:
                raise Corrupt(
                    _("%(name)s in the vault is damaged: its digest is %(seen)s.")
                    % {"name": name, "seen": seen}
                )
            yield path

    def json(self, name: str) -> Any:
        """Return a JSON value that was kept."""
        with self.opened(name) as path:
            try:
                return json.loads(path.read_bytes())
            except ValueError as exc:
                raise Corrupt(
                    _("%(name)s in the vault is damaged: it is no JSON.") % {"name": name}
                ) from exc

    @contextmanager
    def _temporary(self) -> Iterator[Path]:
        with tempfile.NamedTemporaryFile(dir=self.scratch, prefix="backup-") as file:
            yield Path(file.name)


def object_name(sha256: str) -> str:
    """Return where an artifact's content is kept."""
    return f"{OBJECTS}{sha256[:2]}/{sha256}"


@contextmanager
def opened(where: str, passphrase: str, *, is_new_allowed: bool = False) -> Iterator[Vault]:
    """Open the vault at a place.

    Parameters
    ----------
    where
        An absolute path or ``s3://bucket/prefix``.
    passphrase
        Of a sealed vault; empty for one that is not.
    is_new_allowed
        Whether a vault that is not there yet may be begun, sealed when there is a passphrase.

    Raises
    ------
    InvalidInput
        When the passphrase is wrong, missing, or given for a vault that is not sealed.
    """
    place = place_of(where)
    with tempfile.TemporaryDirectory(prefix="millwright-backup-") as folder:
        scratch = Path(folder)
        keyring = _keyring(place, scratch / KEYRING)
        if keyring is not None:
            yield Vault(place, _known(passphrase, keyring, where), scratch)
            return
        if not passphrase:
            yield Vault(place, None, scratch)
            return
        if not is_new_allowed or next(place.names("backups/"), None):
            raise InvalidInput(
                _("The backups in %(where)s are not sealed: give no passphrase, or another place.")
                % {"where": where}
            )
        yield Vault(place, _sealed(place, passphrase, scratch), scratch)


def _keyring(place: Place, target: Path) -> Any:
    with suppress(FileNotFoundError):
        place.get(KEYRING, target)
        return json.loads(target.read_bytes())
    return None


def _known(passphrase: str, keyring: Any, where: str) -> sealing.Sealer:
    if not passphrase:
        raise InvalidInput(
            _("The backups in %(where)s are sealed: give their passphrase.") % {"where": where}
        )
    try:
        return sealing.known_key(passphrase, keyring)
    except sealing.SealBroken as exc:
        raise InvalidInput(
            _("The backups in %(where)s do not open: %(reason)s.") % {"where": where, "reason": exc}
        ) from exc


def _sealed(place: Place, passphrase: str, scratch: Path) -> sealing.Sealer:
    if len(passphrase) < SHORTEST_PASSPHRASE:
        raise InvalidInput(
            _("The passphrase has %(count)d characters: take at least %(least)d.")
            % {"count": len(passphrase), "least": SHORTEST_PASSPHRASE}
        )
    sealer, keyring = sealing.new_key(passphrase)
    file = scratch / "new-keyring.json"
    file.write_text(json.dumps(keyring))
    place.put(KEYRING, file)
    return sealer
