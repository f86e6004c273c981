"""Refused rows with their reason: counted without exception, kept word for word up to a limit.

A request that is refused writes to Redis, once, and goes on; once a minute a worker moves it to the
table. Counts are kept by hour in a hash and written as they stand, so moving them twice changes
nothing; rows carry the key of their entry, so they are inserted once. An hour leaves Redis when it
has been over for two hours and its counts are in the table.
"""

import json
import uuid
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from django.db import connection, transaction
from django.db.models import Count

from monitoring.models import QuarantinedRow, Refusal
from monitoring.models.quality import ROWS
from portal.core.refused import Batch, Fault
from portal.core.retention import remove_before
from portal.core.store import redis_client
from portal.lib import clock

log = structlog.get_logger(__name__)

STREAM = "millwright:refused"
COUNTS = "millwright:refused:counts:"
HOURS = "millwright:refused:hours"
#: Entries that wait for a worker at most; counts are complete beyond it.
MOST_WAITING = 5_000
MOST_ROWS = 20
MOST_CHARACTERS = 4_000
OVER = timedelta(hours=2)
#: Kept word for word of one source, column and rule in an hour; the rest is counted.
MOST_ALIKE = 50
AT_ONCE = 200
KEPT = timedelta(days=30)
KEPT_COUNTS = timedelta(days=365)
SPACE = uuid.UUID("6f1c3a52-6f0b-4a37-9f6e-2d5b8c1f7e90")
IMPORT = "import:"
#: Stands for rules that were broken beyond those that a refusal lists.
UNLISTED = "unlisted"

_INSERT = """
INSERT INTO monitoring_refusal (scope, source, at, rule, "column", n)
VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (scope, source, at, rule, "column") DO UPDATE SET n =
"""
_RAISE = f"{_INSERT} greatest(monitoring_refusal.n, excluded.n)"
_ADD = f"{_INSERT} monitoring_refusal.n + excluded.n"


def keep(batch: Batch) -> None:
    """Keep what was refused: of a file at once, of a request by way of Redis.

    Raises
    ------
    redis.RedisError, django.db.DatabaseError
        When the store does not take it; the caller logs that and goes on.
    """
    if batch.scope.startswith(IMPORT):
        _keep_file(batch)
        return
    hour = _hour(clock.now())
    counted = _counted(batch)
    entry = {
        "scope": batch.scope,
        "source": batch.source,
        "at": clock.now().isoformat(),
        "request_id": batch.request_id,
        "faults": [
            [fault.row, fault.column, fault.rule, fault.message]
            for fault in batch.faults[:MOST_ROWS]
        ],
        "rows": {str(i): text[:MOST_CHARACTERS] for i, text in batch.rows.items()},
    }
    client = redis_client()
    with client.pipeline(transaction=True) as pipe:
        for (rule, column), n in counted.items():
            field = json.dumps([batch.scope, batch.source, rule, column])
            pipe.hincrby(_counts_key(hour), field, n)
        pipe.sadd(HOURS, hour.isoformat())
        pipe.xadd(STREAM, {"r": json.dumps(entry)}, maxlen=MOST_WAITING, approximate=True)
        pipe.execute()


def _counted(batch: Batch) -> "Counter[tuple[str, str]]":
    """Return how often each rule was broken, and how many rows broke any.

    What was not listed is counted without the name of its rule.
    """
    counted = Counter((fault.rule[:40], fault.column[:80]) for fault in batch.faults)
    counted[UNLISTED, ""] += max(0, batch.n_faults - len(batch.faults))
    counted[ROWS, ""] += batch.n_bad_rows
    return +counted


def _hour(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _counts_key(hour: datetime) -> str:
    return f"{COUNTS}{hour:%Y%m%d%H}"


def _keep_file(batch: Batch) -> None:
    """Keep the faults of a file: it came once, so there is nothing to wait for."""
    now = clock.now()
    names = (_clean(batch.scope, 100), _clean(batch.source, 160), _hour(now))
    counted = _counted(batch).items()
    with transaction.atomic():
        QuarantinedRow.objects.bulk_create(
            _row(batch.scope, batch.source, now, fault, batch.rows, batch.request_id)
            for fault in batch.faults[:MOST_ALIKE]
        )
        _write(_ADD, [(*names, rule, _clean(column, 80), n) for (rule, column), n in counted])


def _row(
    scope: str,
    source: str,
    at: datetime,
    fault: Fault,
    rows: Mapping[int, str],
    request_id: str,
) -> QuarantinedRow:
    text = rows.get(fault.row, "") if fault.row is not None else ""
    return QuarantinedRow(
        scope=_clean(scope, 100),
        source=_clean(source, 160),
        at=at,
        position=fault.row,
        column=_clean(fault.column, 80),
        rule=_clean(fault.rule, 40),
        message=_clean(fault.message, 2_000) or fault.rule,
        row=_clean(text, MOST_CHARACTERS),
        request_id=request_id[:64],
    )


def _clean(text: str, most: int) -> str:
    """Return a text that Postgres takes."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()[:most]


# --- From Redis to the table ----------------------------------------------------------------------


def collect(now: datetime | None = None) -> int:
    """Move what waits in Redis to the table; return how many rows were kept.

    Raises
    ------
    redis.RedisError, django.db.DatabaseError
        When a store is away; what was not moved waits.
    """
    moment = now or clock.now()
    client = redis_client()
    n_kept = 0
    while entries := _waiting(client):
        n_kept += _store(entries)
        client.xdel(STREAM, *(key for key, _text in entries))
    hours: set[bytes] = client.smembers(HOURS)  # type: ignore[assignment]  # no text is asked for
    for text in hours:
        hour = datetime.fromisoformat(text.decode())
        _write(_RAISE, _counts(client, hour))
        if hour < _hour(moment) - OVER:
            client.delete(_counts_key(hour))
            client.srem(HOURS, text)
    return n_kept


def _waiting(client: Any) -> list[tuple[bytes, bytes]]:
    return [(key, fields.get(b"r", b"")) for key, fields in client.xrange(STREAM, count=AT_ONCE)]


def _store(entries: list[tuple[bytes, bytes]]) -> int:
    rows: list[QuarantinedRow] = []
    for key, text in entries:
        try:
            rows += _rows_of(key.decode(), json.loads(text))
        except (KeyError, ValueError, TypeError) as exc:
            log.warning("refused_entry_unreadable", entry=key.decode(), error=str(exc))
    wanted = _first_of_a_kind(rows)
    QuarantinedRow.objects.bulk_create(wanted, ignore_conflicts=True)
    return len(wanted)


def _rows_of(key: str, entry: Mapping[str, Any]) -> list[QuarantinedRow]:
    at = datetime.fromisoformat(entry["at"])
    texts = {int(i): text for i, text in entry["rows"].items()}
    rows = []
    for number, (position, column, rule, message) in enumerate(entry["faults"]):
        fault = Fault(position, column, rule, message)
        row = _row(entry["scope"], entry["source"], at, fault, texts, entry["request_id"])
        row.id = uuid.uuid5(SPACE, f"{key}:{number}")
        rows.append(row)
    return rows


def _first_of_a_kind(rows: list[QuarantinedRow]) -> list[QuarantinedRow]:
    """Return the rows for which there is room among those alike of their hour."""
    hours = {_hour(row.at) for row in rows}
    kept: Counter[tuple[str, ...]] = Counter()
    for hour in hours:
        there = QuarantinedRow.objects.filter(at__gte=hour, at__lt=hour + timedelta(hours=1))
        counted = there.order_by().values_list("scope", "source", "rule", "column")
        for *names, n in counted.annotate(n=Count("pk")):
            kept[(hour.isoformat(), *names)] = n
    wanted = []
    for row in rows:
        kind = (_hour(row.at).isoformat(), row.scope, row.source, row.rule, row.column)
        kept[kind] += 1
        if kept[kind] <= MOST_ALIKE:
            wanted.append(row)
    return wanted


def _counts(client: Any, hour: datetime) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    for field, n in client.hgetall(_counts_key(hour)).items():
        scope, source, rule, column = json.loads(field)
        names = (_clean(scope, 100), _clean(source, 160), hour)
        rows.append((*names, _clean(rule, 40), _clean(column, 80), int(n)))
    return rows


def _write(query: str, rows: list[tuple[Any, ...]]) -> None:
    with connection.cursor() as cursor:
        for row in rows:
            cursor.execute(query, row)


def refused_in(scope: str, source: str, hour: datetime) -> dict[str, dict[str, int]]:
    """Return how often rows of a source broke each rule in an hour, by rule and column."""
    found: dict[str, dict[str, int]] = {}
    rows = Refusal.objects.filter(scope=scope, source=source, at=hour)
    for rule, column, n in rows.values_list("rule", "column", "n"):
        found.setdefault(rule, {})[column] = n
    return found


def remove_old(now: datetime | None = None) -> dict[str, int]:
    """Remove what is past its time; return how many rows of each table."""
    moment = now or clock.now()
    return {
        "n_rows": remove_before(QuarantinedRow, moment - KEPT),
        "n_counts": remove_before(Refusal, moment - KEPT_COUNTS),
    }
