from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from portal.core import alerts, audit_verification
from portal.core.actors import Actor
from portal.core.errors import PortalError

ALERT = "audit.broken"


class Command(BaseCommand):
    help = "Verify the audit log from first entry to sealed end; exit with 1 when it is broken."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--expect",
            metavar="NUMBER:DIGEST",
            action="append",
            default=[],
            help="An entry noted elsewhere that must still be there. May be repeated.",
        )
        parser.add_argument(
            "--reseal",
            metavar="REASON",
            help="After a change of SECRET_KEY: seal the intact log again, and record why.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        report = audit_verification.verify([_anchor(text) for text in options["expect"]])
        for line in report.breaks:
            self.stderr.write(line)
        if report.is_intact:
            alerts.resolve_alert(ALERT)
            self.stdout.write(f"{report.n_entries} entries, intact; end {report.end}")
            return
        if options["reseal"]:
            self._reseal(options["reseal"])
            return
        alerts.raise_alert(ALERT, "critical", "\n".join(report.breaks), "/admin/core/auditentry/")
        raise CommandError(f"The audit log is broken in {len(report.breaks)} places.")

    def _reseal(self, reason: str) -> None:
        try:
            entry = audit_verification.reseal(Actor(name="verify_audit", via="command"), reason)
        except PortalError as exc:
            raise CommandError(str(exc)) from exc
        alerts.resolve_alert(ALERT)
        self.stdout.write(f"Sealed again; end {entry.number}:{entry.digest}")


def _anchor(text: str) -> tuple[int, str]:
    number, _colon, digest = text.partition(":")
    if not number.isdigit() or len(digest) != 64:
        raise CommandError(f"--expect is {text!r}; give NUMBER:DIGEST as verify_audit prints it.")
    return int(number), digest
