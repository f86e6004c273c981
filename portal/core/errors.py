"""The product's own errors: one root, one subclass for every decision a caller makes.

Messages give the value seen, the rule and the way out. The API turns each into problem details, the
admin into a message, a task into an outcome.
"""

import errno
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

#: What the system says when nothing more can be written: no space, quota spent, file too large.
FULL_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True)
class FieldProblem:
    """What is wrong with one field of an input."""

    field: str
    code: str
    message: str


class PortalError(Exception):
    """Root of all errors that the product raises on purpose."""

    code: ClassVar[str] = "portal_error"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "The portal could not do this"
    retryable: ClassVar[bool] = False
    #: Whether the log keeps it with its traceback, if it is a fault of the portal by its status.
    is_logged: ClassVar[bool] = True
    #: When a caller is advised to try again; of errors that are retryable.
    retry_after_s: int = 2

    def __init__(
        self, message: object, *, code: str | None = None, problems: Sequence[FieldProblem] = ()
    ) -> None:
        super().__init__(message)
        self.message = message
        self.specific_code = code or self.code
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return str(self.message)


class InvalidInput(PortalError):
    """The caller must change what was sent."""

    code = "invalid_input"
    status = 422
    title = "The input breaks a rule"


class NotFound(PortalError):
    """The thing named does not exist, or the caller may not see it."""

    code = "not_found"
    status = 404
    title = "Not found"


class Refused(PortalError):
    """The caller is known but may not do this."""

    code = "refused"
    status = 403
    title = "Not allowed"


class Conflict(PortalError):
    """The state of the thing does not allow this now."""

    code = "conflict"
    status = 409
    title = "The current state does not allow this"


class Unavailable(PortalError):
    """A part the portal relies on does not answer; trying again later may work."""

    code = "unavailable"
    status = 503
    title = "A part of the portal is unavailable"
    retryable = True


class Corrupt(PortalError):
    """Stored content does not match its digest."""

    code = "corrupt"
    status = 500
    title = "Stored content is damaged"


class OutOfSpace(PortalError):
    """The storage has no room; an operator must free some."""

    code = "out_of_space"
    status = 507
    title = "The storage is full"


class LeaseLost(PortalError):
    """The worker no longer owns the run; whatever it still writes is refused."""

    code = "lease_lost"
    status = 409
    title = "Another worker owns this run"


class RunCancelled(PortalError):
    """Somebody asked for the run to stop; raised at a progress point."""

    code = "run_cancelled"
    status = 409
    title = "The run was cancelled"
