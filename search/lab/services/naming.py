"""Which campaign somebody means who writes a name or a part of a number."""

from collections.abc import Sequence

from django.utils import timezone
from django.utils.translation import gettext as _

from portal.core.errors import Conflict, NotFound
from search.lab.models import Campaign

#: Signs of a number that are enough to name a campaign.
LEAST_SIGNS = 4
_MOST = 20


def called(wanted: str) -> Campaign:
    """Return the one campaign that somebody means in a terminal.

    Parameters
    ----------
    wanted : str
        Its number, the first `LEAST_SIGNS` signs of it or more, a name that no other bears, or
        ``latest``.

    Raises
    ------
    NotFound
        If there is none.
    Conflict
        If several are meant; lists them.
    """
    known = Campaign.objects.all()
    found = list(known[:1]) if wanted == "latest" else list(known.filter(name=wanted)[:_MOST])
    if not found and len(wanted) >= LEAST_SIGNS:
        found = list(known.filter(pk__startswith=wanted.lower())[:_MOST])
    if not found:
        raise NotFound(
            _(
                "There is no campaign “%(wanted)s”: give its name, its number or the first "
                "%(least)d signs of it, or start one with the command benchmark."
            )
            % {"wanted": wanted, "least": LEAST_SIGNS},
            code="no_campaign",
        )
    return only(found, wanted)


def only(found: Sequence[Campaign], wanted: str) -> Campaign:
    """Return the one campaign that was found.

    Raises
    ------
    Conflict
        If there are several; lists them.
    """
    if len(found) > 1:
        listed = "; ".join(
            f"{one.pk} {one.name} ({timezone.localtime(one.created_at):%Y-%m-%d %H:%M})"
            for one in found
        )
        raise Conflict(
            _("“%(wanted)s” may be any of %(count)d campaigns, so name one by its number: %(all)s.")
            % {"wanted": wanted, "count": len(found), "all": listed},
            code="several_campaigns",
        )
    return found[0]
