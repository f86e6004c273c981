from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from portal.core import audit_verification
from portal.core.actors import Actor
from portal.core.errors import PortalError


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
        anchors = [_anchor(text) for text in options["expect"]]
        report = audit_verification.verify_and_alert(anchors)
        for line in report.breaks:
            self.stderr.write(line)
        if report.is_intact:
            self.stdout.write(f"{report.n_entries} entries, intact; end {report.end}")
        elif options["reseal"]:
            self._reseal(options["reseal"])
        else:
            raise CommandError(f"The audit log is broken in {len(report.breaks)} places.")

    def _reseal(self, reason: str) -> None:
        actor = Actor(name="verify_audit", via="command")
        try:
            entry = audit_verification.reseal(actor, reason)
        except PortalError as exc:
            raise CommandError(str(exc)) from exc
        self.stdout.write(f"Sealed again; end {entry.number}:{entry.digest}")


def _anchor(text: str) -> tuple[int, str]:
    number, _colon, digest = text.partition(":")
    if not number.isdigit() or len(digest) != 64:
        raise CommandError(f"--expect is {text!r}; give NUMBER:DIGEST as verify_audit prints it.")
    return int(number), digest
