"""What the schedules do: let requests expire, and remove versions that are old and unused."""

from dataclasses import asdict, dataclass
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from portal.core import audit
from portal.lib import clock
from portal.registry import selectors
from portal.registry.models import ModelVersion, PromotionRequest
from portal.registry.services import manifests
from portal.registry.services.aliases import lock
from portal.registry.services.ground import PORTAL, settle
from portal.runs import artifacts
from portal.runs.models import Artifact, RunArtifact


@dataclass(frozen=True)
class Removed:
    """What one round of retention did.

    Attributes
    ----------
    n_versions
        Versions removed.
    n_artifacts
        Files removed: those of the versions that nothing else refers to.
    freed_bytes
        Their size.
    """

    n_versions: int
    n_artifacts: int
    freed_bytes: int

    def to_dict(self) -> dict[str, int]:
        """Return the counts as JSON."""
        return asdict(self)


def expire_due() -> int:
    """Expire and void what is live only by its row; return how many requests that were.

    For the schedule. Every step on a request checks the same, so nothing depends on its
    punctuality.
    """
    live = PromotionRequest.objects.filter(state__in=PromotionRequest.LIVE_STATES)
    return sum(not settle(pk).is_live for pk in live.values_list("pk", flat=True))


def remove_old_versions(*, family: str = "", older_than: timedelta | None = None) -> Removed:
    """Remove versions older than the retention setting that nothing refers to.

    A family may name a shorter term for its own versions, as where each is large and soon replaced.

    Spared are versions an alias points at, candidate and champion of live requests, and of each
    model the last former champions that a rollback may need. A removed version keeps its row, with
    everything but its files, because history, evidence and predictions refer to it.
    """
    digests: set[str] = set()
    n_versions = 0
    term = older_than or settings.RETENTION
    for version in selectors.removable(clock.now() - term, family=family):
        removed = _remove(version, term)
        n_versions += removed is not None
        digests |= removed or set()
    sizes = dict(Artifact.objects.filter(pk__in=digests).values_list("pk", "size_bytes"))
    gone = [pk for pk in sorted(sizes) if artifacts.remove_unreferenced(pk)]
    return Removed(n_versions, len(gone), sum(sizes[pk] for pk in gone))


def check_damaged() -> int:
    """Read again every file and version that an alert calls damaged; return how many are well.

    What was restored ends its alert whether or not anybody loads it.
    """
    return artifacts.check_damaged() + manifests.check_damaged()


def _remove(version: ModelVersion, term: timedelta) -> set[str] | None:
    """Mark a version as removed and let go of its files; None when it is needed after all."""
    with transaction.atomic():
        lock(version.model)
        if not selectors.removable(clock.now() - term, only=version):
            return None
        ModelVersion.objects.filter(pk=version.pk).update(
            state=ModelVersion.State.REMOVED,
            state_reason=_("Older than %(days)d days and not referred to.") % {"days": term.days},
        )
        digests = set(version.artifact_digests.values())
        version.version_artifacts.all().delete()
        RunArtifact.objects.filter(run=version.run_id, artifact__in=digests).delete()
        audit.record(PORTAL, "version.remove", version, detail={"digest": version.digest})
    return digests
