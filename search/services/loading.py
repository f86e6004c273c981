"""Opening a version in this process and bringing it up to date with its documents."""

from portal.lib import metrics
from portal.registry.models import ModelVersion
from search.models import Collection
from search.services import folders
from search.services.configuration import cutting_of
from search.services.holding import Held

#: Documents whose changes are read at once.
BATCH = 100
#: Whoever changes documents faster than they are applied is not waited for longer; ours.
MOST_LOOKS = 20

CHANGES = metrics.counter(
    "portal_search_changes_applied_total",
    "Changed documents applied to indexes in memory.",
    ["collection"],
)


def load(version: ModelVersion, collection: str) -> Held:
    """Open a version with what other processes wrote of later changes.

    :func:`catch_up` brings it up to date.

    Raises
    ------
    Corrupt, OutOfSpace
        As :func:`search.services.opening.opened`.
    """
    from search.services import opening, spilling  # noqa: PLC0415 - the engine is large

    through = int(version.settings["through"])
    held = Held(
        collection=collection,
        version_id=version.pk,
        version=version.number,
        digest=version.digest,
        index=opening.opened(version),
        cutting=cutting_of(version.settings["cutting"]),
        sequence=through,
        through=through,
        changes=folders.changes_of(version),
    )
    spilling.take_over(held)
    return held


def catch_up(held: Held, until: int) -> int:
    """Apply the changes of documents up to a sequence; return how many documents that were."""
    from search.services import changes, spilling  # noqa: PLC0415 - the engine is large

    n_changed = 0
    while held.sequence < until:
        n_applied = changes.apply_next(held, until, BATCH)
        n_changed += n_applied
        if spilling.is_due(held):
            spilling.spill(held)
    if n_changed:
        CHANGES.labels(held.collection).inc(n_changed)
    return n_changed


def bring_up_to_date(held: Held) -> None:
    """Apply all changes there are, so that nothing is missing that another index knew.

    A document that changes while others are applied is left to the next look, and must not be
    missing until then.
    """
    for _look in range(MOST_LOOKS):
        rows = Collection.objects.filter(name=held.collection)
        until = rows.values_list("sequence", flat=True).first()
        if until is None or held.sequence >= until:
            return
        catch_up(held, until)
