"""Bring an installation up to date: schema, static files, first administrator."""

from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import connection, transaction

from portal.core import roles
from portal.stack import secrets

FIRST_ADMINISTRATOR = "admin"
LOCK_KEY = 0x4D494C4C  # two machines that start at once over one database take turns


class Command(BaseCommand):
    help = (
        "Bring the installation up to date: migrate, collect static files, make the first "
        "administrator. Safe to repeat and to run on several machines at once."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK_KEY])
            try:
                call_command("migrate", interactive=False, verbosity=options["verbosity"])
                self._make_administrator()
            finally:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK_KEY])
        call_command("collectstatic", interactive=False, verbosity=0)

    @transaction.atomic
    def _make_administrator(self) -> None:
        """Make a superuser unless there is one, its random password kept in a private file."""
        users = get_user_model().objects
        if users.filter(is_superuser=True).exists():
            return
        password = secrets.admin_password(settings.HOME)
        first = users.create_superuser(FIRST_ADMINISTRATOR, password=password)
        # The flag opens every page, but what moves models must be granted: the role does that.
        first.groups.set(Group.objects.filter(name=roles.ADMINISTRATOR))
        note = settings.HOME / "run" / "new-administrator"
        note.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        note.write_text(FIRST_ADMINISTRATOR)
        self.stdout.write(f"Made the first administrator, {FIRST_ADMINISTRATOR}.")
