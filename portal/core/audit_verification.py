"""Verifying the audit log, and sealing it again after the portal's secret was changed."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.db import connection, transaction
from django.utils.translation import gettext as _

from portal.core import alerts, audit
from portal.core.actors import Actor
from portal.core.audit_chain import (
    GENESIS,
    Head,
    current_head,
    digest_of,
    lock,
    read_head,
    seal_of,
    write_head,
)
from portal.core.errors import Conflict
from portal.core.models import AuditEntry

BATCH = 2000
MOST_BREAKS = 100
ALERT = "audit.broken"
ALERT_LINK = "/admin/core/auditentry/"


@dataclass(frozen=True)
class Report:
    """What verifying the log found.

    Attributes
    ----------
    n_entries
        How many entries were read.
    end
        The last one, as ``number:digest``: note it elsewhere and ask for it later.
    breaks
        What is wrong, one sentence each; at most :data:`MOST_BREAKS` and the seal.
    is_chain_intact
        Whether the entries themselves are, whatever the seal says.
    """

    n_entries: int
    end: str
    breaks: tuple[str, ...]
    is_chain_intact: bool

    @property
    def is_intact(self) -> bool:
        """Whether nothing was changed, removed, added or moved."""
        return not self.breaks


def verify(anchors: Iterable[tuple[int, str]] = ()) -> Report:
    """Read the whole log and compare every digest, the order, the end and its seal.

    Parameters
    ----------
    anchors
        Numbers and digests noted elsewhere earlier, which must still be there.
    """
    walk = _Walk(dict(anchors))
    head = current_head()
    while True:
        walk.go_on()
        earlier, head = head, current_head()
        # Whoever appended meanwhile has moved the end: read on to there.
        if head == earlier or head.number == walk.number:
            break
    chain = [*walk.breaks, *walk.compare(head)]
    seal = [] if head.is_sealed else [_("The seal was not made with this portal's secret.")]
    return Report(
        n_entries=walk.n_entries,
        end=f"{walk.number}:{walk.digest}",
        breaks=(*chain[:MOST_BREAKS], *seal),
        is_chain_intact=not chain,
    )


def verify_and_alert(anchors: Iterable[tuple[int, str]] = ()) -> Report:
    """Verify the log; open an alert when it is broken, close it when it is intact."""
    report = verify(anchors)
    if report.is_intact:
        alerts.resolve_alert(ALERT)
    else:
        alerts.raise_alert(ALERT, "critical", "\n".join(report.breaks), ALERT_LINK)
    return report


class _Walk:
    """One reading of the log from its first entry on."""

    def __init__(self, anchors: dict[int, str]) -> None:
        self.anchors = anchors
        self.number = 0
        self.digest = GENESIS
        self.n_entries = 0
        self.breaks: list[str] = []

    def go_on(self) -> None:
        """Read what stands after the last entry read."""
        while batch := AuditEntry.objects.filter(number__gt=self.number).order_by("number")[:BATCH]:
            for entry in batch:
                self._take(entry)

    def _take(self, entry: AuditEntry) -> None:
        if entry.number != self.number + 1:
            gap = {"first": self.number + 1, "last": entry.number - 1}
            self.breaks.append(_("Entries %(first)d to %(last)d are missing.") % gap)
        elif entry.previous_digest != self.digest:
            self._note(_("Entry %(number)d does not follow the one before it."), entry)
        if digest_of(entry) != entry.digest:
            self._note(_("Entry %(number)d was changed."), entry)
        if self.anchors.get(entry.number) == entry.digest:
            del self.anchors[entry.number]
        self.number, self.digest = entry.number, entry.digest
        self.n_entries += 1

    def _note(self, template: str, entry: AuditEntry) -> None:
        self.breaks.append(template % {"number": entry.number})

    def compare(self, head: Head) -> Iterator[str]:
        """Say what the kept end and the anchors have against what was read."""
        if (head.number, head.digest) != (self.number, self.digest):
            yield _(
                "The log ends with entry %(last)d, its kept end is entry %(kept)d: entries were "
                "removed or added at the end."
            ) % {"last": self.number, "kept": head.number}
        for number in sorted(self.anchors):
            yield _("Entry %(number)d is not the one that was noted elsewhere.") % {
                "number": number
            }


def reseal(actor: Actor, reason: str) -> AuditEntry:
    """Seal the end again after the portal's secret was changed, and record that.

    Raises
    ------
    Conflict
        When the entries themselves are not intact: no seal may hide that.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        lock(cursor)
        report = verify()
        if not report.is_chain_intact:
            raise Conflict(
                _("The audit log itself is broken, and a new seal must not hide it: %(first)s")
                % {"first": report.breaks[0]},
                code="audit_broken",
            )
        head = read_head(cursor)
        write_head(cursor, Head(head.number, head.digest, seal_of(head.number, head.digest)))
        alerts.resolve_alert(ALERT)
        return audit.record(actor, "audit.reseal", "audit log", reason=reason)
