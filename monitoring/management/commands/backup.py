"""``manage.py backup``: keep everything somewhere else."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from monitoring.services import backups
from monitoring.services.backups import manifests, restoring
from monitoring.services.backups.making import turn
from monitoring.services.backups.manifests import Manifest
from monitoring.services.backups.vault import Vault
from portal.core.errors import PortalError

MIB = 1 << 20


def add_vault(parser: CommandParser, flag: str) -> None:
    """Add the arguments that say where a vault is."""
    parser.add_argument(
        flag,
        dest="where",
        metavar="PLACE",
        default=settings.BACKUP_TO,
        help="an absolute path or s3://bucket/prefix; MILLWRIGHT_BACKUP_TO by default",
    )
    parser.add_argument(
        "--passphrase-file",
        metavar="FILE",
        help="of a sealed vault; MILLWRIGHT_BACKUP_PASSPHRASE_FILE by default",
    )


def passphrase(options: dict[str, Any]) -> str:
    """Return the passphrase that the arguments or the settings name."""
    if not options["passphrase_file"]:
        return str(settings.BACKUP_PASSPHRASE())
    try:
        with open(options["passphrase_file"]) as file:  # noqa: PTH123 - "-" and /dev/fd work too
            return file.read().strip()
    except (OSError, UnicodeDecodeError) as exc:
        raise CommandError(_("The passphrase cannot be read: %(why)s") % {"why": exc}) from exc


class Command(BaseCommand):
    help = "Back up database, artifacts and secrets, or list and verify the backups there are."

    def add_arguments(self, parser: CommandParser) -> None:
        add_vault(parser, "--to")
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--list", action="store_true", help="list the backups, the latest first")
        what.add_argument("--verify", metavar="NAME", help="compare every file with its digest")
        what.add_argument(
            "--remove-old",
            action="store_true",
            help="remove those past MILLWRIGHT_BACKUP_KEEP_DAYS",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        is_making = not (options["list"] or options["verify"] or options["remove_old"])
        try:
            with backups.opened(
                options["where"], passphrase(options), is_new_allowed=is_making
            ) as vault:
                if is_making:
                    self._tell(backups.make(vault))
                else:
                    self._look(vault, options)
        except PortalError as exc:
            raise CommandError(str(exc)) from exc

    def _look(self, vault: Vault, options: dict[str, Any]) -> None:
        if options["list"]:
            kept = list(manifests.all(vault))
            for manifest in kept:
                self._tell(manifest)
            if not kept:  # beside the output, which programs read
                nothing = _("There is no backup in %(place)s yet; backup makes one.")
                self.stderr.write(nothing % {"place": options["where"]})
        elif options["remove_old"]:
            with turn():
                for name in backups.remove_old(vault, keep=settings.BACKUP_KEEP):
                    self.stdout.write(_("Removed: %(name)s") % {"name": name})
        else:
            self._verify(vault, options["verify"])

    def _verify(self, vault: Vault, name: str) -> None:
        wrong = restoring.verify(vault, manifests.read(vault, name))
        for line in wrong:
            self.stderr.write(line)
        if wrong:
            raise CommandError(
                _("The backup %(name)s is damaged in %(count)d places.")
                % {"name": name, "count": len(wrong)}
            )
        self.stdout.write(_("The backup %(name)s is whole.") % {"name": name})

    def _tell(self, manifest: Manifest) -> None:
        taken_s = sum(manifest.seconds.values())
        dump_mib = manifest.dump["size_bytes"] / MIB
        self.stdout.write(
            _(
                "%(name)s: %(rows)d rows, dump %(dump).1f MiB, %(count)d artifacts of %(size).1f "
                "MiB, %(taken).1f s, damaged: %(damaged)d"
            )
            % {
                "name": manifest.name,
                "rows": manifest.n_rows,
                "dump": dump_mib,
                "count": len(manifest.artifacts),
                "size": manifest.artifact_bytes / MIB,
                "taken": taken_s,
                "damaged": len(manifest.damaged),
            }
        )
