"""The kinds of work there are; apps add theirs in their ``tasks`` modules."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from portal.core.errors import NotFound
from portal.core.models import Scope
from portal.runs.context import RunContext
from portal.runs.models import Queue

Work = Callable[[RunContext], dict[str, Any]]
SCOPES = {
    Queue.INTERACTIVE: Scope.PREDICT,
    Queue.TRAIN: Scope.TRAIN,
    Queue.BENCH: Scope.BENCHMARK,
    Queue.MAINTENANCE: Scope.ADMIN,
}


@dataclass(frozen=True)
class RunKind:
    """One kind of work.

    Attributes
    ----------
    kind
        Its name, ``<app>.<verb>``.
    queue
        The class of workers that do it.
    title
        What people call it.
    work
        The function: takes a RunContext, returns the result as plain JSON.
    most_attempts
        How often a run is tried when its workers die; None for the general setting.
    key_scope
        The scope a key needs to start, stop or repeat it; None for that of the queue.
    tells_itself
        Whether the work raises an alert of its own when it fails.
    """

    kind: str
    queue: Queue
    title: str | Promise
    work: Work
    most_attempts: int | None = None
    key_scope: Scope | None = None
    tells_itself: bool = False

    @property
    def scope(self) -> Scope:
        """Return the scope a key needs to start, stop or repeat such runs."""
        return self.key_scope or SCOPES[self.queue]

    @property
    def max_attempts(self) -> int:
        """Return how often a run of this kind is tried."""
        return self.most_attempts or int(settings.RUN_MAX_ATTEMPTS)


_kinds: dict[str, RunKind] = {}


def run_task(
    *,
    kind: str,
    queue: Queue | str,
    title: str | Promise,
    max_attempts: int | None = None,
    scope: Scope | None = None,
    tells_itself: bool = False,
) -> Callable[[Work], Work]:
    """Register the decorated function as the work of a kind of run."""

    def register(work: Work) -> Work:
        known = _kinds.get(kind)
        if known is not None and known.work.__module__ != work.__module__:
            raise ValueError(f"The run kind {kind!r} is taken by {known.work.__module__}.")
        _kinds[kind] = RunKind(kind, Queue(queue), title, work, max_attempts, scope, tells_itself)
        return work

    return register


def get(kind: str) -> RunKind:
    """Return a kind by name.

    Raises
    ------
    NotFound
        When no installed app does this kind of work.
    """
    try:
        return _kinds[kind]
    except KeyError:
        message = _("There is no run kind “%(kind)s”; the kinds are: %(kinds)s.")
        raise NotFound(
            message % {"kind": kind, "kinds": ", ".join(sorted(_kinds))}, code="unknown_kind"
        ) from None


def all() -> list[RunKind]:
    """Return every kind, by name."""
    return [_kinds[kind] for kind in sorted(_kinds)]


def title_of(kind: str) -> str:
    """Return what people call a kind; its bare name when no installed app knows it any more."""
    known = _kinds.get(kind)
    return str(known.title) if known else kind
