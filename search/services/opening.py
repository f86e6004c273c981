"""Opening the index of a version: its files fetched once a machine, verified, mapped."""

import shutil
from pathlib import Path, PurePosixPath
from uuid import uuid4

from django.conf import settings
from django.utils.translation import gettext as _

from portal.core.errors import Corrupt
from portal.registry import services as registry
from portal.registry.models import ModelVersion
from portal.runs import artifacts
from search.engine.index import Index, open_index
from search.engine.manifest import NAME as MANIFEST
from search.engine.manifest import Manifest
from search.engine.problems import EmbedderProblem, IndexDamaged, MachineShort, unopened
from search.services import breakers, folders
from search.services.problems import sentence, translated


def credentials() -> dict[str, str]:
    """Return what an embedder must know that no manifest may hold."""
    return {"api_key": settings.EMBEDDING_API_KEY} if settings.EMBEDDING_API_KEY else {}


def opened(version: ModelVersion) -> Index:
    """Open a version by mmap; every file is compared with its checksum.

    A folder that was damaged since it was fetched is fetched once more.

    Raises
    ------
    Corrupt
        When what is stored is damaged, or cannot be opened by this release.
    Unavailable
        When the machine is short of file descriptors or memory; nothing is damaged then.
    """
    try:
        try:
            return _open(fetched(version))
        except IndexDamaged:
            forget(version)
            return _open(fetched(version))
    except MachineShort as exc:
        raise translated(exc) from exc
    except OSError as exc:
        found = unopened(exc, IndexDamaged("file_changed", value=str(version)))
        if isinstance(found, MachineShort):
            raise translated(found) from exc
        raise
    except (IndexDamaged, EmbedderProblem) as exc:
        raise Corrupt(
            _("The index %(version)s cannot be opened: %(reason)s")
            % {"version": version, "reason": sentence(exc)},
            code=exc.code,
        ) from exc


def fetched(version: ModelVersion) -> Path:
    """Return the folder of a version, fetched from the artifact storage if it is not here yet.

    Raises
    ------
    Corrupt
        When a stored file does not match its digest.
    OutOfSpace
        When this machine has no room for it.
    """
    manifest = registry.read_artifact(version, MANIFEST)  # also proves the record
    folder = folders.of(version)
    with folders.sole(folder):
        if (folder / MANIFEST).is_file() and (folder / MANIFEST).read_bytes() == manifest:
            folders.touch(folder)
            return folder
        shutil.rmtree(folder, ignore_errors=True)
        partial = folder.parent / f".{folder.name}.{uuid4().hex[:8]}"
        try:
            for name, sha256 in sorted(version.artifact_digests.items()):
                target = partial / PurePosixPath(name)
                target.parent.mkdir(parents=True, exist_ok=True)
                artifacts.fetch(sha256, target)
            partial.rename(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return folder


def forget(version: ModelVersion) -> None:
    """Remove a version's folder from this machine."""
    folder = folders.of(version)
    with folders.sole(folder):
        shutil.rmtree(folder, ignore_errors=True)


def _open(folder: Path) -> Index:
    known = credentials()
    embedder = breakers.remote(Manifest.read(folder), known)
    return open_index(folder, verify_files=True, credentials=known, embedder=embedder)
