"""The manifest of a version: what its digest covers, and the check that nothing changed since."""

from typing import Any

from django.utils.translation import gettext as _

from portal.core import alerts
from portal.core.errors import Corrupt, NotFound, Unavailable
from portal.core.models import Alert
from portal.registry.engine import canonical
from portal.registry.models import ModelVersion
from portal.runs import artifacts

FORMAT = 1
ALERT = "registry.damaged."


def manifest(version: ModelVersion) -> dict[str, Any]:
    """Return everything that makes a version what it is, as the JSON its digest is taken of."""
    frozen_set = version.evaluation_set
    return {
        "format": FORMAT,
        "model": version.model.name,
        "family": version.model.family,
        "number": version.number,
        "run": str(version.run_id) if version.run_id else None,
        "artifacts": version.artifact_digests,
        "evaluation_set": frozen_set.artifact_id if frozen_set else None,
        "dataset_fingerprint": version.dataset_fingerprint,
        "lineage": version.lineage,
        "signature": version.signature,
        "evaluation": version.evaluation,
        "settings": version.settings,
        "card": version.card,
        "is_synthetic": version.is_synthetic,
    }


def alert_key(version: ModelVersion) -> str:
    """Return the key of the alert that a damaged version raises."""
    return f"{ALERT}{version.model.name}.v{version.number}"


def check_record(version: ModelVersion) -> None:
    """Check a version's row and its list of files against its digest, without reading the files.

    Raises
    ------
    Corrupt
        When anything differs; an alert is raised as well.
    """
    if canonical.digest(manifest(version)) != version.digest:
        raise _damaged(version, _("its record does not match its manifest digest"))
    named = dict(version.version_artifacts.values_list("name", "artifact_id"))
    if named != version.artifact_digests:
        raise _damaged(version, _("its list of files is not the one that was registered"))


def verify(version: ModelVersion) -> None:
    """Check a version's record and every file; what is whole again resolves its alert.

    Raises
    ------
    Corrupt
        When anything differs; an alert is raised as well.
    """
    check_record(version)
    for name in sorted(version.artifact_digests):
        try:
            with artifacts.open_verified(version.artifact_digests[name]):
                pass
        except Corrupt as exc:
            raise _damaged(version, _unreadable(name, exc)) from exc
    alerts.resolve_alert(alert_key(version))


def read_artifact(version: ModelVersion, name: str) -> bytes:
    """Return one file of a version, verified against the manifest; for families that load it.

    Raises
    ------
    Corrupt
        When the record or the file differs from what was registered; an alert is raised too.
    NotFound
        When the version has no such file.
    """
    check_record(version)
    if name not in version.artifact_digests:
        raise NotFound(
            _("%(version)s has no file “%(name)s”; it has %(names)s.")
            % {
                "version": version,
                "name": name,
                "names": ", ".join(sorted(version.artifact_digests)) or _("none"),
            },
            code="no_such_file",
        )
    try:
        data = artifacts.read(version.artifact_digests[name])
    except Corrupt as exc:
        raise _damaged(version, _unreadable(name, exc)) from exc
    _end_alert(version)
    return data


def check_damaged() -> int:
    """Check again what an alert calls damaged; return how many versions are whole or gone."""
    keys = Alert.objects.open().filter(key__startswith=ALERT).values_list("key", flat=True)
    return sum(_is_settled(key) for key in list(keys))


def _is_settled(key: str) -> bool:
    model, _dot, number = key.removeprefix(ALERT).rpartition(".v")
    version = ModelVersion.objects.filter(model__name=model, number=number).first()
    if version is None or version.state == ModelVersion.State.REMOVED:
        return alerts.resolve_alert(key)
    return _is_whole(version)


def _end_alert(version: ModelVersion) -> None:
    """End the alert that a version was damaged if all of it is whole again, not this file only."""
    if Alert.objects.open().filter(key=alert_key(version)).exists():
        _is_whole(version)


def _is_whole(version: ModelVersion) -> bool:
    try:
        verify(version)
    except (Corrupt, NotFound, Unavailable):
        return False
    return True


def _unreadable(name: str, exc: Corrupt) -> str:
    return _("its file “%(name)s” is damaged: %(error)s") % {"name": name, "error": exc}


def _damaged(version: ModelVersion, what: str) -> Corrupt:
    """Raise the alert and return the error for a version that is not what was registered."""

    def message() -> str:
        return _(
            "%(version)s is damaged: %(what)s. It is not loaded. Restore the artifact storage and "
            "the database from one backup, or train the version again."
        ) % {"version": version, "what": what}

    alerts.raise_alert(alert_key(version), "critical", message)
    return Corrupt(message(), code="version_damaged")
