"""Samples of running engines: taken once each, summed up, held against what was predicted."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from portal.core import audit
from portal.core.actors import Actor
from portal.core.errors import Conflict
from portal.lib import clock
from tuning.engine.live.figures import FIGURES, SOURCES
from tuning.models import Instance, InstanceSample
from tuning.models.instances import SILENT_AFTER, minute_of
from tuning.services import asking, feeding, forecasts, rollups

NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
#: Ours: clocks differ by minutes at most; a sidecar holds an hour back, and a day is room for more.
AHEAD, LATE = timedelta(minutes=5), timedelta(hours=24)
MOST, GREATEST = 3600, 1e18


@dataclass(frozen=True)
class About:
    """What a sidecar knows of its instance.

    Attributes
    ----------
    workload : str
        Of the target rocksdb; empty when it is none of them, and then nothing is predicted.
    sends_readings : bool
        Whether its rates, minute by minute, are readings of the options that are live.
    n_lost : int
        Samples that it had to throw away since it began, for want of room.
    """

    host: str = ""
    folder: str = ""
    version: str = ""
    pid: int | None = None
    workload: str = ""
    sends_readings: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    n_lost: int = 0


@dataclass(frozen=True)
class Taken:
    """What became of some samples; the first of a time stands."""

    instance: Instance
    n_new: int
    n_known: int


def take(*, name: str, about: About, samples: Sequence[Mapping[str, Any]]) -> Taken:
    """Keep samples of an instance, each second once; an instance not known yet is added.

    Raises
    ------
    InvalidInput
        For a name, a time or a figure that breaks a rule, and a workload that does not exist.
    Conflict
        If another folder sends under this name right now.
    """
    require_name(name)
    forecasts.require(about.workload, is_needed=about.sends_readings)
    rows = _checked(samples)
    with transaction.atomic():
        instance = _known(name, about)
        before = instance.last_at
        n_new, minutes = _keep(instance, rows)
        rollups.sum_up(instance, minutes)
    forecasts.refresh(instance)
    if instance.sends_readings:
        feeding.feed(instance, before)
    return Taken(instance, n_new, len(samples) - n_new)


def require_name(name: str) -> None:
    """Refuse what is no name of an instance.

    Raises
    ------
    InvalidInput
        With the rule.
    """
    if not NAME.match(name):
        raise asking.problem(
            "name",
            "no_name",
            _(
                "“%(seen)s” is no name: up to 100 letters, digits, dots, dashes and underscores, a "
                "letter or digit first."
            )
            % {"seen": name[:120]},
        )


def settle() -> dict[str, int]:
    """Sum the last minute of silent instances up, and remove what is past its time."""
    quiet = clock.now() - SILENT_AFTER
    for found in Instance.objects.filter(last_at__lt=quiet, last_at__gt=quiet - LATE):
        with transaction.atomic():
            instance = Instance.objects.select_for_update(no_key=True).filter(pk=found.pk).first()
            if instance and instance.last_at:
                rollups.sum_up(instance, [minute_of(instance.last_at)])
    return rollups.remove_old()


def forget(*, instance: Instance, actor: Actor, reason: str = "") -> None:
    """Remove an instance and everything that was seen of it; it comes back with its next sample."""
    with transaction.atomic():
        name = instance.name
        # Else samples that come while the old ones go would refer to a row that is gone.
        Instance.objects.select_for_update().filter(pk=instance.pk).first()
        instance.delete()
        audit.record(actor, "instance.forget", f"instance:{name}", reason=reason)


def _known(name: str, about: About) -> Instance:
    """Return the locked row of an instance, with what its sidecar says of it."""
    instance = None
    while instance is None:  # it may be forgotten between the two
        Instance.objects.get_or_create(name=name)
        instance = Instance.objects.select_for_update(no_key=True).filter(name=name).first()
    place = (about.host, about.folder)
    if instance.folder and not instance.is_silent and (instance.host, instance.folder) != place:
        raise Conflict(
            _(
                "“%(name)s” is being sent by %(host)s:%(folder)s: give this instance another name, "
                "or stop that sidecar first."
            )
            % {"name": name, "host": instance.host, "folder": instance.folder},
            code="name_taken",
        )
    if dict(about.options) != instance.options or about.workload != instance.workload:
        instance.prediction, instance.predicted_at = {}, None
    for one in ("host", "folder", "version", "pid", "workload", "sends_readings", "n_lost"):
        setattr(instance, one, getattr(about, one))
    instance.options = dict(about.options)
    return instance


def _keep(
    instance: Instance, rows: Mapping[datetime, Mapping[str, Any]]
) -> tuple[int, set[datetime]]:
    """Write what is new; return how many, and the minutes that are whole now or have changed."""
    mine = InstanceSample.objects.filter(instance=instance, at__in=list(rows))
    there = set(mine.values_list("at", flat=True))
    new = {at: row for at, row in rows.items() if at not in there}
    predicted = instance.predicted_rate
    InstanceSample.objects.bulk_create(
        InstanceSample(instance=instance, at=at, predicted=predicted, **row)
        for at, row in new.items()
    )
    before = instance.last_at
    instance.last_at = max(filter(None, [before, *new]), default=None)
    instance.save()
    minutes = {minute_of(at) for at in new}
    if before:
        minutes.add(minute_of(before))
    if instance.last_at:
        minutes.discard(minute_of(instance.last_at))
    return len(new), minutes


def _checked(samples: Sequence[Mapping[str, Any]]) -> dict[datetime, dict[str, Any]]:
    now = clock.now()
    rows: dict[datetime, dict[str, Any]] = {}
    for number, one in enumerate(samples):
        at = _time(f"samples.{number}.at", one["at"], now)
        row: dict[str, Any] = {
            name: _figure(f"samples.{number}.{name}", one.get(name)) for name in FIGURES
        }
        source = one.get("rate_source", "")
        row["rate_source"] = source if source in SOURCES else ""
        rows.setdefault(at, row)
    return rows


def _time(name: str, at: datetime, now: datetime) -> datetime:
    if not -AHEAD <= now - at <= LATE:
        raise asking.problem(
            name,
            "out_of_time",
            _(
                "%(seen)s lies outside what is taken: at most 5 minutes ahead of and 24 hours "
                "before %(now)s. Check the clock of the host, and leave out what is older."
            )
            % {"seen": at.isoformat(), "now": now.isoformat(timespec="seconds")},
        )
    return at.astimezone(UTC).replace(microsecond=0)


def _figure(name: str, seen: object) -> float | None:
    if seen is None:
        return None
    is_number = isinstance(seen, int | float) and not isinstance(seen, bool)
    if not is_number or not 0 <= seen <= GREATEST or math.isnan(seen):  # type: ignore[operator,arg-type]
        raise asking.problem(
            name,
            "no_figure",
            _("“%(seen)s” is no figure: send a number from 0 to 10¹⁸, or leave it out.")
            % {"seen": str(seen)[:60]},
        )
    return float(seen)  # type: ignore[arg-type]
