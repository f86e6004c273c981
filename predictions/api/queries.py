"""Query parameters of addresses that are no lists: declared, and no misspelt one goes unnoticed."""

from django.utils.translation import gettext as _
from rest_framework.request import Request

from portal.core.errors import FieldProblem, InvalidInput


def only(request: Request, *names: str) -> None:
    """Refuse query parameters that nobody declared, as lists do."""
    for seen in request.query_params:
        if seen not in names:
            message = _("There is no query parameter “%(seen)s” here; known are %(known)s.")
            raise wrong(seen, message % {"seen": seen[:60], "known": ", ".join(names)})


def whole(request: Request, name: str, default: int) -> int:
    """Return a whole number that is not negative, or its default."""
    given = request.query_params.get(name)
    if given is None:
        return default
    if given.isascii() and given.isdigit():
        return int(given[:9])
    message = _("“%(name)s” is “%(seen)s”: give a whole number.")
    raise wrong(name, message % {"name": name, "seen": given[:40]})


def amount(request: Request, name: str) -> float:
    """Return a number that must be given; whether it makes sense is for the service to say."""
    given = request.query_params.get(name)
    if given is None:
        raise wrong(name, _("“%(name)s” is missing: give a number.") % {"name": name})
    try:
        return float(given)
    except ValueError as exc:
        message = _("“%(name)s” is “%(seen)s”: give a number.")
        raise wrong(name, message % {"name": name, "seen": given[:40]}) from exc


def choice(request: Request, name: str, allowed: tuple[str, ...], default: str) -> str:
    """Return one of some words, or the default, whatever that is."""
    given = request.query_params.get(name)
    if given is None:
        return default
    if given in allowed:
        return given
    message = _("“%(name)s” is “%(seen)s”: use one of %(allowed)s.")
    words = {"name": name, "seen": given[:40], "allowed": ", ".join(allowed)}
    raise wrong(name, message % words)


def wrong(field: str, message: str) -> InvalidInput:
    """Return the error for one member of a request."""
    return InvalidInput(message, problems=[FieldProblem(field[:60], "invalid", message)])
