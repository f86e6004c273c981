"""The one place the product asks for the time, so that tests can move it."""

from datetime import UTC, datetime


def now() -> datetime:
    """Return the current moment, aware, in UTC."""
    return datetime.now(tz=UTC)
