"""``manage.py restore_drill``: prove that a backup can be brought back."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from monitoring.management.commands.backup import add_vault, passphrase
from monitoring.services import backups
from monitoring.services.backups import manifests
from portal.core.errors import PortalError
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
                self.stdout.write(json.dumps(backups.drill(vault, name), indent=2))
        except (PortalError, StackError) as exc:
            raise CommandError(str(exc)) from exc
