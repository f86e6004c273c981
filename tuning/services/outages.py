"""Whether the portal's own database went down while a trial was measured, and when it is back."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from django.db import InterfaceError, OperationalError, connection

from portal.runs.context import RunContext
from tuning.engine.problems import TargetLost, TuningError

#: So long a trial waits for its database at most; after that its run is tried again later. Ours.
PATIENCE_S = 60.0
_LOOK_EVERY_S = 0.2
#: The checkpointer begins anew after every crash, also where the first process lived on; who may
#: not see it sees when that first process began.
_SINCE = """
    SELECT coalesce(
        (SELECT min(backend_start) FROM pg_stat_activity WHERE backend_type = 'checkpointer'),
        pg_postmaster_start_time()
    )
"""


@contextmanager
def told(ctx: RunContext) -> Iterator[None]:
    """Measure within; afterwards the database answers, so that the outcome can be written.

    A session that merely ended is replaced: the trial counts.

    Raises
    ------
    TargetLost
        If the database began anew meanwhile: its recovery took processor and disk from the trial.
    """
    began = _since(ctx)
    try:
        yield
    except TuningError:
        _since(ctx)
        raise
    if _since(ctx) != began:
        raise TargetLost("database_restarted")


def _since(ctx: RunContext) -> datetime:
    """Return when the database began, waiting for one that is down."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            with connection.cursor() as cursor:
                cursor.execute(_SINCE)
                moment: datetime = cursor.fetchone()[0]
                return moment
        except (OperationalError, InterfaceError):
            connection.close()
            if time.monotonic() > deadline:
                raise
        ctx.check()
        time.sleep(_LOOK_EVERY_S)
