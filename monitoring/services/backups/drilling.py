"""Prove that a backup can be brought back: restore it into a throw-away stack and compare."""

import time
from typing import Any

from django.utils.translation import gettext as _

from monitoring.services.backups import manifests, postgres_tools, restoring
from monitoring.services.backups.making import Watch, silent
from monitoring.services.backups.vault import Vault, object_name
from portal.core import alerts
from portal.core.errors import Corrupt, NotFound
from portal.stack import throwaway
from portal.stack.errors import StackError

ALERT = "backup.drill"
DATABASE = "drill"


def drill(vault: Vault, name: str, watch: Watch | None = None) -> dict[str, Any]:
    """Restore a backup where it harms nobody, and compare all of it.

    Contents that turn out damaged in the vault are removed from it, so that the next backup copies
    them again. An alert stands from a drill that failed to the next one that succeeds.

    Returns
    -------
    dict
        The backup's name, rows, artifacts, and seconds of each part.

    Raises
    ------
    Corrupt
        When anything differs.
    """
    watch = watch or silent()
    try:
        result = _drill(vault, manifests.read(vault, name), watch)
    except (Corrupt, NotFound, StackError) as exc:
        reason = str(exc)
        alerts.raise_alert(
            ALERT,
            "critical",
            lambda: (
                _("Backup %(name)s cannot be restored: %(reason)s Make a new one and look why.")
                % {"name": name, "reason": reason}
            ),
        )
        raise
    alerts.resolve_alert(ALERT)
    return result


def _drill(vault: Vault, manifest: manifests.Manifest, watch: Watch) -> dict[str, Any]:
    began = time.perf_counter()
    wrong = restoring.verify(vault, manifest, watch)
    verified = time.perf_counter()
    if wrong:
        _remove_damaged(vault, manifest)
        raise Corrupt(" ".join(wrong[:10]))
    watch.progress(0.5, _("Restoring into a throw-away database"))
    with throwaway.throwaway() as stack:
        stack.postgres.create_database(DATABASE)
        started = time.perf_counter()
        server = postgres_tools.server_of(stack.postgres.url(DATABASE))
        restoring.fill(vault, manifest, server, watch)
        restored = time.perf_counter()
    return {
        "backup": manifest.name,
        "n_rows": manifest.n_rows,
        "n_tables": len(manifest.tables),
        "n_artifacts": len(manifest.artifacts),
        "seconds": {
            "verify": round(verified - began, 3),
            "start": round(started - verified, 3),
            "restore": round(restored - started, 3),
        },
    }


def _remove_damaged(vault: Vault, manifest: manifests.Manifest) -> None:
    for sha256 in manifest.artifacts:
        try:
            with vault.verified(object_name(sha256), sha256):
                pass
        except (Corrupt, NotFound):
            vault.place.remove(object_name(sha256))
