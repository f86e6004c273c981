"""How long it is kept what was told: ninety days."""

from datetime import datetime, timedelta

from monitoring.models import Delivery, Firing, UsedNonce
from monitoring.services.alerting import signatures
from portal.lib import clock

KEPT = timedelta(days=90)


def remove_old(now: datetime | None = None) -> dict[str, int]:
    """Remove settled messages with their attempts, and firings that are over; return how many."""
    moment = now or clock.now()
    before = moment - KEPT
    old = Delivery.objects.exclude(state=Delivery.State.WAITING).filter(created_at__lt=before)
    n_deliveries = old.count()
    old.delete()
    over = Firing.objects.filter(state=Firing.State.OVER)
    # What was never told of leaves nothing to remember.
    n_firings = over.filter(since__lt=before).delete()[0]
    n_firings += over.filter(n_told=0, since__lt=moment - timedelta(days=1)).delete()[0]
    UsedNonce.objects.filter(at__lt=moment - signatures.KEPT).delete()
    return {"deliveries": n_deliveries, "firings": n_firings}
