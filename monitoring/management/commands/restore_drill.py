"""``manage.py restore_drill``: prove that a backup can be brought back."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from monitoring.management.commands.backup import add_vault, passphrase
from monitoring.selectors.backups import DRILLED
from monitoring.services import backups
from monitoring.services.backups import manifests
from portal.core import audit
from portal.core.actors import Actor
from portal.core.errors import PortalError
from portal.runs.models import Run
from portal.stack.errors import StackError


class Command(BaseCommand):
    help = "Restore a backup into a throw-away database, compare all of it, and print the times."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", nargs="?", help="a backup's name; the latest by default")
        add_vault(parser, "--from")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with backups.opened(options["where"], passphrase(options)) as vault:
                name = options["name"] or manifests.newest(vault)
                result = backups.drill(vault, name)
            audit.record(
                Actor.system("restore_drill", via=Run.Via.COMMAND),
                DRILLED,
                f"backup {name}",
                detail=result,
            )
            self.stdout.write(json.dumps(result, indent=2))
        except (PortalError, StackError) as exc:
            raise CommandError(str(exc)) from exc
