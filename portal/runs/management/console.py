"""What commands have in common: who acts, and how output and errors are shown."""

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import InterfaceError, OperationalError
from django.utils.translation import gettext as _
from rich.console import Console

from portal.core.actors import Actor
from portal.core.errors import PortalError
from portal.core.models import User

VIA = "command"
#: Width when the output goes to a file or pipe; wide enough for the widest table.
PLAIN_WIDTH = 140


def console(stream: Any) -> Console:
    """Return a console on a command's output; colours and width only where there is a terminal."""
    is_terminal = bool(getattr(stream, "isatty", bool)())
    return Console(file=stream, width=None if is_terminal else PLAIN_WIDTH, highlight=False)


def add_user_argument(parser: CommandParser) -> None:
    """Add ``--user``."""
    parser.add_argument("--user", default="", help="Account to act for; by default none.")


def actor(username: str) -> Actor:
    """Return who acts: an account of the portal, else the shell user by name.

    Raises
    ------
    CommandError
        When there is no such account.
    """
    if not username:
        return Actor.system(getpass.getuser(), via=VIA)
    user = User.objects.filter(username=username, is_active=True).first()
    if user is None:
        raise CommandError(
            _("There is no active account “%(name)s”: see them under Users in the admin.")
            % {"name": username}
        )
    return Actor.of_user(user, via=VIA)


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn the product's errors and a missing database into a command's error.

    Raises
    ------
    CommandError
        With one line for each problem.
    """
    try:
        yield
    except PortalError as exc:
        said = str(exc)
        more = (one.message for one in exc.problems if one.message not in said)
        raise CommandError("\n".join(dict.fromkeys([said, *(f"  {one}" for one in more)]))) from exc
    except (OperationalError, InterfaceError) as exc:
        raise CommandError(
            _(
                "The database does not answer: start the portal with script/server in another "
                "terminal, or set DATABASE_URL. (%(reason)s)"
            )
            % {"reason": " ".join(str(exc).split())}
        ) from exc
