"""One at a time: who counts predictions, and who changes what counting goes by.

Whoever holds the row of the cursor is alone. Its number rises with every turn, so a counter that
keeps windows in memory sees that somebody else was at work, and reads them anew. That fences out a
counter that was thought dead as well: what it knows is of an older turn.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction

from monitoring.models import DriftCursor

ONLY = 1


@contextmanager
def alone() -> Iterator[DriftCursor]:
    """Open a transaction in which nobody else counts or changes; the turn ends with it."""
    with transaction.atomic():
        DriftCursor.objects.bulk_create([DriftCursor(pk=ONLY)], ignore_conflicts=True)
        row = DriftCursor.objects.select_for_update().get(pk=ONLY)
        row.turn += 1
        yield row
        row.save(update_fields=["turn", "n_counted", "last_id"])
