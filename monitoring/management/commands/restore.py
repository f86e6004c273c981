"""``manage.py restore``: bring a backup back."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from monitoring.management.commands.backup import add_vault, passphrase
from monitoring.services import backups
from monitoring.services.backups import manifests, restoring
from portal.core.actors import Actor
from portal.core.errors import PortalError

LATEST = "latest"


class Command(BaseCommand):
    help = "Put a backup in the place of what is live; what was live stays as another database."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", nargs="?", help=f"a backup's name, or “{LATEST}”")
        add_vault(parser, "--from")
        parser.add_argument("--yes", action="store_true", help="do not ask")
        parser.add_argument(
            "--drop-previous",
            action="store_true",
            help="drop the databases that earlier restorations set aside, and end",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["drop_previous"]:
                for name in restoring.drop_previous():
                    self.stdout.write(f"dropped {name}")
                return
            self._restore(options)
        except PortalError as exc:
            raise CommandError(str(exc)) from exc

    def _restore(self, options: dict[str, Any]) -> None:
        if not options["name"]:
            raise CommandError(f"Which backup? Give its name, or {LATEST}; see backup --list.")
        with backups.opened(options["where"], passphrase(options)) as vault:
            name = options["name"]
            name = manifests.newest(vault) if name == LATEST else name
            manifest = manifests.read(vault, name)
            if not options["yes"]:
                self._ask(manifest)
            restored = backups.restore(vault, name, Actor(name="restore", via="command"))
        self.stdout.write(
            f"Restored {name}: {manifest.n_rows} rows compared, {restored.n_artifacts} artifacts "
            f"put back. What was live is the database {restored.previous}; restore --drop-previous "
            "drops it."
        )
        if restored.secret_key_file:
            self.stdout.write(
                f"The backup's secret key is in {restored.secret_key_file}: start the portal "
                "again, and unset SECRET_KEY if it is set, so that the audit log can be verified."
            )

    def _ask(self, manifest: manifests.Manifest) -> None:
        self.stdout.write(
            f"This puts the state of {manifest.created_at} ({manifest.n_rows} rows) in the place "
            "of what is live."
        )
        if input("Type the name of the backup to go on: ").strip() != manifest.name:
            raise CommandError("That is not its name; nothing was changed.")
