"""The story of a run: its events, kept within bounds.

A run's events are only ever inserted after its row was locked by an update in the same transaction,
so the order of their numbers is the order in which readers come to see them, and a stream can
resume by number.
"""

import json
import math
from numbers import Integral, Real
from typing import Any
from uuid import UUID

from portal.runs.models import RunEvent, State

LONGEST_MESSAGE = 4_000
LARGEST_DATA_BYTES = 16_000


def clean_text(value: object, longest: int | None = LONGEST_MESSAGE) -> str:
    """Return text that Postgres takes: no NUL, no lone surrogate, not too long."""
    text = str(value).replace("\x00", "\N{REPLACEMENT CHARACTER}")
    text = text.encode("utf-8", "replace").decode()
    return text if longest is None or len(text) <= longest else f"{text[: longest - 1]}…"


def clean_json(value: Any) -> Any:
    """Return plain JSON: non-finite numbers become words, unknown things their text."""
    if isinstance(value, dict):
        return {clean_text(key): clean_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [clean_json(item) for item in value]
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value) if math.isfinite(value) else str(value)
    return clean_text(value, longest=None)


def bounded_data(data: dict[str, Any]) -> dict[str, Any]:
    """Return event data as plain JSON, or a note on its size when there is too much of it."""
    plain: dict[str, Any] = clean_json(data)
    size = len(json.dumps(plain))
    return plain if size <= LARGEST_DATA_BYTES else {"dropped_bytes": size}


def state_event(run_id: UUID, state: State, message: str = "", **data: Any) -> None:
    """Write that a run changed its state; call in the transaction of the change, after it."""
    RunEvent.objects.create(
        run_id=run_id,
        type=RunEvent.Type.STATE,
        name=state.value,
        message=clean_text(message),
        data=bounded_data(data),
    )


def log_event(run_id: UUID, message: str, level: str = "info", **data: Any) -> None:
    """Write a log line from outside the work, in a transaction that has updated the run's row."""
    RunEvent.objects.create(
        run_id=run_id,
        type=RunEvent.Type.LOG,
        level=level,
        message=clean_text(message),
        data=bounded_data(data),
    )
