from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from portal.core import keys
from portal.core.actors import Actor
from portal.core.errors import PortalError
from portal.core.models import Scope, User
from portal.lib import clock

LONGEST_DAYS = 3650


class Command(BaseCommand):
    help = "Make an API key and print it; it is shown this once and kept as a hash only."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="What the key is for.")
        parser.add_argument("--user", required=True, help="The account that the key acts for.")
        parser.add_argument(
            "--scopes", required=True, help=f"Separated by commas, from: {', '.join(Scope.values)}."
        )
        parser.add_argument(
            "--expires-days", type=int, help="After how many days it ends; without it, never."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        scopes = [word.strip() for word in options["scopes"].split(",") if word.strip()]
        user = _user(options["user"])
        try:
            _key, plain = keys.create_key(
                user=user,
                name=options["name"],
                scopes=scopes,
                expires_at=_expiry(options["expires_days"]),
                actor=Actor(name="create_key", via="command"),
            )
        except PortalError as exc:
            said = [str(exc), *(f"{item.field}: {item.message}" for item in exc.problems)]
            raise CommandError("\n".join(said)) from exc
        self.stdout.write(plain)


def _user(name: str) -> User:
    try:
        return User.objects.get_by_natural_key(name)
    except User.DoesNotExist as exc:
        raise CommandError(
            _("There is no account “%(name)s”; make it in the admin or with createsuperuser.")
            % {"name": name}
        ) from exc


def _expiry(days: int | None) -> Any:
    if days is None:
        return None
    if not 1 <= days <= LONGEST_DAYS:
        raise CommandError(
            _("--expires-days is %(days)d; give 1 to %(most)d.")
            % {"days": days, "most": LONGEST_DAYS}
        )
    return clock.now() + timedelta(days=days)
