"""The trial in hand, second by second, in the tables of running instances.

On one machine nothing is timed while something else is, so all trials of a machine are one
instance; which trial a second belongs to is told by its time.
"""

import os
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import structlog
from django.db import DatabaseError, InterfaceError, connection

from portal.core.errors import PortalError
from portal.lib import clock
from portal.runs import provenance
from tuning.models import Instance, Study, Trial
from tuning.services import instances, machine, put_inputs
from tuning.services.instances import About

#: Where the facts of a trial hold when the machine was taken for it, and until when.
SPELLS = "spells"
_PREFIX, _LONGEST_HOST = "trials.", 90

log = structlog.get_logger(__name__)


def name_of(host: str) -> str:
    """Return the name of the instance that the trials of a machine are."""
    return _PREFIX + re.sub(r"[^A-Za-z0-9._-]", "-", host)[:_LONGEST_HOST]


def instance_of(study: Study) -> Instance | None:
    """Return the instance that a study's trials are; None before the first second of one."""
    if study.run is None:
        return None
    return Instance.objects.filter(name=name_of(study.run.host)).first()


def in_hand(study: Study) -> Trial | None:
    """Return the trial that is being measured, or waits for the machine; None between two."""
    return study.trials.filter(state=Trial.State.RUNNING).last()


def take(trial: Trial) -> None:
    """Note that the machine is a trial's from now on; the row is left to the caller to save."""
    trial.facts[SPELLS] = [*trial.facts.get(SPELLS, []), [clock.now().isoformat(), None]]


def let_go(trial: Trial) -> None:
    """Note that the machine is another's from now on; the row is left to the caller to save."""
    trial.facts[SPELLS][-1][1] = clock.now().isoformat()


def spells(trial: Trial) -> list[tuple[datetime, datetime | None]]:
    """Return from when to when the machine was a trial's; nothing while it waits to begin.

    What another trial shows meanwhile is in the same instance, and none of this one's.
    """
    kept = trial.facts.get(SPELLS)
    if kept is None:  # measured by an earlier release
        return [(trial.started_at, trial.finished_at)]
    return [
        (datetime.fromisoformat(began), datetime.fromisoformat(end) if end else trial.finished_at)
        for began, end in kept
    ]


class Watch:
    """Keeps what a trial shows; what cannot be kept is left out, for the trial matters more."""

    def __init__(self, study: Study, trial: Trial) -> None:
        host = provenance.host()
        self._name = name_of(host)
        self._about = About(
            host=host,
            folder=str(machine.home()),
            pid=os.getpid(),
            workload=study.workload if study.target == put_inputs.TARGET else "",
            options=dict(trial.configuration),
        )

    def __call__(self, figures: Mapping[str, float]) -> None:
        """Keep one second."""
        sample: dict[str, Any] = {"at": clock.now(), **figures}
        try:
            instances.take(name=self._name, about=self._about, samples=[sample])
        except PortalError as exc:
            log.warning("trial_not_shown", error=str(exc))
        except (DatabaseError, InterfaceError) as exc:
            log.warning("trial_not_shown", error=str(exc))
            connection.close()
        except Exception as exc:  # noqa: BLE001 - a prediction's model of an earlier release, say
            log.warning("trial_not_shown", error=repr(exc))
