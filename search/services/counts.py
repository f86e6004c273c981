"""What is looked up of collections when metrics or health are asked for."""

import time
from collections.abc import Iterable

from prometheus_client.metrics_core import Metric

from portal.core.findings import Finding, Status
from portal.lib import metrics
from search import selectors
from search.services import following

#: Changes are promised to be searchable within five seconds; ours: twice that is ill.
LATE_S = 10.0


def read_collections() -> Iterable[Metric]:
    """Tell how large each collection is and how far its live index lags behind."""
    states = selectors.overview()
    yield metrics.family(
        "portal_search_documents",
        "Documents by collection.",
        ("collection",),
        [((one.name,), one.n_documents) for one in states],
    )
    yield metrics.family(
        "portal_search_changed_documents",
        "Documents changed since the live index was built.",
        ("collection",),
        [((one.name,), one.n_changed) for one in states],
    )
    yield metrics.family(
        "portal_search_index_bytes",
        "Size of the live index.",
        ("collection",),
        [((one.name,), one.size_bytes or 0) for one in states],
    )


_behind_since: dict[str, float] = {}


def look_at_indexes() -> Finding:
    """Judge whether every live index is open in this process and takes in what changes."""
    figures: dict[str, dict[str, int | None]] = {}
    late: list[str] = []
    for collection, live in selectors.live_numbers():
        held = following.peek(collection.name)
        behind = collection.sequence - held.sequence if held else None
        figures[collection.name] = {
            "live": live,
            "held": held.version if held else None,
            "changes_behind": behind,
        }
        if held is None or _is_late(collection.name, behind or 0):
            late.append(collection.name)
    if opening := following.opening():
        detail = f"The live index is being opened here: {', '.join(opening)}."
        return Finding(Status.DEGRADED, detail, {"collections": figures}, is_starting=True)
    if late:
        detail = f"The live index is not open, or not up to date, here: {', '.join(late)}."
        return Finding(Status.DEGRADED, detail, {"collections": figures})
    return Finding(Status.HEALTHY, figures={"collections": figures})


def _is_late(name: str, behind: int) -> bool:
    """Whether changes have waited in this process for longer than they may."""
    if behind <= 0:
        _behind_since.pop(name, None)
        return False
    return time.monotonic() - _behind_since.setdefault(name, time.monotonic()) > LATE_S


metrics.at_scrape("search", read_collections)
