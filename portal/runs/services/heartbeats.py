"""Signs of life of named processes: beat, workers, sweeper, recorder."""

import os
from datetime import timedelta
from typing import Any

from django.db.models.functions import Now

from portal.lib import clock
from portal.runs import provenance
from portal.runs.models import Heartbeat

FORGOTTEN_AFTER = timedelta(days=1)


def beat(name: str, *, role: str, **detail: Any) -> None:
    """Note that a process lives now."""
    values = {
        "role": role,
        "at": Now(),
        "host": provenance.host(),
        "pid": os.getpid(),
        "detail": detail,
    }
    Heartbeat.objects.update_or_create(name=name[:200], defaults=values)


def age_s(name: str) -> float | None:
    """Return the seconds since a process gave its last sign; None when it never did."""
    at = Heartbeat.objects.filter(pk=name).values_list("at", flat=True).first()
    return None if at is None else (clock.now() - at).total_seconds()


def forget(name: str) -> None:
    """Remove the row of a process that ends in good order."""
    Heartbeat.objects.filter(pk=name).delete()


def forget_dead() -> int:
    """Remove the rows of processes long gone; return how many."""
    return Heartbeat.objects.filter(at__lt=clock.now() - FORGOTTEN_AFTER).delete()[0]
