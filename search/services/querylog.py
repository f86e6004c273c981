"""The log of queries: noted without waiting, written in batches, lost only with the process.

A search must not wait for its own record, so a process keeps at most :data:`MOST_WAITING` of them
in memory and writes them every second. What a killed process had not written yet is lost, as is
what comes in while the database is away for longer; both are counted.
"""

import logging
import os
import threading
from collections import deque
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

import msgspec
from django.db import DataError, connection, transaction
from django.db import Error as DatabaseError
from django.utils.translation import gettext as _

from portal.core.errors import FieldProblem, InvalidInput, NotFound
from portal.lib import clock, metrics
from search.models import Click, Collection, SearchRecord

logger = logging.getLogger(__name__)

EVERY_S = 1.0
MOST_WAITING = 20_000
BATCH = 1_000
#: A search so new may be known to the process alone that answered it. Ours: the log is written
#: every second, and the clocks of two hosts differ by seconds.
FRESH_S = 60
_VERSION, _VARIANT = 0x7, 0x2

LOST = metrics.counter(
    "portal_search_records_lost_total", "Queries that were answered and are not in the log."
)


def new_id() -> UUID:
    """Return an identifier that begins with the time (RFC 9562, section 5.7)."""
    stamp = int(clock.now().timestamp() * 1000) & (1 << 48) - 1
    noise = int.from_bytes(os.urandom(10), "big")
    high = _VERSION << 12 | noise >> 68 & 0xFFF
    low = _VARIANT << 62 | noise & (1 << 62) - 1
    return UUID(int=stamp << 80 | high << 64 | low)


class Entry(msgspec.Struct, frozen=True):
    """A :class:`search.models.SearchRecord` by its columns, at a tenth of the cost of the model."""

    id: UUID
    collection_id: int
    query: str
    mode: str
    top_k: int
    version: int
    n_hits: int
    took_ms: float
    cache: str = ""
    filters: dict[str, Any] = msgspec.field(default_factory=dict)
    taxonomy: str = ""
    degraded: list[str] = msgspec.field(default_factory=list)
    document_ids: list[str] = msgspec.field(default_factory=list)
    principal: str = ""
    request_id: str = ""
    at: datetime = msgspec.field(default_factory=clock.now)


@cache
def _statement() -> str:
    """Return the SQL that writes a JSON list of entries; what is written already stays."""
    fields = SearchRecord._meta.concrete_fields
    names = ", ".join(f'"{one.column}"' for one in fields)
    typed = ", ".join(f'"{one.column}" {one.db_type(connection)}' for one in fields)
    table = SearchRecord._meta.db_table
    return (
        f'INSERT INTO "{table}" ({names}) SELECT {names} '  # noqa: S608 - names of the model
        f"FROM json_to_recordset(%s::json) AS given({typed}) ON CONFLICT DO NOTHING"
    )


def _insert(entries: Sequence[Entry]) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_statement(), [msgspec.json.encode(entries).decode()])


def _write(entries: list[Entry]) -> int:
    """Write entries, take what is settled off the list, and return how many were written.

    One that the database cannot hold is lost and must not hold up the others.
    """
    try:
        _insert(entries)
    except (DataError, UnicodeError):
        return _write_each(entries)
    n_written = len(entries)
    entries.clear()
    return n_written


def _write_each(entries: list[Entry]) -> int:
    n_written = 0
    while entries:
        try:
            _insert(entries[:1])
            n_written += 1
        except (DataError, UnicodeError) as exc:
            LOST.labels().inc()
            reason = type(exc.__cause__ or exc).__name__
            logger.warning("the query %s is not in the log: %s", entries[0].id, reason)
        del entries[0]  # or it would be counted again when a later one has to wait
    return n_written


class Log:
    """The records of this process that are not written yet."""

    def __init__(self) -> None:
        self._reset()
        os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        self._waiting: deque[Entry] = deque()
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()
        self._is_stopping = False

    def note(self, record: Entry) -> None:
        """Take a record; the oldest one is dropped when too many wait."""
        if len(self._waiting) >= MOST_WAITING:
            try:
                self._waiting.popleft()
                LOST.labels().inc()
            except IndexError:
                pass
        self._waiting.append(record)
        if self._thread is None or not self._thread.is_alive():
            self._start()

    def flush(self) -> int:
        """Write what waits and return how many records that were; what fails waits on."""
        n_written = 0
        with self._writing:
            while batch := self._taken():
                try:
                    n_written += _write(batch)
                except DatabaseError:
                    self._waiting.extendleft(reversed(batch))
                    raise
        return n_written

    def stop(self) -> None:
        """End the thread; what waits by then is written first. The next record starts another."""
        thread = self._thread
        if thread is None:
            return
        self._is_stopping = True
        self._wake.set()
        thread.join()
        self._wake.clear()
        self._is_stopping = False
        self._thread = None

    def _taken(self) -> list[Entry]:
        batch: list[Entry] = []
        while len(batch) < BATCH:
            try:
                batch.append(self._waiting.popleft())
            except IndexError:
                break
        return batch

    def _start(self) -> None:
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="search-log", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        try:
            while not self._is_stopping:
                self._wake.wait(EVERY_S)
                try:
                    connection.close_if_unusable_or_obsolete()
                    self.flush()
                except DatabaseError as exc:
                    logger.warning("the log of queries waits for the database: %s", exc)
                    connection.close()
                except Exception:
                    logger.exception("records of queries were not written")
        finally:
            connection.close()


log = Log()
note = log.note
flush = log.flush


def click(
    *,
    search_id: UUID,
    collection: Collection,
    external_id: str,
    rank: int,
    passage_id: str = "",
    principal: str = "",
) -> Click:
    """Keep that somebody opened a hit; the same hit of the same search counts once.

    Raises
    ------
    InvalidInput
        For a rank below 1, or without a document.
    NotFound
        If the collection was asked no such search. One that was made just now need not be in the
        log yet.
    """
    if not 1 <= rank <= 1000:
        message = _("The rank is %(seen)d: it must lie from 1 to 1000.") % {"seen": rank}
        raise InvalidInput(
            message, code="bad_rank", problems=[FieldProblem("rank", "bad_rank", message)]
        )
    if not 1 <= len(external_id) <= 500 or "\x00" in external_id:
        message = _("external_id has %(seen)d characters: send 1 to 500.") % {
            "seen": len(external_id)
        }
        raise InvalidInput(
            message, code="bad_id", problems=[FieldProblem("external_id", "bad_id", message)]
        )
    if not _is_known(search_id, collection):
        raise NotFound(
            _(
                "No search %(id)s of the collection “%(name)s” is in the log: send the search_id "
                "of the answer that the hit was part of."
            )
            % {"id": search_id, "name": collection.name},
            code="no_search",
        )
    kept, _created = Click.objects.get_or_create(
        search_id=search_id,
        external_id=external_id,
        passage_id=passage_id[:64],
        defaults={"collection": collection, "rank": rank, "principal": principal[:80]},
    )
    return kept


def _is_known(search_id: UUID, collection: Collection) -> bool:
    """Whether a search is in the log, or so new that it may still wait to be written."""
    of = SearchRecord.objects.filter(pk=search_id).values_list("collection_id", flat=True).first()
    if of is not None:
        return of == collection.pk
    if search_id.version != _VERSION:
        return False
    return abs(clock.now().timestamp() - (search_id.int >> 80) / 1000) <= FRESH_S
