from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

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
            said = _("%(count)d entries, intact; end %(end)s")
            self.stdout.write(said % {"count": report.n_entries, "end": report.end})
        elif options["reseal"]:
            self._reseal(options["reseal"])
        else:
            raise CommandError(
                _("The audit log is broken in %(count)d places.") % {"count": len(report.breaks)}
            )

    def _reseal(self, reason: str) -> None:
        actor = Actor(name="verify_audit", via="command")
        try:
            entry = audit_verification.reseal(actor, reason)
        except PortalError as exc:
            raise CommandError(str(exc)) from exc
        end = f"{entry.number}:{entry.digest}"
        self.stdout.write(_("Sealed again; end %(end)s") % {"end": end})


def _anchor(text: str) -> tuple[int, str]:
    number, _colon, digest = text.partition(":")
    if not number.isdigit() or len(digest) != 64:
        raise CommandError(
            _("--expect is “%(seen)s”; give NUMBER:DIGEST as verify_audit prints it.")
            % {"seen": text}
        )
    return int(number), digest
