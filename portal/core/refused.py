"""What the portal would not take, handed to whoever keeps it: nothing is dropped without a trace.

A part that refuses rows says so here; an app further up registers what keeps them. Keeping is never
the reason that a refusal fails.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Fault:
    """One rule that one row broke.

    Attributes
    ----------
    row
        Position in what was sent, or line of the file; None when the whole is meant.
    column
        Empty when the whole row is meant.
    rule
        Code of the rule: few values, made for programs.
    message
        For people.
    """

    row: int | None
    column: str
    rule: str
    message: str


@dataclass(frozen=True)
class Batch:
    """What came together and was refused together.

    Attributes
    ----------
    scope
        What refused it, as ``live:diecasting-quality`` or ``import:diecasting-quality``.
    source
        Who sent it: a key, a person, a file.
    faults
        Those that were listed.
    n_rows
        Rows that came.
    n_faults
        Rules broken in all, listed or not.
    n_bad_rows
        Rows that broke any.
    rows
        The rows that are named in faults, as JSON, by position; those that could be written down.
    request_id
        Of the request that brought it.
    """

    scope: str
    source: str
    faults: Sequence[Fault]
    n_rows: int
    n_faults: int
    n_bad_rows: int
    rows: dict[int, str] = field(default_factory=dict)
    request_id: str = ""


Keeper = Callable[[Batch], None]
_keepers: list[Keeper] = []


def register(keeper: Keeper) -> None:
    """Have refused rows kept."""
    if keeper not in _keepers:
        _keepers.append(keeper)


def note(batch: Batch) -> None:
    """Hand over what was refused; whatever goes wrong with that is logged."""
    for keeper in _keepers:
        try:
            keeper(batch)
        except Exception:  # the refusal itself must reach its caller
            log.exception("refused_rows_not_kept", scope=batch.scope, source=batch.source)
