"""Minutes of an instance handed on as readings of the options that are live."""

from datetime import datetime, timedelta

from tuning.models import Instance, InstanceMinute
from tuning.models.instances import minute_of
from tuning.services import put_inputs, readings

#: Seconds of a minute that must be known before its mean says something; ours.
LEAST_SECONDS = 30
_DAY = timedelta(days=1)


def feed(instance: Instance, before: datetime | None) -> int:
    """Hand on the minutes that became whole since a time; return how many were new.

    A minute that was handed on stands: readings are taken once each.
    """
    if instance.last_at is None:
        return 0
    until = minute_of(instance.last_at)
    since = max(minute_of(before or until - _DAY), until - _DAY)
    minutes = InstanceMinute.objects.filter(
        instance=instance,
        at__gte=since,
        at__lt=until,
        n__gte=LEAST_SECONDS,
        rate__isnull=False,
    ).order_by("at")[: readings.MOST]
    rates = [{"at": one.at.isoformat(), "rate": one.rate} for one in minutes]
    if not rates:
        return 0
    taken = readings.take(target=put_inputs.TARGET, workload=instance.workload, readings=rates)
    return taken.n_new
