"""The indexes held in this process: they follow their champions and the changes of documents.

One thread looks twice a second where the champions point and how far the documents have changed,
in a web process for all collections, elsewhere for those it was ever asked about. A new version is
opened beside the old one, brought up to date and then put in its place in one assignment; a search
finishes on what it took, and the old index goes with the last search on it. Only the first index of
a process answers before it is up to date, because there is nothing else to answer. A web process
opens what is live before it takes requests.
"""

import logging
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import Error as DatabaseError
from django.db import connection
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from portal.core.errors import PortalError, Unavailable
from portal.lib import metrics
from portal.lib.hashing import digest_json
from portal.lib.memory import give_back
from portal.registry import selectors as registry
from portal.registry.models import Alias, AliasAssignment, ModelVersion
from search.models import Collection
from search.models.collections import name_of
from search.services import collections, telling
from search.services.holding import Held
from search.services.loading import bring_up_to_date, catch_up, load

logger = logging.getLogger(__name__)

#: Ours: with the time to apply a change this stays far under the five seconds promised.
POLL_S = 0.5
#: How long a search waits for an index that is live and not open yet.
FIRST_LOAD_S = 5.0
#: A web process that starts waits so long for its indexes; then it takes requests and says that it
#: is not ready. Ours: 300 MB are fetched, verified and mapped in about two seconds.
START_S = 20.0
#: What could not be opened is tried again this often.
RETRY_S = 30.0
#: What only lacked a file descriptor, or an endpoint or storage that was away, is tried sooner.
RETRY_SOON_S = 5.0
#: What still cannot be opened after so long does not pass by itself: people are told. Ours.
PUT_OFF_S = 120.0
#: How often one process says so while it lasts. Ours.
TELL_AGAIN_S = 60.0
#: An index that is being opened is waited for so long when the process lets go of all.
STOP_S = 60.0

LOADS = metrics.counter(
    "portal_search_index_loads_total",
    "Indexes opened, by collection and outcome.",
    ["collection", "outcome"],
)


@dataclass(eq=False)
class Slot:
    """What this process knows of one collection."""

    name: str
    held: Held | None = None
    defaults: dict[str, Any] = field(default_factory=dict)
    defaults_digest: str = ""
    failed: str = ""
    failed_version: int | None = None
    retry_at: float = 0.0
    put_off_at: float | None = None
    tell_at: float = 0.0
    wanted: int | None = None
    is_settled: threading.Event = field(default_factory=threading.Event)
    opening: threading.Thread | None = None


class Follower:
    """Keeps the indexes of this process up to date; one is enough."""

    def __init__(self) -> None:
        self._reset()
        os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        """Know nothing, as in a forked child, where no thread of the parent lives."""
        self._lock = threading.Lock()
        self._slots: dict[str, Slot] = {}
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._was_down = False
        self._follows_all = False
        self._has_looked = threading.Event()
        self._awaited: list[Slot] = []

    def open_all(self, patience_s: float) -> bool:
        """Open every live index and follow all collections; return whether all are settled.

        An index that cannot be opened counts as settled: waiting would not mend it.
        """
        self._follows_all = True
        self._start()
        deadline = time.monotonic() + patience_s
        self._has_looked.wait(patience_s)
        self._awaited = list(self._slots.values())
        for slot in self._awaited:
            slot.is_settled.wait(max(0.0, deadline - time.monotonic()))
        return not self.opening()

    def opening(self) -> list[str]:
        """Return the collections whose index this process still opens for its start."""
        self._awaited = [slot for slot in self._awaited if not slot.is_settled.is_set()]
        return sorted(slot.name for slot in self._awaited)

    def known(self, name: str) -> Slot | None:
        """Return what is known of a collection, without a look at the database."""
        return self._slots.get(name)

    def slot(self, name: str) -> Slot:
        """Return what is known of a collection and follow it from now on.

        Raises
        ------
        NotFound
            If there is no such collection.
        """
        slot = self._slots.get(name)
        if slot is None:
            collections.get(name)
            with self._lock:
                slot = self._slots.setdefault(name, Slot(name))
            self._wake.set()
        self._start()
        return slot

    def look_soon(self) -> None:
        """Have the thread look now."""
        self._wake.set()

    def stop(self) -> None:
        """Forget every index and follow nothing."""
        self._stop.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(STOP_S)
        for slot in self._slots.values():
            if slot.opening is not None:
                slot.opening.join(STOP_S)
        self._reset()

    def _start(self) -> None:
        if self._thread is not None and self._thread.is_alive():
            return
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(
                    target=self._run, name="search-follower", daemon=True
                )
                self._thread.start()

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self._look()
                self._has_looked.set()
                self._wake.wait(POLL_S)
                self._wake.clear()
        finally:
            connection.close()

    def _look(self) -> None:
        try:
            connection.close_if_unusable_or_obsolete()
            self._compare()
            self._was_down = False
        except DatabaseError as exc:
            if not self._was_down:
                logger.warning("indexes are not followed, the database is away: %s", exc)
            self._was_down = True
            connection.close()
        except Exception:
            logger.exception("a look at the indexes failed, looking again")

    def _compare(self) -> None:
        """Compare what is held with what should be, and set out to change what differs."""
        slots = dict(self._slots)
        rows = {row.name: row for row in self._followed(slots)}
        for name in rows.keys() - slots.keys():
            with self._lock:
                slots[name] = self._slots.setdefault(name, Slot(name))
        champions = dict(
            AliasAssignment.objects.filter(
                model__name__in=[row.model_name for row in rows.values()], alias=Alias.CHAMPION
            ).values_list("model__name", "version_id")
        )
        for name, slot in slots.items():
            row = rows.get(name)
            if row is None:
                self._drop(slot)
                continue
            if slot.defaults != row.search_defaults or not slot.defaults_digest:
                slot.defaults = dict(row.search_defaults)
                slot.defaults_digest = digest_json(slot.defaults)[:8]
            slot.wanted = champions.get(row.model_name)
            self._settle(slot, row)

    def _followed(self, slots: Mapping[str, Slot]) -> QuerySet[Collection]:
        rows = Collection.objects.all()
        return rows if self._follows_all else rows.filter(name__in=slots)

    def _drop(self, slot: Slot) -> None:
        """Forget a collection that was deleted; whoever asks again is told that there is none."""
        with self._lock:
            self._slots.pop(slot.name, None)
        slot.held = None
        slot.is_settled.set()

    def _settle(self, slot: Slot, row: Collection) -> None:
        held = slot.held
        if slot.wanted is None:
            slot.held, slot.failed, slot.put_off_at = None, "", None
            slot.is_settled.set()
        elif held is None or held.version_id != slot.wanted:
            self._open_beside(slot, slot.wanted)
        if held is not None and held.sequence < row.sequence:
            catch_up(held, row.sequence)

    def _open_beside(self, slot: Slot, version_id: int) -> None:
        """Open a version in a thread of its own: a large one must not hold up the others."""
        if slot.opening is not None and slot.opening.is_alive():
            return
        if slot.failed_version == version_id and time.monotonic() < slot.retry_at:
            return
        if slot.held is None:
            slot.is_settled.clear()  # whoever asks now waits for it
        slot.opening = threading.Thread(
            target=self._open,
            args=(slot, version_id),
            name=f"search-open-{slot.name}",
            daemon=True,
        )
        slot.opening.start()

    def _open(self, slot: Slot, version_id: int) -> None:
        try:
            version = ModelVersion.objects.select_related("model").get(pk=version_id)
            held = load(version, slot.name)
            if slot.held is not None:  # what follows must know all that the one before knew
                bring_up_to_date(held)
            slot.held, slot.failed, slot.failed_version = held, "", None
            slot.put_off_at = None
            give_back()  # what the one before held in memory
            LOADS.labels(slot.name, "done").inc()
            telling.over(slot.name)
            logger.info("index held: %s v%d", slot.name, held.version)
        except DatabaseError as exc:
            logger.warning("index of %s not opened, the database is away: %s", slot.name, exc)
        except Unavailable as exc:
            logger.warning("index of %s not opened, trying again: %s", slot.name, exc)
            self._put_off(slot, version_id, exc)
        except PortalError as exc:
            logger.error("index of %s not opened: %s", slot.name, exc)  # noqa: TRY400 - no bug
            self._failed(slot, version_id, exc)
        except Exception as exc:
            logger.exception("index of %s not opened", slot.name)
            self._failed(slot, version_id, exc)
        finally:
            slot.is_settled.set()
            connection.close()

    def _put_off(self, slot: Slot, version_id: int, exc: Unavailable) -> None:
        """Go on with the old index and try again soon: nothing is damaged.

        When that lasts, the operators are told; an index that is opened ends the alert.
        """
        now = time.monotonic()
        slot.failed = ""
        slot.failed_version, slot.retry_at = version_id, now + RETRY_SOON_S
        LOADS.labels(slot.name, "put_off").inc()
        if slot.put_off_at is None:
            slot.put_off_at = now
        if now - slot.put_off_at >= PUT_OFF_S and now >= slot.tell_at:
            slot.tell_at = now + TELL_AGAIN_S
            telling.put_off(slot.name, now - slot.put_off_at, exc)

    def _failed(self, slot: Slot, version_id: int, exc: Exception) -> None:
        """Go on with the old index, tell the operators, try again later."""
        slot.failed, slot.put_off_at = str(exc), None
        slot.failed_version, slot.retry_at = version_id, time.monotonic() + RETRY_S
        LOADS.labels(slot.name, "failed").inc()
        telling.failed(slot.name, exc)


follower = Follower()


def held(name: str, patience_s: float | None = None) -> Held:
    """Return the index of a collection in this process, waiting for it to be opened.

    Parameters
    ----------
    name
        Of the collection.
    patience_s
        How long it is waited for; :data:`FIRST_LOAD_S` when None.

    Raises
    ------
    NotFound
        If there is no such collection.
    Unavailable
        While nothing is indexed, or the index is not open yet, or cannot be opened.
    """
    slot = follower.known(name)
    if slot is not None and slot.held is not None:
        return slot.held
    slot = follower.slot(name)
    if slot.is_settled.is_set() and slot.wanted is None and _is_live(name):
        slot.is_settled.clear()  # it went live since the last look
        follower.look_soon()
    slot.is_settled.wait(FIRST_LOAD_S if patience_s is None else patience_s)
    if (found := slot.held) is not None:
        return found
    raise _unavailable(slot)


def _is_live(name: str) -> bool:
    """Whether a collection has a live index by now."""
    row = Collection.objects.filter(name=name).first()
    return row is not None and registry.champion(row.model_name) is not None


def start() -> bool:
    """Open what is live before this process takes requests; return whether all of it is open."""
    return follower.open_all(START_S)


def opening() -> list[str]:
    """Return the collections whose index this process still opens for its start."""
    return follower.opening()


def peek(name: str) -> Held | None:
    """Return the index of a collection if it is open here, without waiting, and follow it."""
    slot = follower.known(name)
    if slot is None:
        if not Collection.objects.filter(name=name).exists():
            return None
        slot = follower.slot(name)
    return slot.held


def held_number(model_name: str) -> int | None:
    """Return the version held for a registered model, without waiting, and follow it."""
    found = peek(name_of(model_name))
    return found.version if found is not None else None


def _unavailable(slot: Slot) -> Unavailable:
    if slot.failed:
        return Unavailable(
            _("The index of “%(name)s” cannot be opened; the alert says how to mend it.")
            % {"name": slot.name},
            code="index_damaged",
        )
    if slot.wanted is None and slot.is_settled.is_set():
        return Unavailable(
            _(
                "The collection “%(name)s” has no index yet: add documents; the first index is "
                "built within a minute of that."
            )
            % {"name": slot.name},
            code="no_index",
        )
    return Unavailable(
        _("The index of “%(name)s” is being opened: try again in a few seconds.")
        % {"name": slot.name},
        code="index_loading",
    )
