"""Reads of what was seen of instances, in the resolution that a range of time asks for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Model
from django.utils.translation import gettext as _

from portal.core.errors import NotFound
from portal.lib import clock
from tuning.engine.live.figures import FIGURES
from tuning.models import Instance, InstanceHour, InstanceMinute, InstanceSample
from tuning.models.instances import KEPT_MINUTES, KEPT_SECONDS
from tuning.services import asking

#: Shorter than this, every second is shown; longer, minutes; longer still, hours. Ours.
SHOWN_SECONDS, SHOWN_MINUTES = timedelta(minutes=20), timedelta(hours=24)
SPAN = timedelta(minutes=5)
#: The shortest range that is looked at.
BREATH = timedelta(seconds=1)
MOST_POINTS = 5_000
NAMES = ("at", *FIGURES, "rate_source", "predicted")
SUMMED = (*NAMES, "n", "rate_low", "rate_high")
_MODELS: dict[str, type[Model]] = {
    "second": InstanceSample,
    "minute": InstanceMinute,
    "hour": InstanceHour,
}
_LENGTHS = {
    "second": timedelta(seconds=1),
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
}
RESOLUTIONS = tuple(_MODELS)


@dataclass(frozen=True)
class Course:
    """What was seen of an instance over a range of time.

    Attributes
    ----------
    rows : sequence of mappings
        By name of figure, the earliest first; sums have ``n``, ``rate_low`` and ``rate_high`` too.
    """

    resolution: str
    since: datetime
    until: datetime
    rows: Sequence[dict[str, Any]]

    @property
    def length_s(self) -> float:
        """Seconds that a row stands for."""
        return _LENGTHS[self.resolution].total_seconds()


def find(name: str) -> Instance:
    """Return an instance by its name.

    Raises
    ------
    NotFound
        If there is none.
    """
    found = Instance.objects.filter(name=name).first()
    if found is None:
        raise NotFound(_("There is no instance “%(name)s”.") % {"name": name[:120]})
    return found


def course(
    instance: Instance,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    resolution: str = "",
) -> Course:
    """Return what was seen of an instance; by default in its last five minutes.

    Raises
    ------
    InvalidInput
        If the range ends before it begins, or holds too many points of the resolution asked for.
    """
    until = until or clock.now()
    since = since or asking.before(until, SPAN)
    if since >= until:
        raise asking.problem(
            "since",
            "empty_range",
            _("The range ends at %(until)s, before it begins at %(since)s: turn it round.")
            % {"since": since.isoformat(), "until": until.isoformat()},
        )
    resolution = resolution or fitting(since, until)
    n_points = (until - since) / _LENGTHS[resolution]
    if n_points > MOST_POINTS:
        raise asking.problem(
            "resolution",
            "too_many",
            _(
                "The range holds %(n)d points of one %(resolution)s; %(most)d are given at most. "
                "Ask for a shorter range or a coarser resolution."
            )
            % {"n": n_points, "resolution": resolution, "most": MOST_POINTS},
        )
    rows = _MODELS[resolution]._default_manager.filter(
        instance=instance, at__gte=since, at__lt=until
    )
    names = NAMES if resolution == "second" else SUMMED
    return Course(resolution, since, until, list(rows.order_by("at").values(*names)))


def fitting(since: datetime, until: datetime) -> str:
    """Return the resolution in which a range of time is best shown, and still kept."""
    length, age = until - since, clock.now() - since
    if length <= SHOWN_SECONDS and age <= KEPT_SECONDS:
        return "second"
    if length <= SHOWN_MINUTES and age <= KEPT_MINUTES:
        return "minute"
    return "hour"


def last_samples(instances: Sequence[Instance]) -> dict[int, InstanceSample]:
    """Return the last sample of each instance that has one, in one query."""
    ends = [(one.pk, one.last_at) for one in instances if one.last_at]
    found = InstanceSample.objects.filter(pk__in=ends)
    return {one.instance_id: one for one in found}
