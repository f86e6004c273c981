"""``manage.py restore``: bring a backup back."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

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
                    self.stdout.write(_("Dropped: %(name)s") % {"name": name})
                return
            self._restore(options)
        except PortalError as exc:
            raise CommandError(str(exc)) from exc

    def _restore(self, options: dict[str, Any]) -> None:
        if not options["name"]:
            raise CommandError(
                _("Which backup? Give its name, or %(latest)s; see backup --list.")
                % {"latest": LATEST}
            )
        with backups.opened(options["where"], passphrase(options)) as vault:
            name = options["name"]
            name = manifests.newest(vault) if name == LATEST else name
            manifest = manifests.read(vault, name)
            if not options["yes"]:
                self._ask(manifest)
            restored = backups.restore(vault, name, Actor(name="restore", via="command"))
        self.stdout.write(
            _(
                "Restored %(name)s: %(rows)d rows compared, %(artifacts)d artifacts put back. What "
                "was live is the database %(previous)s; restore --drop-previous drops it."
            )
            % {
                "name": name,
                "rows": manifest.n_rows,
                "artifacts": restored.n_artifacts,
                "previous": restored.previous,
            }
        )
        if restored.secret_key_file:
            self.stdout.write(
                _(
                    "The backup's secret key is in %(file)s: start the portal again, and unset "
                    "SECRET_KEY if it is set, so that the audit log can be verified."
                )
                % {"file": restored.secret_key_file}
            )

    def _ask(self, manifest: manifests.Manifest) -> None:
        self.stdout.write(
            _("This puts the state of %(at)s (%(rows)d rows) in the place of what is live.")
            % {"at": manifest.created_at, "rows": manifest.n_rows}
        )
        if input(_("Type the name of the backup to go on: ")).strip() != manifest.name:
            raise CommandError(_("That is not its name; nothing was changed."))
